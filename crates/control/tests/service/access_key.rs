//! Requests signed with an access key: what is taken, and what is refused without saying why.

use axum::http::Method;
use madang_public_api::{
    Timestamp,
    signature::{BODY_HEADER, Covers, NONCE_HEADER, SKEW_MS_MAX, SignedDate, Signing, digest_hex},
};
use serde_json::{Value, json};

use crate::harness::{Answer, World};

const SESSIONS: &str = "/api/v1/sessions";
const LINE: &str = "the request's signature is not good";

/// An access key as a client holds it.
#[derive(Clone)]
pub struct Key {
    pub access: String,
    pub secret: String,
}

/// A request that is signed, and what of it is sent otherwise.
#[derive(Clone)]
pub struct Sent<'a> {
    method: Method,
    target: &'a str,
    kind: &'a str,
    body: &'a str,
    at_ms: u64,
}

impl<'a> Sent<'a> {
    pub fn get(target: &'a str) -> Self {
        Self { method: Method::GET, target, kind: "text/plain", body: "", at_ms: now_ms() }
    }

    fn post(target: &'a str, body: &'a str) -> Self {
        Self { method: Method::POST, target, kind: "application/json", body, at_ms: now_ms() }
    }
}

fn now_ms() -> u64 {
    u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

async fn key(world: &World, request: Value) -> Key {
    let made = world.post("/api/v1/access-keys", request).await.expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Key { access: text("access_key"), secret: text("secret_key") }
}

/// As stock clients sign.
pub async fn send_plain(world: &World, key: &Key, version: &str, sent: &Sent<'_>) -> Answer {
    let signed = if version == "v2.20170315" { sent.body.as_bytes() } else { b"" };
    let date = Timestamp(sent.at_ms).to_string();
    let authorization = sign(key, sent, &date, Covers::Head { version, body: signed });
    let headers = [
        ("authorization", authorization.as_str()),
        ("date", date.as_str()),
        ("content-type", sent.kind),
        ("x-backendai-version", version),
    ];
    world.send_bare(sent.method.clone(), sent.target, &headers, sent.body.to_owned()).await
}

/// As ours do; `body` is what really goes out.
pub async fn send_covered(world: &World, key: &Key, nonce: &str, sent: &Sent<'_>, body: &str) -> Answer {
    let (date, digest) = (Timestamp(sent.at_ms).to_string(), digest_hex(sent.body.as_bytes()));
    let authorization = sign(key, sent, &date, Covers::Request { nonce, digest: &digest });
    let headers = [
        ("authorization", authorization.as_str()),
        ("date", date.as_str()),
        ("content-type", sent.kind),
        (NONCE_HEADER, nonce),
        (BODY_HEADER, digest.as_str()),
    ];
    world.send_bare(sent.method.clone(), sent.target, &headers, body.to_owned()).await
}

fn sign(key: &Key, sent: &Sent<'_>, date: &str, covers: Covers<'_>) -> String {
    let day = SignedDate::parse(date).unwrap().day;
    let signing = Signing {
        method: sent.method.as_str(),
        target: sent.target,
        date,
        host: "test",
        media_type: sent.kind,
        covers,
    };
    signing.authorization(&key.access, key.secret.as_bytes(), &day)
}

#[tokio::test]
async fn stock_clients_are_taken_at_their_word() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "stock"})).await;
    let get = Sent::get("/api/v1/sessions?limit=5&filter=live");
    send_plain(&world, &key, "v7.20230615", &get).await.expect(200);
    let post = Sent::post(SESSIONS, r#"{"language":"sim"}"#);
    let made = send_plain(&world, &key, "v2.20170315", &post).await.expect(201);
    assert_eq!(made["state"], "running", "{made}");
    let who = send_plain(&world, &key, "v7.20230615", &Sent::get("/api/v1/signin")).await.expect(200);
    assert_eq!(who["via"], format!("key {}", key.access));
}

