//! Several nodes behind one server.

use madang_control::{Member, MemberState};
use madang_ids::NodeId;
use madang_node_api::Node;
use madang_testkit::SimNode;
use serde_json::json;

use super::harness::World;

fn member(node: &SimNode, id: NodeId, state: MemberState) -> Member {
    let node = std::sync::Arc::new(node.clone());
    Member { id, name: "second".into(), group: "default".into(), state, node }
}

fn cordon_local(world: &World) {
    let local = world.fleet.members().into_iter().find(|member| member.name == "local").unwrap();
    world.fleet.join(Member { state: MemberState::Cordoned, ..local });
}

#[tokio::test]
async fn sessions_go_where_there_is_least_and_everything_in_them_follows() {
    let world = World::new().await;
    let second = SimNode::new();
    world.fleet.join(member(&second, NodeId::new(), MemberState::Schedulable));
    let ids = [world.session().await, world.session().await, world.session().await, world.session().await];
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (2, 2));
    for id in ids {
        let path = format!("/api/v1/sessions/{id}");
        let asked = json!({"code": "print here", "wait": true});
        let run = world.post(&format!("{path}/runs"), asked).await.expect(200);
        assert_eq!(run["stdout"], "here\n");
        world.delete(&path).await.expect(200);
        world.until(&path, |view| view["state"] == "ended").await;
    }
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (0, 0));
}

#[tokio::test]
async fn nothing_comes_to_a_node_that_is_cordoned_and_what_is_there_stays() {
    let world = World::new().await;
    let first = world.session().await;
    let (second, id) = (SimNode::new(), NodeId::new());
    cordon_local(&world);
    let waits = world.post("/api/v1/sessions", json!({"language": "sim"})).await.expect(201);
    assert_eq!((&waits["state"], &waits["queue"]["reason"]), (&json!("queued"), &json!("no-node")));
    world.fleet.join(member(&second, id, MemberState::Schedulable));
    let path = format!("/api/v1/sessions/{}", waits["id"].as_str().unwrap());
    world.until(&path, |view| view["state"] == "running").await;
    world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "wait": true})).await.expect(200);
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (1, 1));
    assert_eq!(world.get(&format!("/api/v1/sessions/{first}")).await.expect(200)["state"], "running");
    world.fleet.join(member(&second, id, MemberState::Draining));
    let waits = world.post("/api/v1/sessions", json!({"language": "sim"})).await.expect(201);
    assert_eq!(waits["state"], "queued");
}

#[tokio::test]
async fn what_was_on_a_node_that_is_gone_for_longer_than_its_lease_is_lost() {
    let world = World::with(|config| config.node_lease_ms = 0).await;
    let (second, id) = (SimNode::new(), NodeId::new());
    cordon_local(&world);
    world.fleet.join(member(&second, id, MemberState::Schedulable));
    let path = format!("/api/v1/sessions/{}", world.session().await);
    world.fleet.leave(id);
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert!(ended["why"].as_str().unwrap().contains("lease"), "{ended}");
    // What returns is not wanted any more.
    world.fleet.join(member(&second, id, MemberState::Schedulable));
    let began = std::time::Instant::now();
    while !second.sandboxes().is_empty() {
        assert!(began.elapsed() < super::harness::PATIENCE, "the sandbox of a lost session stays");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_waits_for_a_node_that_is_away_for_less_than_its_lease() {
    let world = World::new().await;
    let (second, id) = (SimNode::new(), NodeId::new());
    cordon_local(&world);
    world.fleet.join(member(&second, id, MemberState::Schedulable));
    let path = format!("/api/v1/sessions/{}", world.session().await);
    world.fleet.leave(id);
    world.post(&format!("{path}/runs"), json!({"code": "print x", "wait": true})).await.problem(503, "unavailable");
    world.fleet.join(member(&second, id, MemberState::Schedulable));
    let run = world.post(&format!("{path}/runs"), json!({"code": "print x", "wait": true})).await.expect(200);
    assert_eq!(run["stdout"], "x\n");
}
