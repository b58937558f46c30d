//! Bad input to every route: a problem document with a stable code, never a 500.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::World;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let world = World::new().await;
    for path in ["/api/v1/run", "/api/v1/sessions"] {
        for body in ["", "{", "nope", "{}{}", "\u{0}", "[1e999]"] {
            let answer = world.send(Method::POST, path, &JSON, body).await;
            assert!(matches!(answer.status.as_u16(), 400 | 422), "{body:?} {}", answer.json());
            answer.problem(answer.status.as_u16(), if answer.status.as_u16() == 400 { "malformed" } else { "invalid" });
        }
        world.send(Method::POST, path, &JSON, &b"\xff\xfe"[..]).await.problem(400, "malformed");
        world.send(Method::POST, path, &[], "{}").await.problem(415, "media-type");
        world.send(Method::POST, path, &[("content-type", "text/plain")], "{}").await.problem(415, "media-type");
        let huge = vec![b' '; madang_public_api::bounds::JSON_BODY_BYTES_MAX + 1];
        let refused = world.send(Method::POST, path, &JSON, huge).await.problem(413, "too-large");
        assert_eq!(refused["limit"], "JSON_BODY_BYTES_MAX");
    }
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let world = World::new().await;
    let rows: Vec<(Value, &str)> = vec![
        (json!({"langauge": "sim"}), "langauge"),
        (json!({"language": "sim", "code": "x", "limits": {"pidz": 1}}), "limits.pidz"),
        (json!({"language": "sim", "code": "x", "limits": {"pids": -1}}), "limits.pids"),
        (json!({"language": "sim", "code": "x", "limits": {"pids": 1}}), "limits.pids"),
        (json!({"language": "sim", "code": "x", "limits": {"wall_ms": u64::MAX}}), "limits.wall_ms"),
        (json!({"language": "nope", "code": "x"}), "language"),
        (json!({"language": "absent", "code": "x"}), "language"),
        (json!({"language": "sim"}), "code"),
        (json!({"code": "x"}), "language"),
        (json!({"language": "sim", "code": 5}), "code"),
        (json!({"language": "sim", "code": "x", "args": ["a\u{0}b"]}), "args[0]"),
        (json!({"language": "sim", "files": [{"path": "../x", "content": ""}]}), "files[0].path"),
        (json!({"language": "sim", "files": [{"path": "/etc/passwd", "content": ""}]}), "files[0].path"),
        (json!({"language": "sim", "files": [{"path": "a\u{0}", "content": ""}]}), "files[0].path"),
        (json!({"language": "sim", "files": [{"path": "a"}]}), "files[0].content"),
        (json!({"language": "sim", "code": "x", "stdin": "a", "inputs": ["b"]}), "stdin"),
        (json!({"language": "sim", "code": "x", "stdin_live": true, "wait": true}), "stdin_live"),
        (json!({"language": "sim", "code": "x", "image": ""}), "image"),
        (json!({"language": "sim", "code": "x", "args": vec!["x"; 1001]}), "args"),
    ];
    for (body, field) in rows {
        let answer = world.post("/api/v1/run", body.clone()).await;
        assert_eq!(answer.status.as_u16(), 422, "{body} {}", answer.json());
        assert_eq!(answer.json()["field"], field, "{body} {}", answer.json());
    }
    for (body, field) in [
        (json!({"name": "a b"}), "name"),
        (json!({"name": "ses_x"}), "name"),
        (json!({"name": "x".repeat(65)}), "name"),
        (json!({"env": {"A B": "x"}}), "env.A B"),
        (json!({"kind": "batch"}), "startup_command"),
        (json!({"timeout_ms": 0}), "timeout_ms"),
        (json!({"resources": {"cpu": -1.0}}), "resources.cpu"),
        (json!({"resources": {"memory_bytes": 1}}), "resources.memory_bytes"),
        (json!({"reuse_if_exists": true}), "reuse_if_exists"),
    ] {
        let answer = world.post("/api/v1/sessions", body.clone()).await;
        assert_eq!(answer.json()["field"], field, "{body} {}", answer.json());
    }
}

#[tokio::test]
async fn a_limit_over_the_ceiling_is_told_with_its_name() {
    let world = World::with(|config| config.limits_max.pids = 100).await;
    let body = json!({"language": "sim", "code": "x", "limits": {"pids": 101}});
    let problem = world.post("/api/v1/run", body).await.problem(422, "limit");
    assert_eq!(problem["limit"], "pids");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    for path in [
        "/",
        "/api",
        "/api/v1/nope",
        "/api/v1/runs/run_x",
        "/api/v1/runs/run_00000000000000000000000000",
        "/api/v1/runs/%00",
        "/api/v1/runs/ses_00000000000000000000000000/events",
        "/api/v1/sessions/none",
        "/api/v1/sessions/none/files",
        "/api/v1/sessions/none/files/a",
        "/api/v1/sessions/none/logs",
        "/api/v1/sessions/none/usage",
        "/api/v1/sessions/..%2f..%2fetc",
    ] {
        world.get(path).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn queries_and_headers_that_make_no_sense() {
    let world = World::new().await;
    for query in ["limit=-1", "limit=x", "limit=99999999999999999999", "cursor=x", "order=sideways", "nope=1"] {
        world.get(&format!("/api/v1/sessions?{query}")).await.problem(400, "malformed");
    }
    for query in ["limit=0", "limit=1001", "filter=dancing"] {
        world.get(&format!("/api/v1/sessions?{query}")).await.problem(422, "invalid");
    }
    let run = world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "wait": true})).await.expect(200);
    let path = format!("/api/v1/runs/{}/events", run["id"].as_str().unwrap());
    let headers = [("last-event-id", "minus one")];
    world.send(Method::GET, &path, &headers, "").await.problem(400, "malformed");
    let key = "k".repeat(256);
    world.post_keyed("/api/v1/run", &key, json!({})).await.problem(400, "malformed");
    world.send(Method::GET, "/api/v1/runs/%ff", &[], "").await.problem(400, "malformed");
}

#[tokio::test]
async fn methods_that_are_not_there() {
    let world = World::new().await;
    for (method, path) in [
        (Method::DELETE, "/api/v1/run"),
        (Method::PATCH, "/api/v1/sessions"),
        (Method::TRACE, "/healthz"),
        (Method::POST, "/api/v1/version"),
        (Method::OPTIONS, "/api/v1/run"),
    ] {
        let answer = world.send(method, path, &[], "").await;
        answer.problem(405, "method-not-allowed");
        assert!(answer.headers.contains_key("allow"), "{path}");
    }
}

#[tokio::test]
async fn request_ids_are_kept_if_they_are_plain() {
    let world = World::new().await;
    let answer = world.send(Method::GET, "/api/v1/nope", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(answer.problem(404, "not-found")["request_id"], "abc-1");
    let answer = world.send(Method::GET, "/api/v1/nope", &[("x-request-id", "a b<script>")], "").await;
    assert!(answer.problem(404, "not-found")["request_id"].as_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn a_list_is_no_request() {
    let world = World::new().await;
    world.post("/api/v1/sessions", serde_json::json!([null, null])).await.problem(422, "invalid");
}
