//! Policies and quota, through the front door.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::World;

const CREATES: usize = 200;
const LIMIT: usize = 50;

async fn policy(world: &World, name: &str, limits: Value) {
    world.put(&format!("/api/v1/policies/{name}"), limits).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_at_once_exactly_as_many_as_may_be_are_admitted() {
    let world = Arc::new(World::new().await);
    policy(&world, "default", json!({"sessions_max": LIMIT})).await;
    let creates: Vec<_> = (0..CREATES)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.post("/api/v1/sessions", json!({"language": "sim"})).await })
        })
        .collect();
    let mut admitted = 0;
    for create in creates {
        let answer = create.await.unwrap();
        if answer.status == 201 {
            admitted += 1;
            continue;
        }
        let problem = answer.problem(422, "limit");
        assert_eq!((&problem["limit"], &problem["refusals"][0]["max"]), (&json!("sessions_max"), &json!(LIMIT)));
    }
    assert_eq!(admitted, LIMIT);
    let live = world.get("/api/v1/sessions?filter=live&limit=1000").await.expect(200);
    assert_eq!(live["items"].as_array().unwrap().len(), LIMIT);
}

#[tokio::test]
async fn a_refusal_says_everything_and_room_is_given_back() {
    let world = World::new().await;
    policy(&world, "small", json!({"sessions_max": 1, "images": ["host"]})).await;
    policy(&world, "short", json!({"session_timeout_ms_max": 60_000})).await;
    world.patch("/api/v1/projects/default", json!({"policy": "small"})).await.expect(200);
    world.patch("/api/v1/organizations/default", json!({"policy": "short"})).await.expect(200);
    let asked = json!({"language": "sim", "timeout_ms": 60_000, "idle_timeout_ms": 1_000});
    let first = world.post("/api/v1/sessions", asked.clone()).await.expect(201);
    let long = json!({"language": "sim", "image": "other", "timeout_ms": 60_001, "idle_timeout_ms": 1_000});
    let explained = world.post("/api/v1/sessions?explain=true", long.clone()).await.expect(200);
    let problem = world.post("/api/v1/sessions", long).await.problem(422, "limit");
    assert_eq!(explained["refusals"], problem["refusals"], "all of them, explained or refused");
    let named: Vec<_> = problem["refusals"].as_array().unwrap().iter().map(|each| each["limit"].clone()).collect();
    assert_eq!(named, ["session_timeout_ms_max", "sessions_max", "images"]);
    let quota = &problem["refusals"][1];
    assert_eq!((&quota["policy"], &quota["holder"]), (&json!("small"), &json!("project")));
    assert_eq!((&quota["used"], &quota["asked"], &quota["max"]), (&json!(1), &json!(1), &json!(1)));
    assert!(quota["changed_by"].as_str().unwrap().contains("administrator"), "{quota}");
    let path = format!("/api/v1/sessions/{}", first["id"].as_str().unwrap());
    world.delete(&path).await.expect(200);
    world.until(&path, |view| view["state"] == "ended").await;
    let explained = world.post("/api/v1/sessions?explain=true", asked.clone()).await.expect(200);
    assert_eq!((&explained["admitted"], &explained["refusals"]), (&json!(true), &json!([])));
    assert_eq!(world.get("/api/v1/sessions?filter=live").await.expect(200)["items"], json!([]), "nothing was done");
    world.post("/api/v1/sessions", asked).await.expect(201);
}

#[tokio::test]
async fn a_policy_says_which_networks_there_may_be() {
    let world = World::new().await;
    let refused = world.put("/api/v1/policies/default", json!({"networks": ["lan"]})).await.problem(422, "invalid");
    assert_eq!(refused["field"], "networks");
    policy(&world, "default", json!({"networks": ["allow-list"]})).await;
    let asked = |network: Value| json!({"language": "sim", "network": network});
    let refused = world.post("/api/v1/sessions", asked(json!("internet"))).await.problem(422, "limit");
    assert_eq!(refused["limit"], "networks", "{refused}");
    let run = json!({"language": "sim", "code": "x", "wait": true, "network": "internet"});
    assert_eq!(world.post("/api/v1/run", run).await.problem(422, "limit")["limit"], "networks");
    let list = json!({"allow": ["pypi.org", "*.example.org", "93.184.216.0/24"]});
    for network in [json!("none"), list] {
        let view = world.post("/api/v1/sessions", asked(network.clone())).await.expect(201);
        assert_eq!(view["network"], network);
    }
    let wrong = world.post("/api/v1/sessions", asked(json!({"allow": ["pypi.org", "::1"]}))).await;
    assert_eq!(wrong.problem(422, "invalid")["field"], "network.allow[1]");
    world.post("/api/v1/sessions", asked(json!("lan"))).await.problem(422, "invalid");
}

#[tokio::test]
async fn one_shot_runs_keep_within_policies_too() {
    let world = World::new().await;
    policy(&world, "default", json!({"memory_bytes_max": 67_108_864, "runs_max": 1})).await;
    let run = |memory: u64| json!({"language": "sim", "code": "hang", "limits": {"memory_bytes": memory}});
    let problem = world.post("/api/v1/run", run(134_217_728)).await.problem(422, "limit");
    assert_eq!(problem["refusals"][0]["limit"], "memory_bytes_max");
    let hanging = world.post("/api/v1/run", run(33_554_432)).await.expect(201);
    let problem = world.post("/api/v1/run", run(33_554_432)).await.problem(422, "limit");
    assert_eq!((&problem["limit"], &problem["refusals"][0]["used"]), (&json!("runs_max"), &json!(1)));
    let path = format!("/api/v1/runs/{}", hanging["id"].as_str().unwrap());
    world.delete(&path).await.expect(200);
    world.until(&path, |view| view["state"] == "finished").await;
    world.post("/api/v1/run", run(33_554_432)).await.expect(201);
}

#[tokio::test]
async fn a_policy_that_somebody_has_stays_and_one_that_is_not_there_cannot_be_given() {
    let world = World::new().await;
    world.patch("/api/v1/users/administrator", json!({"policy": "none"})).await.problem(422, "invalid");
    policy(&world, "some", json!({"cpu_millis_max": 1_000})).await;
    world.patch("/api/v1/users/administrator", json!({"policy": "some"})).await.expect(200);
    world.delete("/api/v1/policies/some").await.problem(409, "conflict");
    world.patch("/api/v1/users/administrator", json!({"policy": ""})).await.expect(200);
    world.delete("/api/v1/policies/some").await.expect(200);
    world.get("/api/v1/policies/some").await.problem(404, "not-found");
    world.delete("/api/v1/policies/default").await.problem(409, "conflict");
    let beyond = json!({"runs_max": (1_u64 << 63)});
    assert_eq!(world.put("/api/v1/policies/odd", beyond).await.problem(422, "invalid")["field"], "runs_max");
    let wrong = world.put("/api/v1/policies/odd", json!({"sesions_max": 1})).await.problem(422, "invalid");
    assert_eq!(wrong["field"], "sesions_max");
}
