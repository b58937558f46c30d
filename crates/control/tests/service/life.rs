//! The server over time: drained, killed, started again; sandboxes lost and left behind.

use std::collections::BTreeMap;

use madang_ids::{SandboxId, SessionId};
use madang_model::Limits;
use madang_node_api::{Network, Node, SandboxSpec};
use serde_json::json;

use crate::harness::World;

fn sandbox_of(world: &World, session: &str) -> SandboxId {
    let seen = world.node.sandboxes();
    seen.iter().find(|sandbox| sandbox.session.to_string() == session).expect("the session has a sandbox").id
}

#[tokio::test]
async fn a_lost_sandbox_ends_its_session_and_its_runs() {
    let world = World::new().await;
    let id = world.session().await;
    let path = format!("/api/v1/sessions/{id}");
    let run = world.post(&format!("{path}/runs"), json!({"code": "hang"})).await.expect(201);
    world.node.lose(sandbox_of(&world, &id));
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert_eq!(ended["outcome"], "failed");
    assert!(ended["why"].as_str().unwrap().starts_with("sandbox lost"), "{ended}");
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(world.until(&run, |view| view["state"] == "finished").await["verdict"], "internal-error");
}

#[tokio::test]
async fn a_sandbox_that_nobody_wants_is_closed() {
    let world = World::new().await;
    let id = world.session().await;
    world.node.plant(SandboxSpec {
        id: SandboxId::new(),
        session: SessionId::new(),
        image: "host".into(),
        language: None,
        limits: Limits::default(),
        env: BTreeMap::new(),
        network: Network::None,
        lease_ms: None,
    });
    assert_eq!(world.node.sandboxes().len(), 2);
    world.until("/readyz", |_| world.node.sandboxes().len() == 1).await;
    world.get(&format!("/api/v1/sessions/{id}/usage")).await.expect(200);
}

#[tokio::test]
async fn idle_sessions_and_old_ones_end() {
    let world = World::new().await;
    for (field, why) in [("idle_timeout_ms", "idle for too long"), ("timeout_ms", "its time is over")] {
        let view = world.post("/api/v1/sessions", json!({"language": "sim", field: 1_000})).await;
        // A life shorter than the idle time of its default is bounded by the life.
        let view = view.expect(201);
        let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
        let ended = world.until(&path, |view| view["state"] == "ended").await;
        assert_eq!((&ended["outcome"], &ended["why"]), (&json!("timed-out"), &json!(why)));
    }
}

#[tokio::test]
async fn a_server_that_died_finds_its_sessions_and_owns_up_to_its_runs() {
    let world = World::new().await;
    let kept = world.session().await;
    let lost = world.session().await;
    let result =
        world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "wait": true})).await.expect(200);
    let run = world.post(&format!("/api/v1/sessions/{kept}/runs"), json!({"code": "hang"})).await.expect(201);
    let lost_sandbox = sandbox_of(&world, &lost);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    node.lose(lost_sandbox);
    let world = World::on(home, node, |_| {}).await;
    let path = format!("/api/v1/sessions/{kept}");
    assert_eq!(world.get(&path).await.expect(200)["state"], "running");
    let answer =
        world.post(&format!("{path}/runs"), json!({"code": "print still here", "wait": true})).await.expect(200);
    assert_eq!(answer["stdout"], "still here\n");
    world.until(&format!("/api/v1/sessions/{lost}"), |view| view["state"] == "ended").await;
    let run = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&run["state"], &run["verdict"]), (&json!("finished"), &json!("internal-error")));
    assert!(run["detail"].as_str().unwrap().contains("server stopped"), "{run}");
    let again = world.get(&format!("/api/v1/runs/{}", result["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(again, result, "what was acknowledged is still readable");
}

#[tokio::test]
async fn a_batch_session_does_not_outlive_its_command_over_a_restart() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "kind": "batch", "startup_command": "hang"});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
    world.until(&path, |view| view["runs_live"] == 1).await;
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert_eq!(ended["outcome"], "failed");
    assert!(ended["why"].as_str().unwrap().contains("server stopped"), "{ended}");
}

#[tokio::test]
async fn a_session_that_is_ended_cancels_its_runs() {
    let world = World::new().await;
    let path = format!("/api/v1/sessions/{}", world.session().await);
    let run = world.post(&format!("{path}/runs"), json!({"code": "hang"})).await.expect(201);
    world.delete(&path).await.expect(200);
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(world.until(&run, |view| view["state"] == "finished").await["verdict"], "cancelled");
}

#[tokio::test]
async fn draining_lets_runs_end_and_takes_nothing_new() {
    let world = World::new().await;
    let id = world.session().await;
    let runs = format!("/api/v1/sessions/{id}/runs");
    let run = world.post(&runs, json!({"code": "sleep 500\nprint finished"})).await.expect(201);
    world.stop.drain();
    world.post(&runs, json!({"code": "print no"})).await.problem(503, "draining");
    world.post("/api/v1/run", json!({"language": "sim", "code": "print no"})).await.problem(503, "draining");
    world.post("/api/v1/sessions", json!({"language": "sim"})).await.problem(503, "draining");
    assert_eq!(world.get("/readyz").await.expect(503)["status"], "draining");
    world.node.advance(500);
    let (home, node) = world.stopped().await;
    assert!(!home.path().join("madang.sock").exists());
    let world = World::on(home, node, |_| {}).await;
    let run = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&run["stdout"], &run["verdict"]), (&json!("finished\n"), &json!("ok")));
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let world = World::with(|config| config.drain_ms = 50).await;
    let run = world.post("/api/v1/run", json!({"language": "sim", "code": "hang"})).await.expect(201);
    world.stop.drain();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    let run = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(run["verdict"], "cancelled");
}

#[tokio::test]
async fn health_metrics_version_and_what_can_run() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.expect(200)["status"], "ok");
    assert_eq!(world.get("/readyz").await.expect(200)["notes"], json!(["simulated"]));
    assert_eq!(world.get("/api/v1/version").await.expect(200)["api"], "v1");
    assert_eq!(world.get("/api/v1/images").await.expect(200)["items"][0]["name"], "host");
    let languages = world.get("/api/v1/languages").await.expect(200);
    assert_eq!(languages["items"][0]["unavailable"], "it is not installed");
    assert_eq!((&languages["items"][1]["id"], &languages["items"][1]["available"]), (&json!("sim"), &json!(true)));
    world.post("/api/v1/run", json!({"language": "sim", "code": "exit 1", "wait": true})).await.expect(200);
    let text = String::from_utf8(world.get("/metrics").await.body.to_vec()).unwrap();
    for line in [
        r#"madang_runs_total{verdict="nonzero-exit",language="sim"} 1"#,
        r#"madang_http_requests_total{method="POST",route="/api/v1/run",status="200"} 1"#,
        "madang_run_start_seconds_count 1",
        "madang_pool_hits_total 1",
        "madang_runs_live 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
