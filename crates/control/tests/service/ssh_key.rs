//! SSH keys of users, over HTTP.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::harness::World;

/// A public key that nobody has.
pub fn fresh() -> String {
    let mut point = [0; 32];
    getrandom::fill(&mut point).unwrap();
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    format!("ssh-ed25519 {}", STANDARD.encode([field(b"ssh-ed25519"), field(&point)].concat()))
}

#[tokio::test]
async fn a_key_is_given_listed_and_forgotten() {
    let world = World::new().await;
    let key = fresh();
    let line = format!("{key} ada@laptop\n");
    let made = world.post("/api/v1/ssh-keys", json!({"public_key": line})).await.expect(201);
    assert_eq!((made["name"].as_str(), made["public_key"].as_str()), (Some("ada@laptop"), Some(key.as_str())));
    assert!(made["fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{made}");
    world.post("/api/v1/ssh-keys", json!({"public_key": key, "name": "again"})).await.problem(409, "conflict");
    let listed = world.get("/api/v1/ssh-keys").await.expect(200);
    assert_eq!(listed["items"], json!([made]));
    let path = format!("/api/v1/ssh-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(world.delete(&path).await.expect(200), made);
    world.delete(&path).await.problem(404, "not-found");
    assert_eq!(world.get("/api/v1/ssh-keys").await.expect(200)["items"], json!([]));
    let audit = world.get("/api/v1/audit?operation=ssh_key_create&outcome=done").await.expect(200);
    assert_eq!(audit["items"][0]["subject"], made["id"], "{audit}");
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let world = World::new().await;
    let rsa = {
        let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let body = [field(b"ssh-rsa"), field(&[1, 0, 1]), field(&[&[0_u8][..], &[0xab; 256]].concat())].concat();
        format!("ssh-rsa {}", STANDARD.encode(body))
    };
    for text in ["", "hello", "ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----", &rsa, &"x".repeat(5_000)] {
        let refused = world.post("/api/v1/ssh-keys", json!({"public_key": text})).await;
        refused.problem(422, "invalid");
    }
    world.post("/api/v1/ssh-keys", json!({"public_key": fresh(), "name": ""})).await.problem(422, "invalid");
    world.post("/api/v1/ssh-keys", json!({"public_key": fresh(), "user": "nobody"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_user_has_so_many_and_no_more() {
    let world = World::with(|config| config.rates.client_per_minute = std::num::NonZeroU32::MAX).await;
    for _ in 0..madang_public_api::bounds::SSH_KEYS_MAX {
        world.post("/api/v1/ssh-keys", json!({"public_key": fresh()})).await.expect(201);
    }
    world.post("/api/v1/ssh-keys", json!({"public_key": fresh()})).await.problem(429, "too-many");
}

#[tokio::test]
async fn keys_that_others_gave_go_with_a_suspension() {
    let world = World::new().await;
    world.post("/api/v1/users", json!({"name": "ada"})).await.expect(201);
    world.post("/api/v1/ssh-keys", json!({"public_key": fresh(), "user": "ada"})).await.expect(201);
    let own = world.post("/api/v1/ssh-keys", json!({"public_key": fresh()})).await.expect(201);
    world.patch("/api/v1/users/ada", json!({"suspended": true})).await.expect(200);
    let listed = world.get("/api/v1/ssh-keys").await.expect(200);
    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert_eq!(names, [&own["id"]], "{listed}");
}
