//! Sessions that wait: for room, for their turn, for others; and what moves them.

use axum::http::Method;
use madang_control::{Member, MemberState};
use madang_ids::NodeId;
use madang_node_api::Node;
use madang_testkit::SimNode;
use serde_json::{Value, json};

use super::{harness::World, stage::Stage};

/// A world whose node, of eight processors, is promised once and no more.
async fn bounded() -> World {
    let world = World::new().await;
    bound(&world).await;
    world
}

async fn bound(world: &World) {
    let settings = json!({"cpu_percent": 100});
    let headers = [("content-type", "application/json")];
    let path = "/api/v1/resource-groups/default";
    let group = world.send(axum::http::Method::PUT, path, &headers, settings.to_string()).await.expect(200);
    assert_eq!(group["settings"]["cpu_percent"], 100);
}

/// Half of the node.
async fn half(world: &World, more: Value) -> Value {
    let mut asked = json!({"language": "sim", "resources": {"cpu": 4.0}});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.post("/api/v1/sessions", asked).await.expect(201)
}

fn path(view: &Value) -> String {
    format!("/api/v1/sessions/{}", view["id"].as_str().unwrap())
}

async fn until_state(world: &World, view: &Value, state: &str) -> Value {
    world.until(&path(view), |view| view["state"] == state).await
}

fn join(world: &World, node: &SimNode, id: NodeId, state: MemberState) {
    let node = std::sync::Arc::new(node.clone());
    world.fleet.join(Member { id, name: "second".into(), group: "default".into(), state, node });
}

fn local(world: &World, state: MemberState) {
    let local = world.fleet.members().into_iter().find(|member| member.name == "local").unwrap();
    world.fleet.join(Member { state, ..local });
}

async fn queue(world: &World) -> Vec<Value> {
    let page = world.get("/api/v1/queue").await.expect(200);
    page["items"].as_array().unwrap().iter().map(|view| view["id"].clone()).collect()
}

#[tokio::test]
async fn what_finds_no_room_waits_says_for_what_and_starts_in_its_turn() {
    let world = bounded().await;
    let first = half(&world, json!({})).await;
    let second = half(&world, json!({})).await;
    assert_eq!((&first["state"], &second["state"]), (&json!("running"), &json!("running")));
    let third = half(&world, json!({})).await;
    assert_eq!(third["state"], "queued", "{third}");
    assert_eq!((&third["queue"]["position"], &third["queue"]["reason"]), (&json!(1), &json!("room")));
    assert!(third["queue"]["waits_for"].as_str().unwrap().contains("cpu_millis: 4000 wanted, 0 at most"), "{third}");
    assert!(third["queue"]["may_start_at"].is_string(), "{third}");
    let fourth = half(&world, json!({})).await;
    let urgent = half(&world, json!({"priority": 10})).await;
    let asked = json!({"language": "sim", "resources": {"cpu": 4.0}});
    let explained = world.post("/api/v1/sessions?explain=true", asked).await.expect(200);
    assert!(explained["waits_for"].as_str().unwrap().contains("cpu_millis"), "{explained}");
    let order = [urgent["id"].clone(), third["id"].clone(), fourth["id"].clone()];
    assert_eq!(queue(&world).await, order);
    let groups = world.get("/api/v1/resource-groups").await.expect(200);
    assert_eq!((&groups["items"][0]["name"], &groups["items"][0]["waiting"]), (&json!("default"), &json!(3)));
    world.delete(&path(&first)).await.expect(200);
    until_state(&world, &urgent, "running").await;
    assert_eq!(queue(&world).await, order[1..]);
    world.delete(&path(&third)).await.expect(200);
    until_state(&world, &third, "ended").await;
    world.delete(&path(&urgent)).await.expect(200);
    let fourth = until_state(&world, &fourth, "running").await;
    assert_eq!(fourth.get("queue"), None);
    assert_eq!(world.node.sandboxes().len(), 2);
}

#[tokio::test]
async fn what_could_never_start_is_refused_and_what_waits_too_long_as_well() {
    let world = bounded().await;
    let asked = json!({"language": "sim", "resources": {"cpu": 9.0}});
    let explained = world.post("/api/v1/sessions?explain=true", asked.clone()).await.expect(200);
    assert_eq!((&explained["admitted"], &explained["waits_for"]), (&json!(false), &Value::Null), "{explained}");
    let large = world.post("/api/v1/sessions", asked).await.problem(422, "limit");
    assert_eq!(large["limit"], "resource_group");
    assert!(large["detail"].as_str().unwrap().contains("cpu_millis: 9000 wanted, 8000 at most"), "{large}");
    assert_eq!(large["detail"], explained["impossible"]);
    assert_eq!(world.get("/api/v1/sessions").await.expect(200)["items"], json!([]), "nothing is kept of it");
    let _full = (half(&world, json!({})).await, half(&world, json!({})).await);
    let late = half(&world, json!({"wait_timeout_ms": 30_000})).await;
    assert_eq!(late["state"], "queued");
    let late = until_state(&world, &late, "refused").await;
    assert!(late["why"].as_str().unwrap().contains("30000 ms"), "{late}");
    assert_eq!(queue(&world).await, Vec::<Value>::new());
}

