//! Who may ask what. Every operation of the document must refuse those who have not signed in.

use std::{num::NonZeroU32, os::unix::fs::PermissionsExt};

use axum::http::Method;

use crate::harness::World;

/// Every operation: method, path with its parameters filled in, and whether it needs an identity.
fn operations() -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(madang_control::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled =
            path.replace("{id}", "ses_00000000000000000000000000").replace("{path}", "a/b").replace("{name}", "none");
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE] {
            let operation = &item[method.as_str().to_lowercase()];
            if operation.is_object() {
                operations.push((method, filled.clone(), operation["security"].is_array()));
            }
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_refuses_strangers() {
    // They all come from one address.
    let world = World::with(|config| config.rates.address_per_minute = NonZeroU32::MAX).await;
    let operations = operations();
    assert!(operations.iter().filter(|(_, _, closed)| *closed).count() >= 20, "{operations:?}");
    for (method, path, closed) in operations {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "Basic eDp5")]] {
            let answer = world.send_bare(method.clone(), &path, headers, "").await;
            if closed {
                answer.problem(401, "unauthenticated");
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{method} {path}");
            } else {
                assert_ne!(answer.status, 401, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn the_socket_knows_its_owner() {
    let world = World::new().await;
    let socket = world.socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    world.send_unix(&socket, Method::GET, "/api/v1/sessions", &[]).await.expect(200);
    let wrong = [("authorization", "Bearer wrong")];
    world.send_unix(&socket, Method::GET, "/api/v1/sessions", &wrong).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_files_are_private_and_the_token_stays() {
    let world = World::new().await;
    let files: &[_] = match world.home.database().is_shared() {
        true => &["admin.token"],
        false => &["admin.token", "madang.db", "madang.db-wal"],
    };
    for file in files {
        let metadata = std::fs::metadata(world.home.path().join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let token = world.token.clone();
    world.stop.drain();
    let (home, node) = world.stopped().await;
    let again = World::on(home, node, |_| {}).await;
    assert_eq!(again.token, token);
    again.get("/api/v1/sessions").await.expect(200);
}

#[tokio::test]
async fn a_token_file_that_others_may_read_is_refused() {
    let world = World::new().await;
    world.stop.drain();
    let (home, node) = world.stopped().await;
    let path = home.path().join("admin.token");
    for mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut config = madang_control::ControlConfig::new(home.path());
        config.database = Some(home.database());
        let refused = madang_control::Server::build(config, Some(std::sync::Arc::new(node.clone()))).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("mode {mode:03o}")), "{refused}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    World::on(home, node, |_| {}).await.get("/api/v1/sessions").await.expect(200);
}

#[tokio::test]
async fn a_new_token_file_retires_the_old_token() {
    let world = World::new().await;
    let old = world.token.clone();
    world.stop.drain();
    let (home, node) = world.stopped().await;
    std::fs::remove_file(home.path().join("admin.token")).unwrap();
    let again = World::on(home, node, |_| {}).await;
    let bearer = format!("Bearer {old}");
    let headers = [("authorization", bearer.as_str())];
    again.send_bare(Method::GET, "/api/v1/sessions", &headers, "").await.problem(401, "unauthenticated");
    again.get("/api/v1/sessions").await.expect(200);
}
