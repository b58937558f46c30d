//! Sessions of several sandboxes: all of them or none, from admission to the end.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use madang_control::{Member, MemberState};
use madang_ids::{NodeId, SandboxId};
use madang_model::Usage;
use madang_node_api::{Node, NodeError, SandboxSpec};
use madang_testkit::{Script, SimNode, Start};
use serde_json::{Value, json};

use crate::harness::{Home, PATIENCE, World};

/// Of three sandboxes, each with one processor.
fn three(mode: &str) -> Value {
    json!({"language": "sim", "resources": {"cpu": 1.0}, "cluster": {"size": 3, "mode": mode}})
}

fn with(mut asked: Value, more: Value) -> Value {
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked
}

fn path(view: &Value) -> String {
    format!("/api/v1/sessions/{}", view["id"].as_str().unwrap())
}

async fn create(world: &World, asked: Value) -> Value {
    world.post("/api/v1/sessions", asked).await.expect(201)
}

async fn until_state(world: &World, view: &Value, state: &str) -> Value {
    world.until(&path(view), |view| view["state"] == state).await
}

async fn run_in(world: &World, view: &Value, sandbox: &str, code: &str) -> Value {
    let asked = json!({"code": code, "sandbox": sandbox, "wait": true});
    world.post(&format!("{}/runs", path(view)), asked).await.expect(200)
}

/// Waits until nobody has any sandbox.
async fn until_empty(world: &World, nodes: &[&SimNode]) {
    world.until("/readyz", |_| nodes.iter().all(|node| node.sandboxes().is_empty())).await;
}

fn join(world: &World, node: &SimNode) -> NodeId {
    let id = NodeId::new();
    let name = format!("node-{id}");
    let node = std::sync::Arc::new(node.clone());
    world.fleet.join(Member { id, name, group: "default".into(), state: MemberState::Schedulable, node });
    id
}

async fn group(world: &World, settings: Value) {
    world.put("/api/v1/resource-groups/default", settings).await.expect(200);
}

/// What each sandbox was made with, by its name.
fn specs(node: &SimNode) -> BTreeMap<String, SandboxSpec> {
    let specs = node.sandboxes().into_iter().map(|seen| node.spec(seen.id).unwrap());
    specs.map(|spec| (spec.env["MADANG_CLUSTER_NAME"].clone(), spec)).collect()
}

fn sandbox(node: &SimNode, name: &str) -> SandboxId {
    specs(node)[name].id
}

#[tokio::test]
async fn each_sandbox_knows_who_it_is_and_all_share_their_secrets() {
    let world = World::new().await;
    let view = create(&world, with(three("single-node"), json!({"env": {"OWN": "yes"}}))).await;
    assert_eq!((&view["state"], &view["cluster"]["size"]), (&json!("running"), &json!(3)), "{view}");
    let names: Vec<_> = view["cluster"]["sandboxes"].as_array().unwrap().iter().map(|each| &each["name"]).collect();
    assert_eq!(names, ["main1", "sub1", "sub2"]);
    assert!(view["cluster"]["sandboxes"].as_array().unwrap().iter().all(|each| each["node"] == view["node"]));
    let specs = specs(&world.node);
    assert_eq!(specs.len(), 3);
    let word = |name: &str, word: &str| specs[name].env[&format!("MADANG_CLUSTER_{word}")].clone();
    for (index, name) in ["main1", "sub1", "sub2"].into_iter().enumerate() {
        assert_eq!(word(name, "INDEX"), index.to_string());
        assert_eq!(word(name, "LOCAL_RANK"), index.to_string());
        assert_eq!(word(name, "SIZE"), "3");
        assert_eq!(word(name, "NAMES"), "main1,sub1,sub2");
        assert_eq!(word(name, "ROLE"), if index == 0 { "main" } else { "sub" });
        assert_eq!(specs[name].env["OWN"], "yes");
        for secret in ["TOKEN", "PRIVATE_KEY", "PUBLIC_KEY"] {
            assert_eq!(word(name, secret), word("main1", secret), "one for all");
        }
    }
    let other = create(&world, three("single-node")).await;
    let all = world.node.sandboxes().into_iter().map(|seen| world.node.spec(seen.id).unwrap());
    let tokens: BTreeSet<_> = all.map(|spec| spec.env["MADANG_CLUSTER_TOKEN"].clone()).collect();
    assert_eq!(tokens.len(), 2, "and others for another session");
    for view in [view, other] {
        world.delete(&path(&view)).await.expect(200);
        until_state(&world, &view, "ended").await;
    }
    until_empty(&world, &[&world.node]).await;
    let one = create(&world, json!({"language": "sim", "cluster": {"size": 1, "mode": "multi-node"}})).await;
    assert_eq!(one.get("cluster"), None, "one is none");
    assert!(world.node.spec(world.node.sandboxes()[0].id).unwrap().env.is_empty());
}