#[tokio::test]
async fn sessions_wait_for_others_to_end_well() {
    let world = World::new().await;
    let batch = |command: &str| json!({"language": "sim", "kind": "batch", "startup_command": command});
    let good = world.post("/api/v1/sessions", batch("sleep 500")).await.expect(201);
    let bad = world.post("/api/v1/sessions", batch("sleep 500\nexit 3")).await.expect(201);
    let after = |on: &[&Value]| {
        let ids: Vec<_> = on.iter().map(|view| view["id"].clone()).collect();
        json!({"language": "sim", "depends_on": ids})
    };
    let happy = world.post("/api/v1/sessions", after(&[&good])).await.expect(201);
    let sorry = world.post("/api/v1/sessions", after(&[&good, &bad])).await.expect(201);
    assert_eq!((&happy["state"], &happy["queue"]["reason"]), (&json!("queued"), &json!("dependency")));
    world.until("/readyz", |_| world.node.runs().len() == 2).await;
    world.node.advance(500);
    until_state(&world, &happy, "running").await;
    let sorry = until_state(&world, &sorry, "refused").await;
    assert!(sorry["why"].as_str().unwrap().contains("did not end well"), "{sorry}");
    // What has ended already is as good as what ends later.
    until_state(&world, &good, "ended").await;
    let late = world.post("/api/v1/sessions", after(&[&good])).await.expect(201);
    until_state(&world, &late, "running").await;
    let unknown = madang_ids::SessionId::new().to_string();
    let asked = json!({"language": "sim", "depends_on": [unknown]});
    world.post("/api/v1/sessions", asked).await.problem(422, "invalid");
}

#[tokio::test]
async fn who_waits_still_waits_after_a_restart() {
    let world = bounded().await;
    let first = half(&world, json!({})).await;
    let _second = half(&world, json!({})).await;
    let third = half(&world, json!({})).await;
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    let view = world.get(&path(&third)).await.expect(200);
    assert_eq!((&view["state"], &view["queue"]["position"]), (&json!("queued"), &json!(1)), "{view}");
    world.delete(&path(&first)).await.expect(200);
    until_state(&world, &third, "running").await;
    assert_eq!(world.node.sandboxes().len(), 2);
}

/// Ada, who comes first by her id and in time, has used the node; Ben has not.
#[tokio::test]
async fn who_has_used_less_is_first_also_after_a_restart() {
    let stage = Stage::new().await;
    let tokens = ["ada", "ben", "cleo"].map(|name| stage.token(name).to_owned());
    let [ada, ben, cleo] = &tokens;
    let world = stage.world;
    let settings = json!({"cpu_percent": 100, "order": "fair-share"});
    world.put("/api/v1/resource-groups/default", settings).await.expect(200);
    let all = |world, token: &str| {
        let asked = json!({"language": "sim", "resources": {"cpu": 8.0}});
        let token = token.to_owned();
        async move { World::send_as(world, &token, Method::POST, "/api/v1/sessions", asked).await.expect(201) }
    };
    let used = all(&world, ada).await;
    assert_eq!(used["state"], "running", "{used}");
    let since = std::time::Instant::now();
    world.until("/readyz", |_| since.elapsed().as_millis() > 20).await;
    world.delete(&path(&used)).await.expect(200);
    until_state(&world, &used, "ended").await;
    let holds = all(&world, cleo).await;
    until_state(&world, &holds, "running").await;
    let waiting = [all(&world, ada).await, all(&world, ben).await];
    let fair = [waiting[1]["id"].clone(), waiting[0]["id"].clone()];
    assert_eq!(queue(&world).await, fair);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    assert_eq!(queue(&world).await, fair, "what was used before counts");
    world.delete(&path(&holds)).await.expect(200);
    until_state(&world, &waiting[1], "running").await;
    assert_eq!(queue(&world).await, fair[1..]);
}