#[tokio::test]
async fn wrong_signatures_are_refused_alike() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "k"})).await;
    let good = Sent::get(SESSIONS);
    let refused = async |key: &Key, sent: &Sent<'_>| {
        let problem = send_plain(&world, key, "v7.20230615", sent).await.problem(401, "unauthenticated");
        assert!(problem["detail"].as_str().unwrap().starts_with(LINE), "{problem}");
    };
    refused(&Key { secret: "wrong".into(), ..key.clone() }, &good).await;
    refused(&Key { access: "MDAKUNKNOWNUNKNOWNXX".into(), ..key.clone() }, &good).await;
    world.post(&format!("/api/v1/access-keys/{}/suspend", key.access), json!({})).await.expect(200);
    refused(&key, &good).await;
    world.post(&format!("/api/v1/access-keys/{}/resume", key.access), json!({})).await.expect(200);
    send_plain(&world, &key, "v7.20230615", &good).await.expect(200);
    let rotated = world.post(&format!("/api/v1/access-keys/{}/rotate", key.access), json!({})).await.expect(200);
    refused(&key, &good).await;
    let new = Key { secret: rotated["secret_key"].as_str().unwrap().into(), ..key.clone() };
    send_plain(&world, &new, "v7.20230615", &good).await.expect(200);
    world.delete(&format!("/api/v1/access-keys/{}", key.access)).await.expect(200);
    refused(&new, &good).await;
}

#[tokio::test]
async fn what_was_signed_is_what_must_arrive() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "k"})).await;
    let old = "v2.20170315";
    let post = Sent::post(SESSIONS, r#"{"language":"sim"}"#);
    let date = Timestamp(post.at_ms).to_string();
    let authorization = sign(&key, &post, &date, Covers::Head { version: old, body: post.body.as_bytes() });
    let headers = [
        ("authorization", authorization.as_str()),
        ("date", date.as_str()),
        ("content-type", post.kind),
        ("x-backendai-version", old),
    ];
    let other = r#"{"language":"sim","name":"other"}"#;
    world.send_bare(Method::POST, SESSIONS, &headers, other).await.problem(401, "unauthenticated");
    world.send_bare(Method::POST, "/api/v1/run", &headers, post.body).await.problem(401, "unauthenticated");
    let skewed = |at_ms| Sent { at_ms, ..Sent::get(SESSIONS) };
    for at_ms in [now_ms() - SKEW_MS_MAX - 60_000, now_ms() + SKEW_MS_MAX + 60_000] {
        let problem = send_plain(&world, &key, "v7.20230615", &skewed(at_ms)).await.problem(401, "unauthenticated");
        assert!(problem["detail"].as_str().unwrap().contains("15 minutes"), "{problem}");
    }
    send_plain(&world, &key, "v7.20230615", &skewed(now_ms() - SKEW_MS_MAX + 120_000)).await.expect(200);
}

#[tokio::test]
async fn a_covered_request_is_good_once_and_unchanged() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "k", "signing": "request"})).await;
    let nonce = "0123456789abcdef";
    let post = Sent::post(SESSIONS, r#"{"language":"sim"}"#);
    let changed = r#"{"language":"sim","name":"x"}"#;
    let spoilt = send_covered(&world, &key, "spoilt-0123456789", &post, changed).await;
    assert!(spoilt.problem(401, "unauthenticated")["detail"].as_str().unwrap().contains("body"));
    let live = world.get("/api/v1/sessions?filter=live").await.expect(200);
    assert_eq!(live["items"].as_array().unwrap().len(), 0, "nothing was done: {live}");
    send_covered(&world, &key, nonce, &post, post.body).await.expect(201);
    let replay = send_covered(&world, &key, nonce, &post, post.body).await.problem(401, "unauthenticated");
    assert!(replay["detail"].as_str().unwrap().contains("before"), "{replay}");
    send_covered(&world, &key, "another-0123456789", &Sent::get(SESSIONS), "").await.expect(200);
    send_covered(&world, &key, "short", &Sent::get(SESSIONS), "").await.problem(401, "unauthenticated");
    // A key that asks for covered requests takes no others, however well they are signed.
    send_plain(&world, &key, "v7.20230615", &Sent::get(SESSIONS)).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn nobody_uses_up_anothers_nonce() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "k"})).await;
    let thief = Key { secret: "guess".into(), ..key.clone() };
    let (nonce, get) = ("0123456789abcdef", Sent::get(SESSIONS));
    send_covered(&world, &thief, nonce, &get, "").await.problem(401, "unauthenticated");
    send_covered(&world, &key, nonce, &get, "").await.expect(200);
}

