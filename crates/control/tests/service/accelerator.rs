//! Accelerators and labels: what may be asked for, who gets which device, and that nobody ever gets more than there is.

use std::{collections::BTreeMap, sync::Arc};

use madang_control::{Member, MemberState};
use madang_ids::NodeId;
use madang_node_api::{DeviceSeen, Node as _, NodeFacts};
use madang_testkit::Script;
use madang_testkit::SimNode;
use serde_json::{Value, json};

use super::harness::{Home, World};

const CREATES: usize = 60;

fn device(id: &str, shares: u32) -> DeviceSeen {
    let (id, kind, model) = (id.to_owned(), "cuda".to_owned(), "Simulated".to_owned());
    DeviceSeen { id, kind, model, memory_bytes: 1 << 30, shares }
}

fn node(devices: &[DeviceSeen], labels: &[(&str, &str)]) -> SimNode {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let facts = NodeFacts { devices: devices.to_vec(), labels: labels.collect(), ..Script::default().facts };
    SimNode::with_facts(facts)
}

/// A server whose only node has these devices.
async fn world(devices: &[DeviceSeen]) -> World {
    World::on(Home::new().await, node(devices, &[]), |_| {}).await
}

fn asked(amount: f64) -> Value {
    json!({"language": "sim", "resources": {"accelerators": {"cuda": amount}}})
}

async fn create(world: &World, amount: f64) -> Value {
    world.post("/api/v1/sessions", asked(amount)).await.expect(201)
}

fn path(view: &Value) -> String {
    format!("/api/v1/sessions/{}", view["id"].as_str().unwrap())
}

async fn until_state(world: &World, view: &Value, state: &str) -> Value {
    world.until(&path(view), |view| view["state"] == state).await
}

/// Thousandths of each device that the node itself has given away.
fn given(node: &SimNode) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for sandbox in node.sandboxes() {
        for grant in node.devices_of(sandbox.id).unwrap() {
            *sums.entry(grant.device).or_default() += grant.millis;
        }
    }
    sums
}

#[tokio::test]
async fn two_halves_share_a_device_a_third_waits_and_gets_what_is_given_back() {
    let world = world(&[device("GPU-a", 2)]).await;
    let (first, second) = (create(&world, 0.5).await, create(&world, 0.5).await);
    for view in [&first, &second] {
        assert_eq!(view["state"], "running", "{view}");
        assert_eq!(view["devices"], json!([{"id": "GPU-a", "amount": 0.5}]));
        assert_eq!(view["resources"]["accelerators"], json!({"cuda": 0.5}));
    }
    let third = create(&world, 0.5).await;
    assert_eq!((&third["state"], &third["queue"]["reason"]), (&json!("queued"), &json!("room")), "{third}");
    let waits_for = third["queue"]["waits_for"].as_str().unwrap();
    assert!(waits_for.contains("cuda (thousandths): 500 wanted, 0 at most"), "{third}");
    assert_eq!(given(&world.node), BTreeMap::from([("GPU-a".to_owned(), 1_000)]));
    world.delete(&path(&first)).await.expect(200);
    let third = until_state(&world, &third, "running").await;
    assert_eq!(third["devices"], json!([{"id": "GPU-a", "amount": 0.5}]));
    let ended = until_state(&world, &first, "ended").await;
    assert_eq!(ended.get("devices"), None, "what has ended holds nothing: {ended}");
}

#[tokio::test]
async fn whole_devices_are_whole_and_what_no_node_has_is_refused() {
    let world = world(&[device("GPU-a", 4), device("GPU-b", 1)]).await;
    let share = create(&world, 0.25).await;
    assert_eq!(share["devices"][0]["id"], "GPU-a", "GPU-b is given whole only");
    let whole = create(&world, 1.0).await;
    assert_eq!(whole["devices"], json!([{"id": "GPU-b", "amount": 1.0}]));
    let both = create(&world, 2.0).await;
    assert_eq!(both["state"], "queued", "{both}");
    for view in [&share, &whole] {
        world.delete(&path(view)).await.expect(200);
    }
    assert_eq!(until_state(&world, &both, "running").await["devices"].as_array().unwrap().len(), 2);
    for never in [3.0, 0.2] {
        let refused = world.post("/api/v1/sessions", asked(never)).await.problem(422, "limit");
        assert_eq!(refused["limit"], "resource_group", "{refused}");
    }
    let other = json!({"language": "sim", "resources": {"accelerators": {"rocm": 1}}});
    let explained = world.post("/api/v1/sessions?explain=true", other).await.expect(200);
    assert!(explained["impossible"].as_str().unwrap().contains("rocm"), "{explained}");
    assert_eq!(explained["admitted"], false);
    assert_eq!(explained["resources"]["accelerators"], json!({"rocm": 1.0}));
}