#[tokio::test]
async fn on_several_nodes_each_is_counted_among_those_beside_it() {
    let world = World::new().await;
    let second = SimNode::new();
    group(&world, json!({"placement": "spread"})).await;
    join(&world, &second);
    create(&world, three("multi-node")).await;
    let ranks = |node: &SimNode| -> Vec<String> {
        let mut ranks: Vec<_> = specs(node).values().map(|it| it.env["MADANG_CLUSTER_LOCAL_RANK"].clone()).collect();
        ranks.sort_unstable();
        ranks
    };
    let mut all = [ranks(&world.node), ranks(&second)];
    all.sort_by_key(Vec::len);
    assert_eq!(all, [vec!["0".to_owned()], vec!["0".to_owned(), "1".to_owned()]]);
}

#[tokio::test]
async fn what_is_done_in_a_session_is_done_in_the_sandbox_that_is_named() {
    let world = World::new().await;
    let view = create(&world, three("single-node")).await;
    for name in ["main1", "sub1", "sub2"] {
        assert_eq!(run_in(&world, &view, name, &format!("set {name}")).await["verdict"], "ok");
        let file = format!("{}/files/who?sandbox={name}", path(&view));
        world.send(Method::PUT, &file, &[], name.to_owned()).await.expect(200);
    }
    for name in ["main1", "sub1", "sub2"] {
        assert_eq!(run_in(&world, &view, name, "get").await["stdout"], format!("{name}\n"));
        let file = world.get(&format!("{}/files/who?sandbox={name}", path(&view))).await;
        assert_eq!(file.body, name.as_bytes());
    }
    // The first, where nothing is said.
    let run = world.post(&format!("{}/runs", path(&view)), json!({"code": "get", "wait": true})).await.expect(200);
    assert_eq!(run["stdout"], "main1\n");
    assert_eq!(world.get(&format!("{}/files/who", path(&view))).await.body, "main1");
    world.post(&format!("{}/restart?sandbox=sub1", path(&view)), json!({})).await.expect(200);
    assert_ne!(run_in(&world, &view, "sub1", "get").await["stdout"], "sub1\n", "started anew");
    assert_eq!(run_in(&world, &view, "sub2", "get").await["stdout"], "sub2\n", "and no other");
    world.delete(&format!("{}/files/who?sandbox=sub2", path(&view))).await.expect(204);
    let list = world.get(&format!("{}/files?sandbox=sub2", path(&view))).await.expect(200);
    assert_eq!(list["items"], json!([]));
    for wrong in ["sub3", "main2", "main"] {
        let asked = json!({"code": "get", "sandbox": wrong, "wait": true});
        world.post(&format!("{}/runs", path(&view)), asked).await.problem(404, "not-found");
        world.get(&format!("{}/files?sandbox={wrong}", path(&view))).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn all_of_them_count_and_a_refusal_names_the_limit() {
    let world = World::new().await;
    let policy = json!({"session_sandboxes_max": 2, "cpu_millis_max": 2_500});
    world.put("/api/v1/policies/default", policy).await.expect(200);
    let explained = world.post("/api/v1/sessions?explain=true", three("single-node")).await.expect(200);
    let problem = world.post("/api/v1/sessions", three("single-node")).await.problem(422, "limit");
    assert_eq!(problem["refusals"], explained["refusals"]);
    let said = |name: &str| {
        let refusals = problem["refusals"].as_array().unwrap();
        let refusal = refusals.iter().find(|refusal| refusal["limit"] == name).unwrap_or_else(|| panic!("{problem}"));
        (refusal["asked"].clone(), refusal["max"].clone())
    };
    assert_eq!(said("session_sandboxes_max"), (json!(3), json!(2)));
    assert_eq!(said("cpu_millis_max"), (json!(3_000), json!(2_500)));
    let two = json!({"language": "sim", "resources": {"cpu": 1.0}, "cluster": {"size": 2}});
    let view = create(&world, two).await;
    let one = json!({"language": "sim", "resources": {"cpu": 1.0}});
    let problem = world.post("/api/v1/sessions", one.clone()).await.problem(422, "limit");
    assert_eq!((&problem["limit"], &problem["refusals"][0]["used"]), (&json!("cpu_millis_max"), &json!(2_000)));
    world.delete(&path(&view)).await.expect(200);
    until_state(&world, &view, "ended").await;
    create(&world, one).await;
    for size in [0, 65] {
        let asked = json!({"language": "sim", "cluster": {"size": size}});
        assert_eq!(world.post("/api/v1/sessions", asked).await.problem(422, "invalid")["field"], "cluster.size");
    }
}

#[tokio::test]
async fn a_cluster_waits_for_room_for_all_of_it_on_one_node_or_on_several() {
    let world = World::new().await;
    let second = SimNode::new();
    group(&world, json!({"cpu_percent": 100})).await;
    join(&world, &second);
    // Two of four processors each on both nodes of eight: half of each is free.
    let half = json!({"language": "sim", "resources": {"cpu": 4.0}});
    let (one, _two) = (create(&world, half.clone()).await, create(&world, half).await);
    let pair = |mode: &str| json!({"language": "sim", "resources": {"cpu": 4.0}, "cluster": {"size": 2, "mode": mode}});
    let alone = create(&world, pair("single-node")).await;
    assert_eq!((&alone["state"], &alone["queue"]["reason"]), (&json!("queued"), &json!("room")), "{alone}");
    assert_eq!(alone["cluster"]["sandboxes"][1].get("node"), None);
    world.delete(&path(&alone)).await.expect(200);
    let spread = create(&world, pair("multi-node")).await;
    assert_eq!(spread["state"], "running", "{spread}");
    assert_ne!(spread["cluster"]["sandboxes"][0]["node"], spread["cluster"]["sandboxes"][1]["node"]);
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (2, 2));
    let waits = create(&world, pair("multi-node")).await;
    assert_eq!(waits["state"], "queued");
    world.delete(&path(&one)).await.expect(200);
    until_state(&world, &one, "ended").await;
    // There is room for one of two.
    world.until(&path(&waits), |view| view["queue"]["reason"] == "room").await;
    assert_eq!(world.node.sandboxes().len() + second.sandboxes().len(), 3);
    world.delete(&path(&spread)).await.expect(200);
    until_state(&world, &waits, "running").await;
}

#[tokio::test]
async fn one_that_cannot_start_ends_all_and_nothing_is_left() {
    let done = || Start::Done { after_ms: 0 };
    let fails = Start::Fails { after_ms: 0, error: NodeError::Capacity("no slot".into()) };
    let script = Script { starts: vec![done(), fails, done()], ..Script::default() };
    let world = World::on(Home::new().await, SimNode::scripted(script), |_| {}).await;
    let problem = world.post("/api/v1/sessions", three("single-node")).await;
    assert_eq!(problem.status, 503, "{:?}", problem.body);
    let detail = problem.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("no slot") && ["main1: ", "sub1: ", "sub2: "].iter().any(|name| detail.contains(name)),
        "{detail}"
    );
    let list = world.until("/api/v1/sessions", |list| list["items"][0]["state"] == "ended").await;
    assert_eq!(list["items"][0]["outcome"], "failed", "{list}");
    until_empty(&world, &[&world.node]).await;
}

