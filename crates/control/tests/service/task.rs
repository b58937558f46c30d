//! What happens by itself can be seen and started.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn tasks_say_how_they_do_and_run_when_told() {
    let world = World::new().await;
    let ran = |name: &'static str| {
        move |page: &serde_json::Value| {
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(|task| task["name"] == name && task["last"]["result"] == "done")
        }
    };
    world.until("/api/v1/tasks", ran("reconcile")).await;
    let page = world.until("/api/v1/tasks", ran("prune")).await;
    let prune = page["items"].as_array().unwrap().iter().find(|task| task["name"] == "prune").unwrap().clone();
    assert_eq!((&prune["runs"], &prune["failures_in_a_row"]), (&json!(1), &json!(0)), "{prune}");
    assert!(prune["next_at"].is_string() && prune["last"]["at"].is_string(), "{prune}");
    let again = world.post("/api/v1/tasks/prune/run", json!({})).await.expect(200);
    assert_eq!(again["runs"], 2, "{again}");
    assert!(again["last"]["note"].as_str().unwrap().contains("forgot 0 runs"), "{again}");
    let processes = world.get("/api/v1/processes").await.expect(200);
    let [us] = &processes["items"].as_array().unwrap()[..] else { panic!("{processes}") };
    assert!(us["answers"] == true && us["tasks"].to_string().contains("reconcile"), "{us}");
    world.post("/api/v1/tasks/absent/run", json!({})).await.problem(404, "not-found");
}