#[tokio::test]
async fn secrets_are_shown_once_and_sealed() {
    let world = World::new().await;
    let key = key(&world, json!({"name": "k", "expires_days": 30})).await;
    let list = world.get("/api/v1/access-keys").await;
    let shown = list.expect(200);
    assert_eq!(shown["items"][0]["access_key"], key.access.as_str());
    assert!(!String::from_utf8_lossy(&list.body).contains(&key.secret), "{shown}");
    for refused in [json!({"name": ""}), json!({"name": "k", "expires_days": 0}), json!({"name": "a\u{7}b"})] {
        world.post("/api/v1/access-keys", refused).await.problem(422, "invalid");
    }
    world.post("/api/v1/access-keys", json!({"name": "k", "user": "nobody"})).await.problem(404, "not-found");
    world.delete("/api/v1/access-keys/MDAKNONE").await.problem(404, "not-found");
}

/// A user of an organization, and a token of theirs.
async fn user(world: &World, organization: &str, name: &str, role: &str) -> String {
    let request = json!({"name": name, "organization": organization, "role": role});
    world.post("/api/v1/users", request).await.expect(201);
    let key = key(world, json!({"name": "first", "user": name})).await;
    let request = json!({"name": "t", "scopes": ["read", "run", "manage", "secret"]}).to_string();
    let made = send_plain(world, &key, "v7.20230615", &Sent::post("/api/v1/tokens", &request)).await.expect(201);
    world.delete(&format!("/api/v1/access-keys/{}", key.access)).await.expect(200);
    made["secret"].as_str().or(made["token"].as_str()).unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[tokio::test]
async fn others_keys_are_as_if_they_were_not() {
    let world = World::new().await;
    world.post("/api/v1/organizations", json!({"name": "school"})).await.expect(201);
    let head = user(&world, "school", "head", "organization-administrator").await;
    let ada = user(&world, "school", "ada", "member").await;
    let eve = user(&world, "default", "eve", "member").await;
    let hers = world.send_as(&ada, Method::POST, "/api/v1/access-keys", json!({"name": "hers"})).await.expect(201);
    let path = format!("/api/v1/access-keys/{}", hers["access_key"].as_str().unwrap());
    let (none, hidden) =
        ("/api/v1/access-keys/MDAKNONE", world.send_as(&eve, Method::DELETE, &path, Value::Null).await);
    let missing = world.send_as(&eve, Method::DELETE, none, Value::Null).await;
    let plain = |answer: &Answer| {
        let mut problem = answer.problem(404, "not-found");
        problem["request_id"] = Value::Null;
        problem
    };
    assert_eq!(plain(&hidden), plain(&missing), "hidden and missing look the same");
    for (verb, token) in [("suspend", &eve), ("rotate", &eve)] {
        let answer = world.send_as(token, Method::POST, &format!("{path}/{verb}"), json!({})).await;
        answer.problem(404, "not-found");
    }
    let seen = world.send_as(&eve, Method::GET, "/api/v1/access-keys", Value::Null).await.expect(200);
    assert_eq!(seen["items"], json!([]));
    let seen = world.send_as(&head, Method::GET, "/api/v1/access-keys", Value::Null).await.expect(200);
    assert_eq!(seen["items"][0]["access_key"], hers["access_key"]);
    world.send_as(&head, Method::POST, &format!("{path}/suspend"), json!({})).await.expect(200);
    // A member sees no log; an administrator sees the own organization's.
    world.send_as(&ada, Method::GET, "/api/v1/audit", Value::Null).await.problem(403, "forbidden");
    let log = world.send_as(&head, Method::GET, "/api/v1/audit", Value::Null).await.expect(200);
    let names: Vec<_> = log["items"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ada") && !names.contains(&"eve") && !names.contains(&"administrator"), "{names:?}");
}

#[tokio::test]
async fn nobody_signs_in_as_somebody_with_more_power() {
    let world = World::new().await;
    let boss = user(&world, "default", "boss", "organization-administrator").await;
    let request = json!({"name": "k", "user": "administrator"});
    world.send_as(&boss, Method::POST, "/api/v1/access-keys", request).await.problem(403, "forbidden");
    let request = json!({"user": "administrator", "kind": "reset"});
    world.send_as(&boss, Method::POST, "/api/v1/links", request.clone()).await.problem(403, "forbidden");
    // Nor does a token make something that may do more than itself.
    let narrow = world.token_with(&["secret"]).await;
    let narrow = narrow["secret"].as_str().or(narrow["token"].as_str()).unwrap_or_else(|| panic!("{narrow}"));
    world.send_as(narrow, Method::POST, "/api/v1/access-keys", json!({"name": "k"})).await.problem(403, "forbidden");
    world.send_as(narrow, Method::POST, "/api/v1/links", request).await.problem(403, "forbidden");
}
