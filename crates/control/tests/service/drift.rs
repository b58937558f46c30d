//! Somebody changes the database while the server runs: what has ended there ends here.

use std::time::Instant;

use madang_model::SessionEvent;
use madang_node_api::Node as _;
use madang_store::Store;
use serde_json::json;

use crate::harness::{PATIENCE, World};

async fn store_of(world: &World) -> Store {
    let config = world.home.database();
    Store::open(&config).await.unwrap()
}

async fn until_no_sandbox(world: &World) {
    let began = Instant::now();
    while !world.node.sandboxes().is_empty() {
        assert!(began.elapsed() < PATIENCE, "{:?} stay", world.node.sandboxes());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn end_by_hand(world: &World, session: &str) {
    let store = store_of(world).await;
    let mut record = store.session_get(session.parse().unwrap()).await.unwrap().unwrap();
    for event in [SessionEvent::EndAsked { why: "by hand".into() }, SessionEvent::Drained] {
        record.life = record.life.apply(&event, record.created_ms + 1).unwrap().0;
    }
    record.ended_ms = Some(record.created_ms + 1);
    store.session_update(&record).await.unwrap();
}

#[tokio::test]
async fn whoever_would_change_a_session_that_has_ended_elsewhere_learns_of_it_and_so_does_its_sandbox() {
    let world = World::new().await;
    let session = world.post("/api/v1/sessions", json!({"language": "sim", "timeout_ms": 600_000})).await.expect(201);
    let session = session["id"].as_str().unwrap().to_owned();
    end_by_hand(&world, &session).await;
    let path = format!("/api/v1/sessions/{session}");
    let refused = world.post(&format!("{path}/extend"), json!({"by_ms": 1_000})).await;
    assert!([404, 409].contains(&refused.status.as_u16()), "{}", refused.status);
    let view = world.get(&path).await.expect(200);
    assert_eq!((&view["state"], &view["why"]), (&"ended".into(), &"by hand".into()));
    until_no_sandbox(&world).await;
}

#[tokio::test]
async fn a_session_that_another_program_has_ended_ends_with_its_sandbox() {
    let world = World::new().await;
    let (theirs, other) = (world.session().await, world.session().await);
    end_by_hand(&world, &theirs).await;
    let view = world.until(&format!("/api/v1/sessions/{theirs}"), |view| view["state"] == "ended").await;
    assert_eq!(view["why"], "by hand");
    let began = Instant::now();
    while world.node.sandboxes().iter().any(|seen| seen.session.to_string() == theirs) {
        assert!(began.elapsed() < PATIENCE, "its sandbox stays");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let text = String::from_utf8(world.get("/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("madang_drift_total{kind=\"record-ended\"} 1"), "{text}");
    // Whose row is as it was goes on, and ends in the usual way without a word about drift.
    assert_eq!(world.get(&format!("/api/v1/sessions/{other}")).await.json()["state"], "running");
    world.delete(&format!("/api/v1/sessions/{other}")).await.expect(200);
    until_no_sandbox(&world).await;
    let text = String::from_utf8(world.get("/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("madang_drift_total{kind=\"record-ended\"} 1"), "{text}");
}
