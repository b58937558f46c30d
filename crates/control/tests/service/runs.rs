//! One-shot runs and runs in sessions.

use axum::http::Method;
use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn one_shot_waits_and_answers_with_the_result() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "print hi\nwarn careful\nmedia image/png x\nexit 3", "wait": true});
    let result = world.post("/api/v1/run", body).await.expect(200);
    assert_eq!(result["state"], "finished");
    assert_eq!(result["verdict"], "nonzero-exit");
    assert_eq!(result["exit_code"], 3);
    assert_eq!(result["stdout"], "hi\n");
    assert_eq!(result["stderr"], "careful\n");
    assert_eq!(result["media"], json!([{"mime": "image/png", "data": "x"}]));
    assert_eq!(result["usage"]["cpu_user_us"], 1000);
    assert!(result.get("session").is_none(), "{result}");
    let id = result["id"].as_str().unwrap();
    let kept = world.get(&format!("/api/v1/runs/{id}")).await.expect(200);
    assert_eq!(kept, result, "what is kept is what was answered");
}

#[tokio::test]
async fn build_and_inputs_have_results_of_their_own() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "build-fails line 1: no", "wait": true});
    let failed = world.post("/api/v1/run", body).await.expect(200);
    assert_eq!(failed["verdict"], "compile-error");
    assert_eq!(failed["build"]["stderr"], "line 1: no\n");
    assert_eq!(failed["stderr"], "");
    let body = json!({"language": "sim", "code": "cat", "inputs": ["one", "two", {"base64": "/w=="}], "wait": true});
    let many = world.post("/api/v1/run", body).await.expect(200);
    let outputs: Vec<_> = many["outputs"].as_array().unwrap().iter().map(|output| output["stdout"].clone()).collect();
    assert_eq!(outputs, [json!("one"), json!("two"), json!({"base64": "/w=="})]);
    assert_eq!(many["verdict"], "ok");
}

#[tokio::test]
async fn files_args_and_stdin_arrive() {
    let world = World::new().await;
    let files = json!([{"path": "lib/a.txt", "content": "x"}, {"path": "start.sim", "content": "cat"}]);
    let body = json!({"language": "sim", "files": files, "stdin": "typed", "wait": true});
    assert_eq!(world.post("/api/v1/run", body).await.expect(200)["stdout"], "typed");
}

#[tokio::test]
async fn without_wait_the_run_is_told_and_can_be_cancelled() {
    let world = World::new().await;
    let begun = world.post("/api/v1/run", json!({"language": "sim", "code": "hang"})).await;
    let view = begun.expect(201);
    let path = format!("/api/v1/runs/{}", view["id"].as_str().unwrap());
    assert_eq!(begun.headers["location"].to_str().unwrap(), path);
    assert!(view["allowed_actions"].as_array().unwrap().contains(&json!("cancel")), "{view}");
    world.delete(&path).await.expect(200);
    let ended = world.until(&path, |view| view["state"] == "finished").await;
    assert_eq!(ended["verdict"], "cancelled");
    assert_eq!(world.delete(&path).await.expect(200)["verdict"], "cancelled", "twice is once");
}

#[tokio::test]
async fn streams_come_as_events_and_as_lines() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "say a\nsay b"}).to_string();
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let mut events = world.stream(Method::POST, "/api/v1/run", &headers, &body).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    let mut seen = Vec::new();
    while let Some((id, event)) = events.event().await {
        assert_eq!(event["seq"], id);
        seen.push(event["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["started", "stdout", "stdout", "finished"]);
    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let mut lines = world.stream(Method::POST, "/api/v1/run", &headers, &body).await;
    assert_eq!(lines.line().await.unwrap()["kind"], "started");
    assert_eq!(lines.line().await.unwrap()["data"], "a");
}

#[tokio::test]
async fn a_session_keeps_its_memory_between_runs() {
    let world = World::new().await;
    let runs = format!("/api/v1/sessions/{}/runs", world.session().await);
    world.post(&runs, json!({"code": "set yard", "wait": true})).await.expect(200);
    let result = world.post(&runs, json!({"mode": "query", "code": "get", "wait": true})).await.expect(200);
    assert_eq!(result["stdout"], "yard\n");
    assert_eq!(result["mode"], "query");
    let command = json!({"mode": "command", "argv": ["print", "x"], "wait": true});
    assert_eq!(world.post(&runs, command).await.expect(200)["stdout"], "x\n");
    let batch = json!({"mode": "batch", "steps": {"exec": "print made"}, "wait": true});
    assert_eq!(world.post(&runs, batch).await.expect(200)["stdout"], "made\n");
}

#[tokio::test]
async fn a_key_makes_one_run() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "print once", "wait": true});
    let first = world.post_keyed("/api/v1/run", "k1", body.clone()).await.expect(200);
    let again = world.post_keyed("/api/v1/run", "k1", body.clone()).await.expect(200);
    assert_eq!(first, again);
    let other = json!({"language": "sim", "code": "print other", "wait": true});
    world.post_keyed("/api/v1/run", "k1", other).await.problem(409, "idempotency-mismatch");
    let fresh = world.post_keyed("/api/v1/run", "k2", body).await.expect(200);
    assert_ne!(first["id"], fresh["id"]);
}

#[tokio::test]
async fn a_key_whose_run_was_refused_may_be_used_again() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "print x", "wait": true});
    world.node.fail_opens(Some(madang_node_api::NodeError::Capacity("full".into())));
    let refused = world.post_keyed("/api/v1/run", "k", body.clone()).await;
    assert!(refused.problem(503, "capacity")["retry_after_ms"].as_u64().is_some());
    assert_eq!(refused.headers["retry-after"], "1");
    world.node.fail_opens(None);
    assert_eq!(world.post_keyed("/api/v1/run", "k", body).await.expect(200)["stdout"], "x\n");
}

#[tokio::test]
async fn output_beyond_the_limit_ends_the_run() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "flood 5000", "limits": {"output_bytes": 100}, "wait": true});
    assert_eq!(world.post("/api/v1/run", body).await.expect(200)["verdict"], "output-limit");
}

#[tokio::test]
async fn one_run_too_many_is_refused() {
    let world = World::with(|config| config.runs_max = 1).await;
    let hang = json!({"language": "sim", "code": "hang"});
    let first = world.post("/api/v1/run", hang.clone()).await.expect(201);
    let refused = world.post("/api/v1/run", hang).await.problem(429, "too-many");
    assert_eq!(refused["limit"], "runs_max");
    world.delete(&format!("/api/v1/runs/{}", first["id"].as_str().unwrap())).await.expect(200);
}
