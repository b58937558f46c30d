//! What use costs, and what becomes of work whose budget is spent.

use std::time::{Duration, Instant};

use axum::http::Method;
use madang_node_api::Node;
use serde_json::{Value, json};

use crate::{
    harness::{PATIENCE, World},
    stage::{ROOT, Stage},
    usage::{cpu_ms, sandbox},
};

/// A second of processor time costs one.
const CPU_HOUR: u64 = 3_600_000_000;
/// Longer than any clock of a test is wrong, and no test takes so long.
const LATER: &str = "2126-01-01T00:00:00.000Z";

impl World {
    async fn priced() -> Self {
        let world = Self::new().await;
        let price = json!({"unit": "cpu-hour", "micro": CPU_HOUR, "currency": "EUR"});
        let price = world.post("/api/v1/prices", price).await.expect(201);
        assert_eq!(price["in_force"], true, "{price}");
        world
    }

    /// A budget of the administrator's, of so many milliseconds of processor time.
    async fn budget(&self, ms: u64, more: Value) -> String {
        let mut budget = json!({"period": "total", "limit_micro": ms * 1_000});
        budget.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/api/v1/budgets", budget).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    async fn level(&self, level: &str) -> Value {
        self.until("/api/v1/budgets", |list| list["items"][0]["level"] == level).await["items"][0].clone()
    }

