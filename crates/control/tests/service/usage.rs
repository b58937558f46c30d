//! What is used is counted, once, whatever becomes of servers and readings.

use axum::http::Method;
use madang_ids::SandboxId;
use madang_model::{Usage, access::Thing};
use madang_node_api::Node;
use madang_testkit::SimNode;
use serde_json::json;

use crate::{
    harness::{PATIENCE, World},
    stage::{ROOT, Stage},
};

/// The one sandbox that there is.
pub fn sandbox(node: &SimNode) -> SandboxId {
    let seen = node.sandboxes();
    assert_eq!(seen.len(), 1);
    seen[0].id
}

/// Processor time of so many milliseconds.
pub fn cpu_ms(ms: u64) -> Usage {
    Usage { wall_us: ms * 1_000, cpu_user_us: ms * 1_000, ..Usage::default() }
}

impl World {
    /// Until the node has been told that everything it said is kept.
    pub async fn counted(&self) {
        let began = std::time::Instant::now();
        while self.node.readings_left() > 0 {
            assert!(began.elapsed() < PATIENCE, "{} readings are not acknowledged", self.node.readings_left());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn metric(&self, line: &str) -> Option<f64> {
        let text = String::from_utf8(self.get("/metrics").await.body.to_vec()).unwrap();
        text.lines().find_map(|known| known.strip_prefix(line)).map(|value| value.trim().parse().unwrap())
    }
}

#[tokio::test]
async fn readings_are_kept_before_the_node_may_forget_them_and_lies_are_counted_as_such() {
    let world = World::new().await;
    world.session().await;
    let sandbox = sandbox(&world.node);
    let first = world.node.use_up(sandbox, cpu_ms(500)).unwrap();
    world.node.say_reading(first);
    world.node.use_up(sandbox, cpu_ms(500)).unwrap();
    world.counted().await;
    let shrunk = madang_model::Reading { sequence: 99, ..first };
    world.node.say_reading(shrunk);
    let of_nobody = madang_model::Reading { sandbox: SandboxId::new(), session: madang_ids::SessionId::new(), ..first };
    world.node.say_reading(of_nobody);
    world.counted().await;
    let result = |result| format!(r#"madang_usage_readings_total{{result="{result}"}}"#);
    for (name, count) in [("new", 2.0), ("before", 1.0), ("refused", 1.0), ("unknown", 1.0)] {
        assert_eq!(world.metric(&result(name)).await, Some(count), "{name}");
    }
    world.post("/api/v1/run", json!({"language": "sim", "code": "print a", "wait": true})).await.expect(200);
}

/// What everybody has used today, by what is asked for.
async fn sums(world: &World, query: &str) -> Vec<serde_json::Value> {
    let sums = world.get(&format!("/api/v1/usage?{query}")).await.expect(200);
    sums["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sums_have_sessions_and_one_shot_runs_by_whatever_is_asked_for() {
    let world = World::new().await;
    let session = world.session().await;
    let sandbox = sandbox(&world.node);
    world.node.use_up(sandbox, cpu_ms(1_500)).unwrap();
    world.node.use_up(sandbox, cpu_ms(500)).unwrap();
    world.counted().await;
    world.post("/api/v1/run", json!({"language": "sim", "code": "print a", "wait": true})).await.expect(200);
    world.delete(&format!("/api/v1/sessions/{session}")).await.expect(200);
    world.until(&format!("/api/v1/sessions/{session}"), |view| view["state"] == "ended").await;
    world.counted().await;
    let by_user = sums(&world, "by=user").await;
    assert_eq!(by_user.len(), 1, "{by_user:?}");
    // Two readings, the last one at the session's end, one run.
    assert_eq!((&by_user[0]["records"], &by_user[0]["name"]), (&json!(4), &json!("administrator")), "{by_user:?}");
    // The run takes a millisecond.
    assert_eq!(by_user[0]["cpu_user_us"], 2_001_000);
    for (by, name) in [("project", "default"), ("organization", "default")] {
        assert_eq!(sums(&world, &format!("by={by}")).await[0]["name"], name);
    }
    for (by, key) in [("image", "host"), ("language", "sim")] {
        assert_eq!(sums(&world, &format!("by={by}")).await[0]["key"], key);
    }
    assert!(sums(&world, "by=node").await[0]["key"].as_str().unwrap().starts_with("nod_"));
    let day = sums(&world, "by=day").await;
    let day = day[0]["key"].as_str().unwrap();
    assert_eq!(sums(&world, &format!("by=day&from={day}&to={day}&user=administrator&project=default")).await.len(), 1);
    assert!(sums(&world, "from=2001-01-01&to=2001-02-01").await.is_empty());
    assert!(sums(&world, "user=nobody").await.is_empty());
    for wrong in ["by=colour", "from=2001-02-30", "from=2001-01-02&to=2001-01-01", "from=1970-01-01", "x=1"] {
        let refused = world.get(&format!("/api/v1/usage?{wrong}")).await.status.as_u16();
        assert!(matches!(refused, 400 | 422), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn records_come_as_lines_for_spreadsheets_and_programs() {
    let world = World::new().await;
    world.session().await;
    let sandbox = sandbox(&world.node);
    // More than are read at once.
    for _ in 0..1_003 {
        world.node.use_up(sandbox, cpu_ms(10)).unwrap();
    }
    world.counted().await;
    let csv = world.get("/api/v1/usage/records").await;
    assert!(csv.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    let text = String::from_utf8(csv.body.to_vec()).unwrap();
    let headings: Vec<_> = text.lines().next().unwrap().split(',').collect();
    let cpu = headings.iter().position(|heading| *heading == "cpu_user_us").unwrap();
    let sum: u64 = text.lines().skip(1).map(|line| line.split(',').nth(cpu).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!((text.lines().count(), sum), (1_004, 10_030_000));
    let lines = world.get("/api/v1/usage/records?format=ndjson").await;
    let text = String::from_utf8(lines.body.to_vec()).unwrap();
    let entries: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: std::collections::BTreeSet<_> = entries.iter().map(|entry| entry["sequence"].as_u64()).collect();
    assert_eq!((entries.len(), sequences.len()), (1_003, 1_003));
    assert_eq!((&entries[0]["user_name"], &entries[0]["image"]), (&json!("administrator"), &json!("host")));
}

#[tokio::test]
async fn a_server_that_dies_between_reading_and_acknowledgement_counts_once() {
    let world = World::new().await;
    world.session().await;
    let sandbox = sandbox(&world.node);
    world.node.use_up(sandbox, cpu_ms(1_000)).unwrap();
    world.counted().await;
    // It was kept, but the node never heard so: it says it again to the next server.
    let again = world.node.use_up(sandbox, cpu_ms(200)).unwrap();
    world.counted().await;
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    node.say_reading(again);
    let more = node.use_up(sandbox, cpu_ms(30)).unwrap();
    node.say_reading(more);
    let world = World::on(home, node, |_| {}).await;
    world.counted().await;
    let by_user = sums(&world, "by=user").await;
    assert_eq!((&by_user[0]["records"], &by_user[0]["cpu_user_us"]), (&json!(3), &json!(1_230_000)), "{by_user:?}");
}

#[tokio::test]
async fn everybody_sees_the_use_that_they_may_know_of_and_no_more() {
    let stage = Stage::new().await;
    stage.thing(Thing::Run).await;
    let seen = async |player: &str, path: &str| {
        let answer = stage.send(player, Method::GET, path, serde_json::Value::Null).await;
        assert_eq!(answer.status, 200, "{player}");
        String::from_utf8(answer.body.to_vec()).unwrap().contains("maths")
    };
    for (player, sees) in
        [("ada", true), ("ben", false), ("cleo", false), ("mona", true), ("orla", true), ("otto", false), (ROOT, true)]
    {
        assert_eq!(seen(player, "/api/v1/usage?by=project").await, sees, "{player}");
        assert_eq!(seen(player, "/api/v1/usage?by=project&user=ada").await, sees, "{player}");
        assert_eq!(seen(player, "/api/v1/usage/records").await, sees, "{player}");
    }
}