#[tokio::test]
async fn one_that_is_lost_ends_all_and_what_all_used_is_summed_up() {
    let world = World::new().await;
    let view = create(&world, three("single-node")).await;
    let used = |ms: u64| Usage { wall_us: ms * 1_000, cpu_user_us: ms * 500, ..Usage::default() };
    for (name, ms) in [("main1", 100), ("sub1", 200), ("sub2", 400)] {
        world.node.use_up(sandbox(&world.node, name), used(ms)).unwrap();
    }
    let usage = world.get(&format!("{}/usage", path(&view))).await.expect(200);
    assert_eq!(usage["cpu_user_us"], 350_000, "{usage}");
    world.node.lose(sandbox(&world.node, "sub1"));
    let ended = until_state(&world, &view, "ended").await;
    assert_eq!(ended["outcome"], "failed", "{ended}");
    assert!(ended["why"].as_str().unwrap().contains("sandbox lost: sub1: "), "{ended}");
    until_empty(&world, &[&world.node]).await;
    // Of one that is ended all are counted, too.
    let view = create(&world, three("single-node")).await;
    for (name, ms) in [("main1", 100), ("sub1", 200), ("sub2", 400)] {
        world.node.use_up(sandbox(&world.node, name), used(ms)).unwrap();
    }
    world.delete(&path(&view)).await.expect(200);
    until_state(&world, &view, "ended").await;
    let usage = world.get(&format!("{}/usage", path(&view))).await.expect(200);
    assert_eq!(usage["cpu_user_us"], 350_000, "{usage}");
}

