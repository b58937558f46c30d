//! What happens by itself can be seen and started.

use madang_ids::RunId;
use madang_model::Verdict;
use madang_store::{RunRecord, Store};
use serde_json::{Value, json};

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
    let prune = |page: &Value| page["items"].as_array().unwrap().iter().find(|task| task["name"] == "prune").cloned();
    // While it runs, as it does once a minute, nobody knows when it will next.
    let rests = |page: &Value| ran("prune")(page) && prune(page).is_some_and(|task| task["next_at"].is_string());
    let prune = prune(&world.until("/api/v1/tasks", rests).await).unwrap();
    assert_eq!(prune["failures_in_a_row"], 0, "{prune}");
    assert!(prune["last"]["at"].is_string(), "{prune}");
    let again = world.post("/api/v1/tasks/prune/run", json!({})).await.expect(200);
    // It also runs by itself, once a minute.
    assert!(again["runs"].as_u64() > prune["runs"].as_u64(), "{prune} {again}");
    assert!(again["last"]["note"].as_str().unwrap().contains("forgot 0 runs"), "{again}");
    let processes = world.get("/api/v1/processes").await.expect(200);
    let [us] = &processes["items"].as_array().unwrap()[..] else { panic!("{processes}") };
    assert!(us["answers"] == true && us["tasks"].to_string().contains("reconcile"), "{us}");
    world.post("/api/v1/tasks/absent/run", json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_kept_and_for_how_long_is_set_and_obeyed() {
    let world = World::new().await;
    let path = "/api/v1/service/retention";
    let before = world.get(path).await.expect(200);
    assert_eq!((&before["holds"]["runs_days"], &before["settings"]), (&json!(7), &json!({})));
    let set = world.put(path, json!({"batch_days": 60, "audit_days": 90})).await.expect(200);
    assert_eq!(set["holds"], json!({"runs_days": 7, "batch_days": 60, "audit_days": 90, "runs_max": 100_000}));
    assert_eq!((&set["changed_by"], &set["settings"]["runs_days"]), (&json!("administrator"), &json!(null)));
    for (wrong, field) in [(json!({"audit_days": 1}), "audit_days"), (json!({"runs_days": 0}), "runs_days")] {
        assert_eq!(world.put(path, wrong).await.problem(422, "invalid")["field"], field);
    }
    // One of each kind, which ended thirty days ago as far as the database knows, with a run.
    let config = world.home.database();
    let store = Store::open(&config).await.unwrap();
    let batch = json!({"language": "sim", "kind": "batch", "startup_command": "print x"});
    let batch = aged(&world, &store, world.post("/api/v1/sessions", batch).await.expect(201)).await;
    let other =
        aged(&world, &store, world.post("/api/v1/sessions", json!({"language": "sim"})).await.expect(201)).await;
    world.post("/api/v1/tasks/prune/run", json!({})).await.expect(200);
    for gone in &other {
        world.get(gone).await.problem(404, "not-found");
    }
    for kept in &batch {
        world.get(kept).await.expect(200);
    }
    world.put(path, json!({"batch_days": 8})).await.expect(200);
    world.post("/api/v1/tasks/prune/run", json!({})).await.expect(200);
    for gone in &batch {
        world.get(gone).await.problem(404, "not-found");
    }
}

/// Ends a session, and has it and a run in it have ended thirty days ago; where both are.
async fn aged(world: &World, store: &Store, made: Value) -> [String; 2] {
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    world.delete(&path).await.expect(200);
    world.until(&path, |view| view["state"] == "ended").await;
    let mut record = store.session_get(made["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    let ended_ms = record.ended_ms.unwrap() - 30 * 86_400_000;
    record.ended_ms = Some(ended_ms);
    store.session_update(&record).await.unwrap();
    let run = RunRecord {
        id: RunId::new(),
        session: Some(record.id),
        owner: record.owner,
        mode: "command".into(),
        language: None,
        verdict: Some(Verdict::Ok),
        truncated: false,
        created_ms: ended_ms,
        finished_ms: Some(ended_ms),
        events: Vec::new(),
    };
    store.run_finish(&run).await.unwrap();
    [path, format!("/api/v1/runs/{}", run.id)]
}