    /// Until the node has been asked for this.
    async fn asked(&self, wanted: (Option<u64>, Option<u64>)) {
        let (began, sandbox) = (Instant::now(), sandbox(&self.node));
        while self.node.asked_of(sandbox).unwrap() != wanted {
            assert!(began.elapsed() < PATIENCE, "{:?} is not {wanted:?}", self.node.asked_of(sandbox));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn use_costs_what_was_the_price_at_its_time() {
    let world = World::priced().await;
    let session = world.session().await;
    world.node.use_up(sandbox(&world.node), cpu_ms(250)).unwrap();
    world.counted().await;
    let view = world.get(&format!("/api/v1/sessions/{session}")).await.expect(200);
    assert_eq!(view["cost_micro"], 250_000, "{view}");
    let dearer = json!({"unit": "cpu-hour", "micro": 2 * CPU_HOUR, "currency": "EUR"});
    world.post("/api/v1/prices", dearer).await.expect(201);
    // A reading is paid by its own time, which is after the price began.
    let later =
        madang_model::Reading { at_ms: u64::MAX, ..world.node.use_up(sandbox(&world.node), cpu_ms(0)).unwrap() };
    world.counted().await;
    let usage = cpu_ms(350);
    world.node.say_reading(madang_model::Reading { usage, sequence: later.sequence + 1, ..later });
    world.counted().await;
    let sums = world.get("/api/v1/usage?by=user").await.expect(200);
    assert_eq!((&sums["items"][0]["cost_micro"], &sums["currency"]), (&json!(450_000), &json!("EUR")), "{sums}");
}

#[tokio::test]
async fn prices_are_in_one_currency_and_what_has_begun_is_not_changed() {
    let world = World::priced().await;
    let price =
        |unit: &str, currency: &str, from: &str| json!({"unit": unit, "micro": 5, "currency": currency, "from": from});
    world.post("/api/v1/prices", price("cpu-hour", "EUR", "2020-01-01T00:00:00Z")).await.problem(422, "invalid");
    world.post("/api/v1/prices", price("cpu-hour", "eur", LATER)).await.problem(422, "invalid");
    world.post("/api/v1/prices", price("cpu-hour", "KRW", LATER)).await.problem(409, "conflict");
    let later = world.post("/api/v1/prices", price("cpu-hour", "EUR", LATER)).await.expect(201);
    world.post("/api/v1/prices", price("cpu-hour", "EUR", LATER)).await.problem(409, "conflict");
    let list = world.get("/api/v1/prices").await.expect(200);
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids[1]), (2, later["id"].as_str().unwrap()), "{list}");
    assert_eq!((&list["items"][0]["in_force"], &list["items"][1]["in_force"]), (&json!(true), &json!(false)));
    world.delete(&format!("/api/v1/prices/{}", ids[0])).await.problem(409, "conflict");
    world.delete(&format!("/api/v1/prices/{}", ids[1])).await.expect(200);
    world.delete(&format!("/api/v1/prices/{}", ids[1])).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_session_says_before_it_starts_what_it_costs_at_most() {
    let world = World::priced().await;
    let wish = json!({"language": "sim", "resources": {"cpu": 2}, "timeout_ms": 60_000});
    let told = world.post("/api/v1/sessions?explain=true", wish.clone()).await.expect(200);
    let cost = json!({"currency": "EUR", "hour_micro_max": 7_200_000_000_u64, "life_micro_max": 120_000_000});
    assert_eq!((&told["admitted"], &told["cost"]), (&json!(true), &cost), "{told}");
    let id = world.budget(1, json!({})).await;
    world.session().await;
    world.node.use_up(sandbox(&world.node), cpu_ms(1)).unwrap();
    world.level("stopped").await;
    let told = world.post("/api/v1/sessions?explain=true", wish).await.expect(200);
    assert_eq!(told["admitted"], false, "{told}");
    assert!(told["budget"].as_str().unwrap().contains(&id), "{told}");
}

#[tokio::test]
async fn a_session_that_spends_is_warned_throttled_and_stopped() {
    let world = World::priced().await;
    let mut events = world.stream(Method::GET, "/api/v1/events", &[], "").await;
    let session = world.session().await;
    let path = format!("/api/v1/sessions/{session}");
    let sandbox = sandbox(&world.node);
    let id = world.budget(1_000, json!({"warn_percent": 50, "throttle_percent": 80})).await;
    // It could spend all of it soon: its node reads it more often.
    world.asked((Some(500), None)).await;
    world.node.use_up(sandbox, cpu_ms(500)).unwrap();
    assert_eq!(world.level("warned").await["spent_micro"], 500_000);
    world.node.use_up(sandbox, cpu_ms(350)).unwrap();
    world.level("throttled").await;
    let limits = world.get(&path).await.expect(200)["resources"]["cpu"].as_f64().unwrap();
    world.asked((Some(500), Some((limits * 1_000.0) as u64 / 4))).await;
    let view = world.until(&path, |view| view["throttled"].is_string()).await;
    assert!(view["throttled"].as_str().unwrap().contains(&id), "{view}");
    let lowered = world.post("/api/v1/sessions", json!({"language": "sim", "priority": 7})).await.expect(201);
    assert_eq!(lowered["priority"], -100, "{lowered}");
    assert!(lowered["throttled"].as_str().unwrap().contains(&id), "{lowered}");
    world.node.use_up(sandbox, cpu_ms(160)).unwrap();
    for session in [&session, lowered["id"].as_str().unwrap()] {
        let ended = world.until(&format!("/api/v1/sessions/{session}"), |view| view["state"] == "ended").await;
        assert!(ended["why"].as_str().unwrap().contains(&id), "{ended}");
    }
    for (path, wish) in [
        ("/api/v1/sessions", json!({"language": "sim"})),
        ("/api/v1/run", json!({"language": "sim", "code": "print a"})),
    ] {
        let refused = world.post(path, wish).await.problem(422, "limit");
        assert_eq!(refused["limit"], "budget", "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains(&id), "{refused}");
    }
    let mut levels = Vec::new();
    while levels.last() != Some(&"stopped".to_owned()) {
        let (_, event) = tokio::time::timeout(PATIENCE, events.event()).await.unwrap().unwrap();
        if event["kind"] == "budget-reached" {
            levels.push(event["level"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(levels, ["warned", "throttled", "stopped"]);
    world.delete(&format!("/api/v1/budgets/{id}")).await.expect(200);
    world.session().await;
}

#[tokio::test]
async fn no_more_than_two_seconds_of_use_are_over() {
    let world = World::priced().await;
    let session = world.session().await;
    let sandbox = sandbox(&world.node);
    world.budget(1_000, json!({})).await;
    let mut used_ms = 0;
    while world.node.use_up(sandbox, cpu_ms(100)).is_ok() {
        used_ms += 100;
        world.counted().await;
        // What is counted is judged a moment later; the next use comes after that.
        world.post("/api/v1/tasks/budgets/run", json!({})).await.expect(200);
        assert!(used_ms <= 3_000, "it goes on although its budget is spent");
    }
    let path = format!("/api/v1/sessions/{session}");
    world.until(&path, |view| view["state"] == "ended").await;
    assert!(used_ms >= 1_000, "it ended at {used_ms} ms although something was left");
}

#[tokio::test]
async fn a_one_shot_run_ends_when_its_budget_does() {
    let world = World::priced().await;
    let id = world.budget(1_000, json!({})).await;
    let run = json!({"language": "sim", "code": "sleep 5000"});
    let run = world.post("/api/v1/run", run).await.expect(201);
    let began = Instant::now();
    while world.node.sandboxes().is_empty() {
        assert!(began.elapsed() < PATIENCE, "it never begins");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.node.use_up(sandbox(&world.node), cpu_ms(1_001)).unwrap();
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let ended = world.until(&path, |view| view["state"] == "finished").await;
    assert_eq!(ended["verdict"], "cancelled", "{ended}");
    world.until("/api/v1/budgets", |list| list["items"][0]["id"] == id.as_str()).await;
}

#[tokio::test]
async fn a_budget_that_only_throttles_lets_go_when_it_is_gone() {
    let world = World::priced().await;
    world.session().await;
    let sandbox = sandbox(&world.node);
    let id = world.budget(1_000, json!({"at_limit": "throttle"})).await;
    world.node.use_up(sandbox, cpu_ms(2_000)).unwrap();
    world.level("throttled").await;
    let full = world.node.sandboxes().len();
    assert_eq!(full, 1, "it goes on");
    let began = Instant::now();
    while world.node.asked_of(sandbox).unwrap().1.is_none() {
        assert!(began.elapsed() < PATIENCE, "it is not throttled");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let throttled = world.node.asked_of(sandbox).unwrap().1.unwrap();
    world.delete(&format!("/api/v1/budgets/{id}")).await.expect(200);
    world.asked((Some(10_000), Some(throttled * 4))).await;
}

#[tokio::test]
async fn nobody_lifts_a_budget_that_others_have_set() {
    let stage = Stage::new().await;
    let budget = json!({"user": "ada", "period": "day", "limit_micro": 5});
    stage.send("ben", Method::POST, "/api/v1/budgets", budget.clone()).await.problem(404, "not-found");
    let set = stage.send("orla", Method::POST, "/api/v1/budgets", budget).await.expect(201);
    let path = format!("/api/v1/budgets/{}", set["id"].as_str().unwrap());
    stage.send("ada", Method::DELETE, &path, Value::Null).await.problem(403, "forbidden");
    let own = json!({"period": "day", "limit_micro": 5});
    let own = stage.send("ada", Method::POST, "/api/v1/budgets", own).await.expect(201);
    stage
        .send("ada", Method::DELETE, &format!("/api/v1/budgets/{}", own["id"].as_str().unwrap()), Value::Null)
        .await
        .expect(200);
    let maths = json!({"project": "maths", "period": "month", "limit_micro": 5});
    stage.send("mona", Method::POST, "/api/v1/budgets", maths.clone()).await.problem(404, "not-found");
    stage.send("orla", Method::POST, "/api/v1/budgets", maths).await.expect(201);
    for (player, sees) in [("ada", 2), ("ben", 1), ("cleo", 0), ("mona", 1), ("orla", 2), ("otto", 0), (ROOT, 2)] {
        let list = stage.send(player, Method::GET, "/api/v1/budgets", Value::Null).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), sees, "{player}: {list}");
    }
}
