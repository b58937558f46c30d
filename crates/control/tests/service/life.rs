//! The server over time: drained, killed, started again; sandboxes lost and left behind.

use std::collections::BTreeMap;

use axum::http::Method;
use madang_ids::{SandboxId, SessionId};
use madang_model::Limits;
use madang_node_api::{Network, Node, SandboxSpec};
use serde_json::{Value, json};

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
        devices: Vec::new(),
        env: BTreeMap::new(),
        network: Network::None,
        lease_ms: None,
        mounts: Vec::new(),
        app: None,
        peer: None,
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
async fn a_server_that_died_finds_its_sessions_and_the_runs_in_them() {
    let world = World::new().await;
    let kept = world.session().await;
    let lost = world.session().await;
    let result =
        world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "wait": true})).await.expect(200);
    let code = "print before\nsleep 500\nprint after";
    let run = world.post(&format!("/api/v1/sessions/{kept}/runs"), json!({"code": code})).await.expect(201);
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    world.until(&run, |view| view["stdout"] == "before\n").await;
    let broken = world.post(&format!("/api/v1/sessions/{lost}/runs"), json!({"code": "hang"})).await.expect(201);
    let once = world.post("/api/v1/run", json!({"language": "sim", "code": "hang"})).await.expect(201);
    let lost_sandbox = sandbox_of(&world, &lost);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    node.lose(lost_sandbox);
    let world = World::on(home, node, |_| {}).await;
    let mut events = world.stream(Method::GET, &format!("{run}/events"), &[("last-event-id", "0")], "").await;
    assert_eq!(events.event().await.unwrap().1["data"], "before\n");
    world.node.advance(500);
    assert_eq!(events.event().await.unwrap().1["data"], "after\n");
    assert_eq!(events.event().await.unwrap().1["kind"], "finished");
    assert_eq!(world.get(&run).await.expect(200)["stdout"], "before\nafter\n");
    let path = format!("/api/v1/sessions/{kept}");
    assert_eq!(world.get(&path).await.expect(200)["state"], "running");
    let answer =
        world.post(&format!("{path}/runs"), json!({"code": "print still here", "wait": true})).await.expect(200);
    assert_eq!(answer["stdout"], "still here\n");
    world.until(&format!("/api/v1/sessions/{lost}"), |view| view["state"] == "ended").await;
    for gone in [broken, once] {
        let path = format!("/api/v1/runs/{}", gone["id"].as_str().unwrap());
        let run = world.until(&path, |view| view["state"] == "finished").await;
        assert_eq!(run["verdict"], "internal-error", "{run}");
    }
    world.until("/readyz", |_| world.node.runs().is_empty()).await;
    let again = world.get(&format!("/api/v1/runs/{}", result["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(again, result, "what was acknowledged is still readable");
}

#[tokio::test]
async fn a_batch_session_goes_on_over_a_restart_and_ends_with_its_command() {
    let world = World::new().await;
    for (command, outcome) in [("sleep 500", "completed"), ("sleep 500\nexit 3", "failed")] {
        let asked = json!({"language": "sim", "kind": "batch", "startup_command": command});
        let view = world.post("/api/v1/sessions", asked).await.expect(201);
        println!("{} is to be {outcome}", view["id"]);
    }
    world.until("/api/v1/sessions", |page| runs_live(page) == [1, 1]).await;
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    assert_eq!(runs_live(&world.get("/api/v1/sessions").await.expect(200)), [1, 1]);
    world.node.advance(500);
    let all_ended = |page: &Value| page["items"].as_array().unwrap().iter().all(|view| view["state"] == "ended");
    let page = world.until("/api/v1/sessions", all_ended).await;
    assert_eq!((&page["items"][0]["outcome"], &page["items"][1]["outcome"]), (&json!("failed"), &json!("completed")));
}

fn runs_live(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|view| view["runs_live"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_run_that_nobody_was_told_of_ends_with_its_server() {
    let world = World::new().await;
    let path = format!("/api/v1/sessions/{}/runs", world.session().await);
    let headers = [("content-type", "application/json")];
    let body = json!({"code": "hang", "wait": true}).to_string();
    let waits = world.send(Method::POST, &path, &headers, body);
    let (home, node) = tokio::select! {
        _ = waits => unreachable!("it hangs"),
        _ = world.until("/readyz", |_| !world.node.runs().is_empty()) => {
            world.stop.stop_now();
            world.stopped().await
        }
    };
    let world = World::on(home, node, |_| {}).await;
    world.until("/readyz", |_| world.node.runs().is_empty()).await;
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
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let run = world.until(&path, |view| view["state"] == "finished").await;
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
