//! The whole service frozen and drained, and what everybody is told.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

async fn put_state(world: &World, state: &str) -> Answer {
    let body = json!({"state": state, "reason": "new disks"}).to_string();
    world.send(Method::PUT, "/api/v1/service/state", &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn frozen_admits_nothing_and_what_lives_goes_on() {
    let world = World::new().await;
    assert_eq!(world.get("/api/v1/service/state").await.expect(200)["state"], "running");
    let runs = format!("/api/v1/sessions/{}/runs", world.session().await);
    let view = put_state(&world, "frozen").await.expect(200);
    assert_eq!(
        (&view["state"], &view["reason"], &view["changed_by"]),
        (&json!("frozen"), &json!("new disks"), &json!("administrator"))
    );
    let health = world.get("/readyz").await.expect(200);
    assert_eq!(health["status"], "frozen");
    assert!(health["notes"].to_string().contains("new disks"), "{health}");
    for strange in [&[][..], &[("authorization", "Bearer wrong")]] {
        let told = world.send_bare(Method::GET, "/readyz", strange, "").await.expect(200);
        assert_eq!((&told["status"], &told["notes"]), (&json!("frozen"), &json!([])), "strangers learn no reasons");
    }
    let here = world.send_unix(&world.socket(), Method::GET, "/readyz", &[]).await.expect(200);
    assert_eq!(here["notes"], health["notes"]);
    let problem = world.post("/api/v1/sessions", json!({"language": "sim"})).await.problem(503, "frozen");
    assert!(problem["detail"].as_str().unwrap().contains("new disks"), "{problem}");
    assert!(problem["retry_after_ms"].is_u64());
    world.post("/api/v1/run", json!({"language": "sim", "code": "print a"})).await.problem(503, "frozen");
    let run = world.post(&runs, json!({"code": "print a", "wait": true})).await.expect(200);
    assert_eq!(run["stdout"], "a\n", "what lives can be used");

    put_state(&world, "draining").await.expect(200);
    assert_eq!(world.get("/readyz").await.expect(503)["status"], "draining");
    world.post(&runs, json!({"code": "print a"})).await.problem(503, "draining");
    assert_eq!(world.get("/api/v1/sessions?filter=live").await.expect(200)["items"].as_array().unwrap().len(), 1);

    put_state(&world, "running").await.expect(200);
    assert_eq!(world.get("/readyz").await.expect(200)["status"], "ok");
    world.session().await;
    put_state(&world, "asleep").await.problem(422, "invalid");
}

#[tokio::test]
async fn the_state_outlives_the_server() {
    let world = World::new().await;
    put_state(&world, "frozen").await.expect(200);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    assert_eq!(world.get("/api/v1/service/state").await.expect(200)["state"], "frozen");
    world.post("/api/v1/sessions", json!({"language": "sim"})).await.problem(503, "frozen");
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["texts"]["en"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn announcements_are_told_while_they_hold() {
    let world = World::new().await;
    let create = async |body: Value| world.post("/api/v1/announcements", body).await.expect(201);
    let inside = create(json!({"level": "warning", "texts": {"en": "inside", "ko": "안"}})).await;
    create(json!({"audience": "everybody", "texts": {"en": "outside"}, "until": "2999-01-01T00:00:00.000Z"})).await;
    create(json!({"texts": {"en": "later"}, "from": "2998-01-01T00:00:00.000Z"})).await;
    assert_eq!((&inside["level"], &inside["texts"]["ko"]), (&json!("warning"), &json!("안")));
    assert_eq!(texts(&world.get("/api/v1/announcements").await.expect(200)), ["outside", "inside"]);
    let page = world.get("/api/v1/announcements/all?limit=2").await.expect(200);
    assert_eq!(texts(&page), ["later", "outside"]);
    let rest = format!("/api/v1/announcements/all?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(texts(&world.get(&rest).await.expect(200)), ["inside"]);
    let open = world.send_bare(Method::GET, "/api/v1/announcements/public", &[], "").await;
    assert_eq!(texts(&open.expect(200)), ["outside"], "no identity is needed");
    world.send_bare(Method::GET, "/api/v1/announcements", &[], "").await.problem(401, "unauthenticated");

    let path = format!("/api/v1/announcements/{}", inside["id"].as_str().unwrap());
    let ended = world.delete(&path).await.expect(200);
    assert_eq!(texts(&world.get("/api/v1/announcements").await.expect(200)), ["outside"]);
    assert_eq!(world.delete(&path).await.expect(200)["until"], ended["until"], "once over it stays so");
    world.delete("/api/v1/announcements/ann_00000000000000000000000000").await.problem(404, "not-found");
}

#[tokio::test]
async fn announcements_that_say_nothing_are_refused() {
    let world = World::new().await;
    let path = "/api/v1/announcements";
    let over = "2001-01-01T00:00:00.000Z";
    let bodies = [
        (json!({"texts": {}}), "texts"),
        (json!({"texts": {"en": " "}}), "texts.en"),
        (json!({"texts": {"<b>": "x"}}), "texts"),
        (json!({"texts": {"en": "x"}, "until": over}), "until"),
        (json!({"texts": {"en": "x"}, "level": "loud"}), "level"),
    ];
    for (body, field) in bodies {
        assert_eq!(world.post(path, body).await.problem(422, "invalid")["field"], field);
    }
    let long = json!({"texts": {"en": "x".repeat(4_001)}});
    assert_eq!(world.post(path, long).await.problem(422, "limit")["limit"], "ANNOUNCEMENT_CHARS_MAX");
    for _ in 0..100 {
        world.post(path, json!({"texts": {"en": "x"}})).await.expect(201);
    }
    assert_eq!(
        world.post(path, json!({"texts": {"en": "x"}})).await.problem(429, "too-many")["limit"],
        "ANNOUNCEMENTS_MAX"
    );
}
