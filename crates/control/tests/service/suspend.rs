//! Suspending sessions and resuming them, on a simulated node.

use std::time::Instant;

use axum::http::Method;
use madang_ids::SandboxId;
use madang_node_api::{FreezeWhen, Node};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{PATIENCE, World};

fn sandbox_of(world: &World, session: &str) -> SandboxId {
    let seen = world.node.sandboxes();
    seen.iter().find(|sandbox| sandbox.session.to_string() == session).expect("the session has a sandbox").id
}

fn is_frozen(world: &World, session: &str) -> bool {
    let id = sandbox_of(world, session);
    world.node.sandboxes().iter().any(|seen| seen.id == id && seen.frozen)
}

async fn suspend(world: &World, session: &str) -> Value {
    world.post(&format!("/api/v1/sessions/{session}/suspend"), json!({})).await.expect(200)
}

fn may(view: &Value) -> Vec<&str> {
    view["allowed_actions"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn a_session_is_suspended_and_resumed() {
    let world = World::new().await;
    let made = world.post("/api/v1/sessions", json!({"language": "sim", "timeout_ms": 600_000})).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/sessions/{id}");
    assert!(may(&world.get(&path).await.expect(200)).contains(&"suspend"));
    world.send(Method::PUT, &format!("{path}/files/kept"), &[], "five!").await.expect(200);
    let told = suspend(&world, &id).await;
    assert_eq!((&told["before_bytes"], &told["after_bytes"]), (&json!(5), &json!(0)), "{told}");
    let view = &told["session"];
    assert_eq!(view["state"], "suspended", "{view}");
    assert!(view["suspended_at"].is_string() && view["ends_at"].is_string(), "its time goes on: {view}");
    assert!(may(view).contains(&"resume") && may(view).contains(&"run") && !may(view).contains(&"suspend"), "{view}");
    assert!(is_frozen(&world, &id));
    suspend(&world, &id).await;
    let listed = world.get("/api/v1/sessions?filter=state:suspended").await.expect(200);
    assert_eq!(listed["items"][0]["id"], json!(id), "{listed}");
    let longer = world.post(&format!("{path}/extend"), json!({"by_ms": 1_000})).await.expect(200);
    assert_eq!(longer["state"], "suspended", "that needs none of its programs");
    world.get(&format!("{path}/usage")).await.expect(200);
    for _ in 0..2 {
        let view = world.post(&format!("{path}/resume"), json!({})).await.expect(200);
        assert_eq!(view["state"], "running", "{view}");
        assert!(!is_frozen(&world, &id) && view["suspended_at"].is_null(), "{view}");
    }
    suspend(&world, &id).await;
    world.delete(&path).await;
    world.until(&path, |view| view["state"] == "ended").await;
    world.post(&format!("{path}/suspend"), json!({})).await.problem(409, "conflict");
    world.post(&format!("{path}/suspend"), json!({"when": "soon"})).await.problem(422, "invalid");
}

#[tokio::test]
async fn whatever_uses_a_session_resumes_it() {
    let world = World::new().await;
    let id = world.session().await;
    let path = format!("/api/v1/sessions/{id}");
    let waits = json!({"code": "print x", "wait": true});
    world.send(Method::PUT, &format!("{path}/files/a"), &[], "a").await.expect(200);
    for turn in 0..6 {
        suspend(&world, &id).await;
        assert!(is_frozen(&world, &id), "{turn}");
        match turn {
            0 => assert_eq!(world.post(&format!("{path}/runs"), waits.clone()).await.expect(200)["stdout"], "x\n"),
            1 => drop(world.get(&format!("{path}/files?path=")).await.expect(200)),
            2 => assert_eq!(world.get(&format!("{path}/files/a")).await.body, "a"),
            3 => drop(world.send(Method::PUT, &format!("{path}/files/b"), &[], "b").await.expect(200)),
            4 => drop(world.post(&format!("{path}/complete"), json!({"code": "pr", "cursor": 2})).await.expect(200)),
            _ => drop(world.post(&format!("{path}/interrupt"), json!({})).await.expect(200)),
        }
        assert!(!is_frozen(&world, &id), "{turn}");
        assert_eq!(world.get(&path).await.expect(200)["state"], "running", "{turn}");
    }
}

#[tokio::test]
async fn runs_in_progress_are_in_the_way_unless_they_are_to_stop_too() {
    let world = World::new().await;
    let id = world.session().await;
    let path = format!("/api/v1/sessions/{id}");
    let run = world.post(&format!("{path}/runs"), json!({"code": "hang"})).await.expect(201);
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    world.until(&run, |view| view["state"] == "running").await;
    let refused = world.post(&format!("{path}/suspend"), json!({})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("when: now"), "{refused}");
    assert!(!is_frozen(&world, &id));
    let told = world.post(&format!("{path}/suspend"), json!({"when": "now"})).await.expect(200);
    assert_eq!((&told["session"]["state"], &told["session"]["runs_live"]), (&json!("suspended"), &json!(1)));
    world.delete(&run).await;
    world.until(&run, |view| view["state"] == "finished").await;
}

#[tokio::test]
async fn an_idle_session_is_suspended_first_and_ends_later() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "suspend_idle_ms": 1_000, "idle_timeout_ms": 4_000});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    assert_eq!(view["suspend_idle_ms"], 1_000, "{view}");
    let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert_eq!(ended["why"], "idle for too long");
    let asked = json!({"language": "sim", "suspend_idle_ms": 1_000});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
    world.until(&path, |view| view["state"] == "suspended").await;
    world.post(&format!("{path}/runs"), json!({"code": "print x", "wait": true})).await.expect(200);
    world.until(&path, |view| view["state"] == "suspended").await;
    for wrong in [json!(1), json!(u64::from(u32::MAX) * 1_000)] {
        let asked = json!({"language": "sim", "suspend_idle_ms": wrong});
        assert_eq!(world.post("/api/v1/sessions", asked).await.problem(422, "invalid")["field"], "suspend_idle_ms");
    }
}

