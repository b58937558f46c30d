//! Apps of sessions: started, listed, ended; their addresses, and tunnels to them.

use axum::http::Method;
use futures_util::{SinkExt as _, StreamExt as _};
use madang_model::AppsAddress;
use madang_ticket::Right;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::{PATIENCE, World},
    sockets::{dial_as, next},
};

#[tokio::test]
async fn an_app_starts_once_is_listed_and_ends() {
    let world = World::new().await;
    let session = world.session().await;
    let apps = format!("/api/v1/sessions/{session}/apps");
    let offers = world.get("/api/v1/apps").await.expect(200)["items"].clone();
    let named = |name: &str| offers.as_array().unwrap().iter().find(|offer| offer["name"] == name).cloned().unwrap();
    assert_eq!(named("echo")["available"], true);
    assert_eq!(named("absent")["unavailable"], "it is not installed");
    let app = world.post(&apps, json!({"name": "echo"})).await.expect(200);
    assert_eq!((&app["name"], &app["state"], &app["protocol"]), (&json!("echo"), &json!("running"), &json!("http")));
    // Nothing tells this server where apps are reached.
    assert!(app["url"].is_null() && app["no_url"].as_str().is_some_and(|why| why.contains("apps_listen")), "{app}");
    let again = world.post(&apps, json!({"name": "echo"})).await.expect(200);
    assert_eq!(again["id"], app["id"], "the one that runs is meant");
    let listed = world.get(&apps).await.expect(200)["items"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    world.delete(&format!("{apps}/{}", app["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(world.get(&apps).await.expect(200)["items"], json!([]));
    world.post(&apps, json!({"name": "echo"})).await.expect(200);
    // With apps or without an address for them: a session always ends.
    world.delete(&format!("/api/v1/sessions/{session}")).await.expect(200);
}

#[tokio::test]
async fn what_cannot_be_an_app_is_refused() {
    let world = World::new().await;
    let session = world.session().await;
    let apps = format!("/api/v1/sessions/{session}/apps");
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "port"}), "port"),
        (json!({"name": "port", "port": 0}), "port"),
        (json!({"name": "echo", "protocol": "tcp"}), "protocol"),
        (json!({"name": "port", "port": 8000, "arguments": ["a"]}), "arguments"),
    ] {
        let problem = world.post(&apps, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    world.post(&apps, json!({"name": "nothing"})).await.problem(422, "invalid");
    world.post(&apps, json!({"name": "absent"})).await.problem(422, "invalid");
    world.post(&apps, json!({"name": "echo", "arguments": vec!["a"; 65]})).await.problem(422, "limit");
    world.delete(&format!("{apps}/nothing")).await.problem(404, "not-found");
    world.get("/api/v1/sessions/none/apps").await.problem(404, "not-found");
    let session = json!({"language": "sim", "app": "absent"});
    assert_eq!(world.post("/api/v1/sessions", session).await.problem(422, "invalid")["field"], "app");
}

#[tokio::test]
async fn an_address_carries_a_ticket_for_this_app_of_this_session() {
    let world = World::with(|config| config.apps = Some("http://apps.test:8688".parse().unwrap())).await;
    let session = world.session().await;
    let app = world.post(&format!("/api/v1/sessions/{session}/apps"), json!({"name": "echo"})).await.expect(200);
    let (id, url) = (app["id"].as_str().unwrap(), app["url"].as_str().unwrap());
    let ticket = url.strip_prefix(&format!("http://apps.test:8688/apps/{id}/?ticket=")).expect(url);
    let ticket = world.tickets.check(ticket, 0).unwrap();
    assert!(matches!(ticket.right, Right::App { app, .. } if app.to_string() == id), "{ticket:?}");
    assert!(!app["expires_at"].is_null());
    // Whoever may only read gets no address.
    let listed = world.get(&format!("/api/v1/sessions/{session}/apps")).await.expect(200);
    assert!(listed["items"][0]["url"].is_null(), "{listed}");
}

/// What the page's policy says of frames, and what an app that was just opened says of who may frame it.
async fn frames(world: &World) -> (String, Value) {
    let page = world.send_bare(Method::GET, "/", &[("accept", "text/html")], "").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap().to_owned();
    let rule = policy.split("; ").find(|rule| rule.starts_with("frame-src ")).unwrap_or_default().to_owned();
    let session = world.session().await;
    let app = world.post(&format!("/api/v1/sessions/{session}/apps"), json!({"name": "echo"})).await.expect(200);
    (rule, app["embedder"].clone())
}

#[tokio::test]
async fn the_web_frames_apps_of_its_own_server_and_no_other_origin() {
    for (web, apps, domain, source) in [
        ("https://madang.test/", "https://apps.test:8688", None, "https://apps.test:8688"),
        ("https://madang.test", "https://apps.test", Some("apps.test"), "https://*.apps.test"),
    ] {
        let address: AppsAddress = apps.parse().unwrap();
        let address = domain.map_or_else(|| Ok(address.clone()), |domain| address.clone().with_domain(domain)).unwrap();
        let (public, address) = (Some(web.to_owned()), Some(address));
        let world = World::with(|config| (config.public_url, config.apps) = (public, address)).await;
        let (rule, embedder) = frames(&world).await;
        assert_eq!(embedder, "https://madang.test", "{web}");
        assert!(rule == format!("frame-src {source}") || !madang_web_assets::is_built(), "{rule}");
    }
    // An app's page in a frame of its own origin would be a page of ours, sandboxed or not.
    for (web, apps) in [
        (Some("https://madang.test"), Some("https://Madang.test:443")),
        (Some("https://madang.test"), None),
        (Some("https://[::1]:1"), Some("https://apps.test")),
    ] {
        let (public, address) = (web.map(str::to_owned), apps.map(|apps| apps.parse().unwrap()));
        let world = World::with(|config| (config.public_url, config.apps) = (public, address)).await;
        let (rule, embedder) = frames(&world).await;
        assert_eq!(embedder, Value::Null, "{web:?} {apps:?}");
        assert!(rule == "frame-src 'none'" || !madang_web_assets::is_built(), "{rule}");
    }
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_their_end() {
    let world = World::new().await;
    let session = world.session().await;
    let port = world.post(&format!("/api/v1/sessions/{session}/apps"), json!({"name": "port", "port": 8000})).await;
    assert_eq!(port.expect(200)["port"], 8000);
    let path = format!("/api/v1/sessions/{session}/ports/8000");
    let mut tunnel = dial_as(&world, &world.token, &path).await;
    let said: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let mut heard = Vec::new();
    for piece in said.chunks(50_000) {
        tunnel.send(Message::binary(piece.to_vec())).await.unwrap();
    }
    tunnel.send(Message::binary(Vec::new())).await.unwrap();
    loop {
        match next(&mut tunnel).await {
            Message::Binary(bytes) if bytes.is_empty() => break,
            Message::Binary(bytes) => heard.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    assert!(heard == said, "{} bytes of {} came back", heard.len(), said.len());
    assert!(next(&mut tunnel).await.is_close());
    world.get(&path).await.problem(426, "upgrade-required");
    world.get(&format!("/api/v1/sessions/{session}/ports/0")).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_session_without_room_for_an_app_says_what_it_needs() {
    let world = World::new().await;
    let session = world.session().await;
    let asked = json!({"name": "large"});
    let problem = world.post(&format!("/api/v1/sessions/{session}/apps"), asked.clone()).await.problem(409, "conflict");
    let why = problem["detail"].as_str().unwrap();
    for part in ["large needs 576 MiB", "this session has 256 MiB", "`app` = \"large\"", "603979776"] {
        assert!(why.contains(part), "{part} in {why}");
    }
    for session in [
        json!({"language": "sim", "app": "large"}),
        json!({"language": "sim", "resources": {"memory_bytes": 603_979_776_u64}}),
    ] {
        let made = world.post("/api/v1/sessions", session).await.expect(201);
        let apps = format!("/api/v1/sessions/{}/apps", made["id"].as_str().unwrap());
        world.post(&apps, asked.clone()).await.expect(200);
    }
    let small = json!({"language": "sim", "app": "large", "resources": {"memory_bytes": 603_979_775_u64}});
    let problem = world.post("/api/v1/sessions", small).await.problem(422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("603979776"), "{problem}");
}

/// What comes back is more than anything on the way can hold: whoever sends must be read from meanwhile.
#[tokio::test]
async fn a_tunnel_is_busy_both_ways_at_once() {
    const PIECES: usize = 64;
    const PIECE_BYTES: usize = 1 << 20;
    let world = World::new().await;
    let session = world.session().await;
    world.post(&format!("/api/v1/sessions/{session}/apps"), json!({"name": "port", "port": 8000})).await.expect(200);
    let tunnel = dial_as(&world, &world.token, &format!("/api/v1/sessions/{session}/ports/8000")).await;
    let (mut sink, mut stream) = tunnel.split();
    let says = async {
        for number in 0..PIECES {
            sink.send(Message::binary(vec![number as u8; PIECE_BYTES])).await.unwrap();
        }
        sink.send(Message::binary(Vec::new())).await.unwrap();
    };
    let hears = async {
        let mut heard = 0;
        loop {
            match stream.next().await.unwrap().unwrap() {
                Message::Binary(bytes) if bytes.is_empty() => return heard,
                Message::Binary(bytes) => {
                    let right = bytes.iter().zip(heard..).all(|(byte, at)| *byte == (at / PIECE_BYTES) as u8);
                    assert!(right, "after {heard} bytes");
                    heard += bytes.len();
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let (heard, ()) = tokio::time::timeout(PATIENCE * 2, async { tokio::join!(hears, says) }).await.unwrap();
    assert_eq!(heard, PIECES * PIECE_BYTES);
}
