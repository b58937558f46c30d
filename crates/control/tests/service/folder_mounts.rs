//! Sessions that mount folders: who may, where, and what holds a folder in its place.

use axum::http::Method;
use madang_model::MountAccess;
use madang_node_api::Node;
use serde_json::{Value, json};

use crate::{folders::path, stage::Stage};

const SESSIONS: &str = "/api/v1/sessions";

fn session(mounts: Value) -> Value {
    json!({"language": "sim", "mounts": mounts})
}

#[tokio::test]
async fn a_session_mounts_what_its_owner_may_and_shows_it() {
    let stage = Stage::new().await;
    let own = stage.folder("ada", json!({"name": "own"})).await;
    let set = stage.folder("mona", json!({"name": "set", "project": "maths", "permission": "read"})).await;
    let model = stage.folder("ada", json!({"name": "net", "mode": "model"})).await;
    let mounts = json!([{"folder": "own", "at": "work/own"}, {"folder": set["id"]}, {"folder": "net"}]);
    let made = stage.send("ada", Method::POST, SESSIONS, session(mounts)).await.expect(201);
    assert_eq!(made["state"], "running", "{made}");
    let wanted = json!([
        {"folder": own["id"], "name": "own", "at": "work/own", "access": "read-write"},
        {"folder": set["id"], "name": "set", "at": "set", "access": "read-only"},
        {"folder": model["id"], "name": "net", "at": "net", "access": "read-only"},
    ]);
    assert_eq!(made["mounts"], wanted);
    let sandbox = stage.world.node.sandboxes()[0].id;
    let told = stage.world.node.spec(sandbox).unwrap().mounts;
    assert_eq!(told.iter().map(|mount| mount.at.as_str()).collect::<Vec<_>>(), ["work/own", "set", "net"]);
    assert_eq!(told[1].access, MountAccess::ReadOnly);
}

#[tokio::test]
async fn mounts_that_cannot_be_are_refused_with_what_is_wrong() {
    let stage = Stage::new().await;
    stage.folder("ada", json!({"name": "own"})).await;
    stage.folder("mona", json!({"name": "set", "project": "maths", "permission": "read"})).await;
    stage.folder("ben", json!({"name": "bens"})).await;
    let more = json!([{"folder": "set", "access": "read-write"}]);
    stage.send("ada", Method::POST, SESSIONS, session(more)).await.problem(403, "forbidden");
    for player in ["ada", "cleo", "mona"] {
        let hidden = json!([{"folder": "bens"}]);
        stage.send(player, Method::POST, SESSIONS, session(hidden)).await.problem(404, "not-found");
    }
    for at in ["../x", "/x", "", "a//b", ".", "a/../b"] {
        let mounts = json!([{"folder": "own", "at": at}]);
        let refused = stage.send("ada", Method::POST, SESSIONS, session(mounts)).await.problem(422, "invalid");
        assert_eq!(refused["field"], "mounts[0].at", "{at}: {refused}");
    }
    let nested = json!([{"folder": "own", "at": "a"}, {"folder": "set", "at": "a/b"}]);
    stage.send("ada", Method::POST, SESSIONS, session(nested)).await.problem(422, "invalid");
    let many: Vec<_> = (0..33).map(|number| json!({"folder": "own", "at": format!("a{number}")})).collect();
    stage.send("ada", Method::POST, SESSIONS, session(json!(many))).await.problem(422, "limit");
    stage.send("ada", Method::DELETE, "/api/v1/folders/own", Value::Null).await.expect(200);
    stage.send("ada", Method::POST, SESSIONS, session(json!([{"folder": "own"}]))).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_folder_stays_while_a_session_mounts_it_and_the_refusal_says_which() {
    let stage = Stage::new().await;
    let folder = stage.folder("mona", json!({"name": "set", "project": "maths"})).await;
    let made = stage.send("ada", Method::POST, SESSIONS, session(json!([{"folder": "set"}]))).await.expect(201);
    for (method, rest, body) in [(Method::DELETE, "", Value::Null), (Method::POST, "/owner", json!({"user": "ben"}))] {
        let by = if rest.is_empty() { "mona" } else { "orla" };
        let refused = stage.send(by, method, &path(&folder, rest), body).await.problem(409, "conflict");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(made["id"].as_str().unwrap()) && detail.contains("of ada"), "{detail}");
    }
    let id = made["id"].as_str().unwrap();
    stage.send("ada", Method::DELETE, &format!("{SESSIONS}/{id}"), Value::Null).await.expect(200);
    stage.world.until(&format!("{SESSIONS}/{id}"), |view| view["state"] == "ended").await;
    stage.send("mona", Method::DELETE, &path(&folder, ""), Value::Null).await.expect(200);
}

#[tokio::test]
async fn a_share_that_ends_leaves_what_runs_alone_and_the_next_session_has_nothing() {
    let stage = Stage::new().await;
    let folder = stage.folder("mona", json!({"name": "set", "project": "maths"})).await;
    let share = json!({"user": "cleo", "permission": "write"});
    stage.send("mona", Method::POST, &path(&folder, "/shares"), share).await.expect(201);
    let made = stage.send("cleo", Method::POST, SESSIONS, session(json!([{"folder": "set"}]))).await.expect(201);
    stage.send("mona", Method::DELETE, &path(&folder, "/shares/cleo"), Value::Null).await.expect(200);
    let id = made["id"].as_str().unwrap();
    let view = stage.send("cleo", Method::GET, &format!("{SESSIONS}/{id}"), Value::Null).await.expect(200);
    assert_eq!((&view["state"], &view["mounts"][0]["at"]), (&json!("running"), &json!("set")), "{view}");
    stage
        .send("cleo", Method::POST, SESSIONS, session(json!([{"folder": folder["id"]}])))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_name_with_a_dot_mounts_itself_at_home_unless_something_is_in_its_way() {
    let stage = Stage::new().await;
    let dotted = stage.folder("ada", json!({"name": ".config"})).await;
    let plain = stage.folder("ada", json!({"name": "own"})).await;
    let made = stage.send("ada", Method::POST, SESSIONS, json!({"language": "sim"})).await.expect(201);
    let at =
        |view: &Value| view["mounts"].as_array().map(|mounts| mounts.iter().map(|mount| mount["at"].clone()).collect());
    assert_eq!(at(&made), Some(vec![json!(".config")]), "{made}");
    let asked = json!([{"folder": "own", "at": ".config/mine"}]);
    let made = stage.send("ada", Method::POST, SESSIONS, session(asked)).await.expect(201);
    assert_eq!(at(&made), Some(vec![json!(".config/mine")]), "{made}");
    let others = stage.send("ben", Method::POST, SESSIONS, json!({"language": "sim"})).await.expect(201);
    assert_eq!(at(&others), None, "{others}");
    stage.send("ada", Method::PATCH, &path(&plain, ""), json!({"name": ".own"})).await.expect(200);
    let renamed = stage.send("ada", Method::POST, SESSIONS, json!({"language": "sim"})).await.expect(201);
    assert_eq!(at(&renamed), Some(vec![json!(".config"), json!(".own")]), "{renamed}");
    stage.send("ada", Method::PATCH, &path(&dotted, ""), json!({"name": "config"})).await.expect(200);
    let made = stage.send("ada", Method::POST, SESSIONS, json!({"language": "sim"})).await.expect(201);
    assert_eq!(at(&made), Some(vec![json!(".own")]), "{made}");
}