#[tokio::test]
async fn whoever_uses_an_app_uses_its_session_and_an_open_silence_does_not() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "suspend_idle_ms": 6_000});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    let id = view["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/sessions/{id}");
    let app = world.post(&format!("{path}/apps"), json!({"name": "echo"})).await.expect(200);
    let app = app["id"].as_str().unwrap().parse().unwrap();
    let mut connection = world.node.app_connect(sandbox_of(&world, &id), app).await.unwrap();
    let first = Instant::now();
    let (mut began, mut used) = (first, first);
    while began.elapsed().as_millis() < 9_000 {
        let before = std::mem::replace(&mut used, Instant::now());
        connection.write_all(b"used").await.unwrap();
        connection.read_exact(&mut [0; 4]).await.unwrap();
        let state = world.get(&path).await.expect(200)["state"].clone();
        if before.elapsed().as_millis() < 3_000 {
            assert_eq!(state, "running");
        } else {
            // The machine stood still, and nobody used anything meanwhile: begun anew.
            assert!(first.elapsed() < PATIENCE, "it always stands still");
            world.post(&format!("{path}/resume"), json!({})).await.expect(200);
            (began, used) = (Instant::now(), Instant::now());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.until(&path, |view| view["state"] == "suspended").await;
    drop(connection);
}

#[tokio::test]
async fn the_configuration_says_when_and_a_session_may_say_never() {
    let world = World::with(|config| config.session_suspend_idle_ms = 1_000).await;
    let never = world.post("/api/v1/sessions", json!({"language": "sim", "suspend_idle_ms": 0})).await.expect(201);
    assert!(never["suspend_idle_ms"].is_null(), "{never}");
    // It may be suspended before that it runs is read.
    let made = world.post("/api/v1/sessions", json!({"language": "sim"})).await.expect(201);
    world
        .until(&format!("/api/v1/sessions/{}", made["id"].as_str().unwrap()), |view| view["state"] == "suspended")
        .await;
    let never = format!("/api/v1/sessions/{}", never["id"].as_str().unwrap());
    assert_eq!(world.get(&never).await.expect(200)["state"], "running");
}

#[tokio::test]
async fn the_record_follows_what_the_node_does_by_itself() {
    let world = World::new().await;
    let id = world.session().await;
    let path = format!("/api/v1/sessions/{id}");
    suspend(&world, &id).await;
    // As when somebody uses the sandbox at its node, without asking control.
    world.node.sandbox_thaw(sandbox_of(&world, &id)).await.unwrap();
    world.until(&path, |view| view["state"] == "running").await;
    // As when a server died after it froze a sandbox and before it said so.
    world.node.sandbox_freeze(sandbox_of(&world, &id), FreezeWhen::Idle).await.unwrap();
    world.until("/readyz", |_| !is_frozen(&world, &id)).await;
    assert_eq!(world.get(&path).await.expect(200)["state"], "running");
}

#[tokio::test]
async fn what_is_suspended_stays_so_over_a_restart() {
    let world = World::new().await;
    let (kept, lost) = (world.session().await, world.session().await);
    let code = json!({"code": "set pear", "wait": true});
    world.post(&format!("/api/v1/sessions/{kept}/runs"), code).await.expect(200);
    suspend(&world, &kept).await;
    suspend(&world, &lost).await;
    let lost_sandbox = sandbox_of(&world, &lost);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    node.lose(lost_sandbox);
    let world = World::on(home, node, |_| {}).await;
    let path = format!("/api/v1/sessions/{kept}");
    assert_eq!(world.get(&path).await.expect(200)["state"], "suspended");
    assert!(is_frozen(&world, &kept));
    let answer = world.post(&format!("{path}/runs"), json!({"code": "get", "wait": true})).await.expect(200);
    assert_eq!(answer["stdout"].as_str().map(str::trim), Some("pear"));
    let ended = world.until(&format!("/api/v1/sessions/{lost}"), |view| view["state"] == "ended").await;
    assert_eq!(ended["outcome"], "failed", "{ended}");
}