#[tokio::test]
async fn batch_work_makes_room_for_what_is_more_important_and_starts_again() {
    let world = bounded().await;
    let batch = json!({"kind": "batch", "startup_command": "hang", "priority": -1});
    let (one, two) = (half(&world, batch.clone()).await, half(&world, batch).await);
    world.until("/readyz", |_| world.node.runs().len() == 2).await;
    let urgent = half(&world, json!({"priority": 5})).await;
    until_state(&world, &urgent, "running").await;
    // The later one of the two.
    let moved = until_state(&world, &two, "queued").await;
    assert_eq!(moved["queue"]["position"], 1, "{moved}");
    assert_eq!(world.get(&path(&one)).await.expect(200)["state"], "running");
    world.delete(&path(&urgent)).await.expect(200);
    until_state(&world, &two, "running").await;
    world.until("/readyz", |_| world.node.runs().len() == 2 && world.node.sandboxes().len() == 2).await;
}

#[tokio::test]
async fn a_draining_node_sends_batch_work_elsewhere_and_keeps_the_rest() {
    let world = World::new().await;
    let batch = json!({"language": "sim", "kind": "batch", "startup_command": "hang"});
    let batch = world.post("/api/v1/sessions", batch).await.expect(201);
    let kept = world.session().await;
    let second = SimNode::new();
    join(&world, &second, NodeId::new(), MemberState::Schedulable);
    local(&world, MemberState::Draining);
    world.until("/readyz", |_| second.runs().len() == 1 && world.node.sandboxes().len() == 1).await;
    until_state(&world, &batch, "running").await;
    assert_eq!(world.get(&format!("/api/v1/sessions/{kept}")).await.expect(200)["state"], "running");
}

#[tokio::test]
async fn what_may_restart_starts_anew_when_its_node_is_lost_and_never_runs_twice() {
    let world = World::with(|config| config.node_lease_ms = 0).await;
    let (second, id) = (SimNode::new(), NodeId::new());
    local(&world, MemberState::Cordoned);
    join(&world, &second, id, MemberState::Schedulable);
    let restarts = json!({"language": "sim", "on_node_loss": "restart"});
    let view = world.post("/api/v1/sessions", restarts).await.expect(201);
    assert_eq!((&view["state"], &view["on_node_loss"]), (&json!("running"), &json!("restart")));
    assert_eq!(second.leases().len(), 1, "the node ends it by itself");
    world.fleet.leave(id);
    until_state(&world, &view, "queued").await;
    local(&world, MemberState::Schedulable);
    until_state(&world, &view, "running").await;
    assert_eq!(world.node.sandboxes().len(), 1);
    join(&world, &second, id, MemberState::Schedulable);
    world.until("/readyz", |_| second.sandboxes().is_empty()).await;
    let run = json!({"code": "print here", "wait": true});
    let run = world.post(&format!("{}/runs", path(&view)), run).await.expect(200);
    assert_eq!((&run["stdout"], world.node.sandboxes().len()), (&json!("here\n"), 1));
}

#[tokio::test]
async fn groups_have_nodes_of_their_own_and_policies_say_who_may_use_them() {
    let world = World::new().await;
    let headers = [("content-type", "application/json")];
    let put = |path: &'static str, body: Value| world.send(axum::http::Method::PUT, path, &headers, body.to_string());
    let asked = |more: Value| {
        let mut asked = json!({"language": "sim"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let other = json!({"resource_group": "other"});
    world.post("/api/v1/sessions", asked(other.clone())).await.problem(422, "invalid");
    put("/api/v1/resource-groups/other", json!({"order": "drf", "placement": "pack"})).await.expect(200);
    let waits = world.post("/api/v1/sessions", asked(other.clone())).await.expect(201);
    assert_eq!((&waits["state"], &waits["queue"]["reason"]), (&json!("queued"), &json!("no-node")));
    let node = SimNode::new();
    let member = Member {
        id: NodeId::new(),
        name: "second".into(),
        group: "other".into(),
        state: MemberState::Schedulable,
        node: std::sync::Arc::new(node.clone()),
    };
    world.fleet.join(member);
    until_state(&world, &waits, "running").await;
    world.session().await;
    assert_eq!((node.sandboxes().len(), world.node.sandboxes().len()), (1, 1));
    put("/api/v1/policies/default", json!({"resource_groups": ["default"], "priority_max": 5})).await.expect(200);
    let refused = world.post("/api/v1/sessions", asked(other)).await.problem(422, "limit");
    assert_eq!(refused["limit"], "resource_groups");
    let refused = world.post("/api/v1/sessions", asked(json!({"priority": 6}))).await.problem(422, "limit");
    assert_eq!(refused["limit"], "priority_max");
    world.post("/api/v1/sessions", asked(json!({"priority": 5}))).await.expect(201);
    put("/api/v1/resource-groups/other", json!({"cpu_percent": 0})).await.problem(422, "invalid");
    world.get("/api/v1/resource-groups/none").await.problem(404, "not-found");
}