#[tokio::test]
async fn a_session_ends_with_the_node_of_any_of_its_sandboxes_or_starts_elsewhere() {
    let world = World::with(|config| config.node_lease_ms = 0).await;
    let (second, third) = (SimNode::new(), SimNode::new());
    group(&world, json!({"placement": "spread"})).await;
    let id = join(&world, &second);
    let pair = json!({"language": "sim", "cluster": {"size": 2, "mode": "multi-node"}});
    let ends = create(&world, pair.clone()).await;
    let moves = create(&world, with(pair, json!({"on_node_loss": "restart"}))).await;
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (2, 2), "{ends} {moves}");
    world.fleet.leave(id);
    let ended = until_state(&world, &ends, "ended").await;
    assert!(ended["why"].as_str().unwrap().contains("lease"), "{ended}");
    join(&world, &third);
    let moved = |view: &Value| view["state"] == "running" && !view.to_string().contains(&id.to_string());
    let again = world.until(&path(&moves), moved).await;
    assert_eq!(run_in(&world, &again, "sub1", "print here").await["stdout"], "here\n");
    world.until("/readyz", |_| world.node.sandboxes().len() + third.sandboxes().len() == 2).await;
    // What returns is closed as something nobody wants.
    join(&world, &second);
    until_empty(&world, &[&second]).await;
    assert_eq!(world.get(&path(&moves)).await.expect(200)["state"], "running");
}

#[tokio::test]
async fn one_that_may_start_again_does_so_when_any_of_them_is_gone() {
    let world = World::new().await;
    let view = create(&world, with(three("single-node"), json!({"on_node_loss": "restart"}))).await;
    let before: BTreeSet<_> = world.node.sandboxes().into_iter().map(|seen| seen.id).collect();
    world.node.lose(sandbox(&world.node, "sub1"));
    let anew = || {
        let now: BTreeSet<_> = world.node.sandboxes().into_iter().map(|seen| seen.id).collect();
        now.len() == 3 && now.is_disjoint(&before)
    };
    world.until(&path(&view), |view| view["state"] == "running" && anew()).await;
}

#[tokio::test]
async fn all_of_a_cluster_is_found_again_after_a_restart() {
    let world = World::new().await;
    let view = create(&world, three("single-node")).await;
    let asked = json!({"code": "sleep 100\nprint late", "sandbox": "sub2"});
    let run = world.post(&format!("{}/runs", path(&view)), asked).await.expect(201);
    world.until("/readyz", |_| world.node.runs().len() == 1).await;
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    for name in ["main1", "sub1", "sub2"] {
        assert_eq!(run_in(&world, &view, name, "print up").await["stdout"], "up\n");
    }
    world.node.advance(100);
    let path_of_run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let run = world.until(&path_of_run, |run| run["state"] == "finished").await;
    assert_eq!((&run["verdict"], &run["stdout"]), (&json!("ok"), &json!("late\n")), "{run}");
    let secrets: BTreeSet<_> =
        specs(&world.node).values().map(|spec| spec.env["MADANG_CLUSTER_TOKEN"].clone()).collect();
    assert_eq!((secrets.len(), world.node.sandboxes().len()), (1, 3));
    world.delete(&path(&view)).await.expect(200);
    until_state(&world, &view, "ended").await;
    until_empty(&world, &[&world.node]).await;
}