#[tokio::test]
async fn amounts_that_are_none_are_refused_by_name() {
    let world = World::new().await;
    for odd in [json!(0), json!(-1), json!(1.5), json!(0.001), json!(65), json!(1e300)] {
        let asked = json!({"resources": {"accelerators": {"cuda": odd}}});
        let problem = world.post("/api/v1/sessions", asked).await.problem(422, "invalid");
        assert_eq!(problem["field"], "resources.accelerators.cuda", "{odd}");
    }
    let word = json!({"resources": {"accelerators": {"a b": 1}}});
    assert_eq!(world.post("/api/v1/sessions", word).await.problem(422, "invalid")["field"], "resources.accelerators");
    let kinds: serde_json::Map<_, _> = (0..9).map(|number| (format!("k{number}"), json!(1))).collect();
    let many = json!({"resources": {"accelerators": kinds}});
    assert_eq!(world.post("/api/v1/sessions", many).await.problem(422, "limit")["limit"], "ACCELERATOR_KINDS_MAX");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_the_quota_admits_what_fits_and_no_device_is_given_twice() {
    let world = Arc::new(world(&[device("GPU-a", 2), device("GPU-b", 2)]).await);
    let limits = json!({"accelerator_millis_max": 10_000});
    world.put("/api/v1/policies/default", limits).await.expect(200);
    let creates: Vec<_> = (0..CREATES)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.post("/api/v1/sessions", asked(0.5)).await })
        })
        .collect();
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for create in creates {
        let answer = create.await.unwrap();
        if answer.status == 201 {
            *states.entry(answer.json()["state"].as_str().unwrap().to_owned()).or_default() += 1;
            continue;
        }
        let problem = answer.problem(422, "limit");
        let refusal = &problem["refusals"][0];
        assert_eq!((&refusal["limit"], &refusal["max"]), (&json!("accelerator_millis_max"), &json!(10_000)));
        assert_eq!((&refusal["policy"], &refusal["asked"]), (&json!("default"), &json!(500)));
        assert!(refusal["changed_by"].as_str().unwrap().contains("administrator"), "{refusal}");
        *states.entry("refused".to_owned()).or_default() += 1;
    }
    // Of those that came at the same moment some start only once what was held for one that was refused is free again.
    assert_eq!((states["refused"], states.values().sum()), (CREATES - 20, CREATES), "{states:?}");
    world
        .until("/api/v1/sessions?filter=live&limit=100", |page| {
            let items = page["items"].as_array().unwrap();
            let running = items.iter().filter(|session| session["state"] == "running").count();
            (items.len(), running) == (20, 4)
        })
        .await;
    assert_eq!(given(&world.node).into_values().collect::<Vec<_>>(), [1_000, 1_000]);
}

#[tokio::test]
async fn a_server_started_anew_knows_who_holds_which_device() {
    let world = world(&[device("GPU-a", 2), device("GPU-b", 1)]).await;
    let (half, whole) = (create(&world, 0.5).await, create(&world, 1.0).await);
    let waiting = create(&world, 1.0).await;
    assert_eq!((&whole["devices"][0]["id"], &waiting["state"]), (&json!("GPU-b"), &json!("queued")));
    world.stop.drain();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    assert_eq!(world.get(&path(&half)).await.expect(200)["devices"], half["devices"]);
    let late = create(&world, 1.0).await;
    assert_eq!(late["state"], "queued", "{late}");
    world.delete(&path(&whole)).await.expect(200);
    let waiting = until_state(&world, &waiting, "running").await;
    assert_eq!(waiting["devices"], json!([{"id": "GPU-b", "amount": 1.0}]));
    assert_eq!(world.get(&path(&late)).await.expect(200)["state"], "queued");
}

#[tokio::test]
async fn what_moves_gets_a_device_of_its_new_node() {
    let world = world(&[device("GPU-a", 1)]).await;
    let asked = json!({"language": "sim", "on_node_loss": "restart", "resources": {"accelerators": {"cuda": 1}}});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    assert_eq!(view["devices"][0]["id"], "GPU-a");
    let other = node(&[device("GPU-z", 1)], &[]);
    join(&world, &other, "other");
    let local = world.fleet.members().into_iter().find(|member| member.name == "local").unwrap();
    world.fleet.join(Member { state: MemberState::Draining, ..local });
    let moved = world.until(&path(&view), |view| view["devices"][0]["id"] == "GPU-z").await;
    until_state(&world, &moved, "running").await;
    assert_eq!((given(&world.node), given(&other)), (BTreeMap::new(), [("GPU-z".to_owned(), 1_000)].into()));
}

fn join(world: &World, node: &SimNode, name: &str) {
    let (id, group, state) = (NodeId::new(), "default".into(), MemberState::Schedulable);
    world.fleet.join(Member { id, name: name.into(), group, state, node: Arc::new(node.clone()) });
}

#[tokio::test]
async fn a_session_goes_to_a_node_with_its_labels_or_waits_or_is_refused() {
    let world = World::new().await;
    let east = node(&[], &[("zone", "east"), ("disk", "fast")]);
    join(&world, &east, "east");
    let labelled = |labels: Value| json!({"language": "sim", "labels": labels});
    for _ in 0..3 {
        let view = world.post("/api/v1/sessions", labelled(json!({"zone": "east"}))).await.expect(201);
        assert_eq!((&view["state"], &view["labels"]), (&json!("running"), &json!({"zone": "east"})));
    }
    assert_eq!((east.sandboxes().len(), world.node.sandboxes().len()), (3, 0));
    let nowhere = labelled(json!({"zone": "west"}));
    let explained = world.post("/api/v1/sessions?explain=true", nowhere.clone()).await.expect(200);
    assert!(explained["impossible"].as_str().unwrap().contains("labels"), "{explained}");
    let refused = world.post("/api/v1/sessions", nowhere).await.problem(422, "limit");
    assert_eq!(refused["detail"], explained["impossible"]);
    let long = labelled(json!({"zone": "x".repeat(257)}));
    assert_eq!(world.post("/api/v1/sessions", long).await.problem(422, "limit")["field"], "labels");
}
