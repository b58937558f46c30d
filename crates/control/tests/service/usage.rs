//! What is used is counted, once, whatever becomes of servers and readings.

use madang_ids::SandboxId;
use madang_model::Usage;
use madang_node_api::Node;
use madang_testkit::SimNode;
use serde_json::json;

use crate::harness::{PATIENCE, World};

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