#[tokio::test]
async fn after_a_restart_all_of_them_still_hold_their_room() {
    let world = World::new().await;
    group(&world, json!({"cpu_percent": 100})).await;
    let asked = json!({"language": "sim", "resources": {"cpu": 4.0}, "cluster": {"size": 2}});
    let view = create(&world, asked).await;
    assert_eq!(view["state"], "running", "{view}");
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, |_| {}).await;
    let waits = create(&world, json!({"language": "sim", "resources": {"cpu": 1.0}})).await;
    assert_eq!((&waits["state"], &waits["queue"]["reason"]), (&json!("queued"), &json!("room")), "{waits}");
    world.delete(&path(&view)).await.expect(200);
    until_state(&world, &waits, "running").await;
}

#[tokio::test]
async fn the_accelerators_of_all_of_them_count() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "resources": {"accelerators": {"fake": 1}}, "cluster": {"size": 3}});
    for (most, refused) in [(2_000, 1), (3_000, 0)] {
        world.put("/api/v1/policies/default", json!({"accelerator_millis_max": most})).await.expect(200);
        let explained = world.post("/api/v1/sessions?explain=true", asked.clone()).await.expect(200);
        assert_eq!(explained["refusals"].as_array().map_or(0, Vec::len), refused, "{explained}");
    }
}

/// The same from the same seed; a generator that needs no more than this test.
fn dice(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % sides
}

#[tokio::test]
async fn whatever_comes_and_goes_a_cluster_is_never_there_by_half() {
    for seed in 1..=3 {
        let mut state = seed;
        let world = World::new().await;
        let (second, third) = (SimNode::new(), SimNode::new());
        group(&world, json!({"cpu_percent": 100})).await;
        join(&world, &second);
        join(&world, &third);
        let mut live: Vec<Value> = Vec::new();
        for _ in 0..25 {
            if live.len() > 6 || dice(&mut state, 3) == 0 && !live.is_empty() {
                let view = live.swap_remove(dice(&mut state, live.len() as u64) as usize);
                world.delete(&path(&view)).await.expect(200);
                until_state(&world, &view, "ended").await;
                continue;
            }
            let mode = if dice(&mut state, 2) == 0 { "single-node" } else { "multi-node" };
            let (size, cpu) = (1 + dice(&mut state, 4), 1 + dice(&mut state, 4));
            let asked =
                json!({"language": "sim", "resources": {"cpu": cpu as f64}, "cluster": {"size": size, "mode": mode}});
            if mode == "single-node" && size * cpu > 8 {
                // More than a node has.
                world.post("/api/v1/sessions", asked).await.problem(422, "limit");
                continue;
            }
            live.push(create(&world, asked).await);
        }
        let nodes = [&world.node, &second, &third];
        for view in &live {
            let settled = |view: &Value| view["state"] == "running" || view["state"] == "queued";
            let of =
                |node: &&SimNode| node.sandboxes().iter().filter(|seen| view["id"] == seen.session.to_string()).count();
            // What waits may begin at any moment: what was counted is of a state that held on both sides of counting.
            let began = std::time::Instant::now();
            let (view, counts) = loop {
                assert!(began.elapsed() < PATIENCE, "{view} is never the same twice");
                let before = world.until(&path(view), settled).await;
                let counts: Vec<usize> = nodes.iter().map(of).collect();
                let after = world.get(&path(view)).await.expect(200);
                if before["state"] == after["state"] {
                    break (after, counts);
                }
            };
            let size = view["cluster"]["size"].as_u64().unwrap_or(1) as usize;
            let there = if view["state"] == "running" { size } else { 0 };
            assert_eq!(counts.iter().sum::<usize>(), there, "seed {seed}: {view} {counts:?}");
            let together = view["cluster"]["mode"] != "multi-node";
            assert!(!together || there == 0 || counts.contains(&there), "seed {seed}: {view} {counts:?}");
        }
    }
}
