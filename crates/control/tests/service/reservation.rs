//! Slots promised for a time: kept free, made ready, used by whom they are for.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use madang_node_api::Node;
use madang_public_api::Timestamp;
use serde_json::{Value, json};

use super::harness::World;

const RESERVATIONS: &str = "/api/v1/reservations";

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Its node has room for sixteen halves of a processor.
async fn bounded() -> World {
    let world = World::new().await;
    let headers = [("content-type", "application/json")];
    let settings = json!({"cpu_percent": 100}).to_string();
    world.send(Method::PUT, "/api/v1/resource-groups/default", &headers, settings).await.expect(200);
    world
}

fn slots(count: u32, starts_ms: u64) -> Value {
    json!({
        "language": "sim", "resources": {"cpu": 0.5}, "slots": count,
        "starts_at": Timestamp(starts_ms).to_string(), "ends_at": Timestamp(starts_ms + 3_600_000).to_string(),
    })
}

fn learner() -> Value {
    json!({"language": "sim", "resources": {"cpu": 0.5}})
}

#[tokio::test]
async fn twelve_slots_are_ready_at_their_time_and_for_nobody_else() {
    let world = bounded().await;
    let starts_ms = now_ms() + 2_000;
    let refused = world.post(RESERVATIONS, slots(17, starts_ms)).await.problem(409, "unkeepable");
    assert!(refused["detail"].as_str().unwrap().contains("16 could be"), "{refused}");
    assert_eq!(refused["possible"], json!({"slots": 16}), "nothing holds room that could become free");
    let made = world.post(RESERVATIONS, slots(12, starts_ms)).await.expect(201);
    assert_eq!((&made["promised"], &made["used"]), (&json!(12), &json!(0)));
    let refused = world.post(RESERVATIONS, slots(5, starts_ms)).await.problem(409, "unkeepable");
    assert_eq!(refused["possible"], json!({"slots": 4, "starts_at": made["ends_at"]}), "when the first is over");
    let large = json!({"language": "sim", "resources": {"cpu": 4.0}});
    let large = world.post("/api/v1/sessions", large).await.expect(201);
    assert_eq!((&large["state"], &large["queue"]["reason"]), (&json!("queued"), &json!("promised")));
    world.until(RESERVATIONS, |page| page["items"][0]["ready"] == 12 && now_ms() >= starts_ms).await;
    for _ in 0..12 {
        let view = world.post("/api/v1/sessions", learner()).await.expect(201);
        assert_eq!(view["state"], "running", "{view}");
        assert!(view["timeout_ms"].as_u64().unwrap() <= 3_600_000, "it ends with the reservation: {view}");
    }
    let all = world.get(RESERVATIONS).await.expect(200);
    assert_eq!((&all["items"][0]["used"], &all["items"][0]["promised"]), (&json!(12), &json!(12)));
    // What was promised is used up: the next one is like any other.
    let path = format!("/api/v1/sessions/{}", large["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.expect(200)["state"], "queued");
    let id = made["id"].as_str().unwrap();
    world.delete(&format!("{RESERVATIONS}/{id}")).await.expect(200);
    world.delete(&format!("{RESERVATIONS}/{id}")).await.problem(404, "not-found");
    assert_eq!(world.node.sandboxes().len(), 12);
}

#[tokio::test]
async fn a_promise_outlives_the_server_that_made_it() {
    let world = bounded().await;
    let made = world.post(RESERVATIONS, slots(12, now_ms() + 600_000)).await.expect(201);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    let page = world.get(RESERVATIONS).await.expect(200);
    assert_eq!((&page["items"][0]["id"], &page["items"][0]["promised"]), (&made["id"], &json!(12)));
    world.post(RESERVATIONS, slots(5, now_ms() + 600_000)).await.problem(409, "unkeepable");
}

#[tokio::test]
async fn senseless_reservations_are_refused() {
    let world = World::new().await;
    world.post(RESERVATIONS, slots(0, now_ms())).await.problem(422, "invalid");
    world.post(RESERVATIONS, slots(1, 1_000)).await.problem(422, "invalid");
    let mut elsewhere = slots(1, now_ms());
    elsewhere["resource_group"] = json!("none");
    world.post(RESERVATIONS, elsewhere).await.problem(422, "invalid");
}
