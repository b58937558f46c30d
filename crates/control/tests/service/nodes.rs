//! Nodes that join over a real link: tokens, states, removal, servers that come and go. What runs on them is simulated.

use std::{net::SocketAddr, sync::Arc};

use axum::http::Method;
use madang_node_api::Node as _;
use madang_node_link::{
    Member, MemberConfig,
    member::{MemberError, Tcp},
};
use madang_testkit::{SimNode, TestDatabase};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::{Home, PATIENCE, World, shared};

pub fn takes_nodes(config: &mut madang_control::ControlConfig) {
    config.nodes_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
}

impl World {
    /// One that takes nodes, and places nothing on its own.
    async fn with_nodes() -> Self {
        Self::with_nodes_and(|_| {}).await
    }

    async fn with_nodes_and(settle: impl FnOnce(&mut madang_control::ControlConfig)) -> Self {
        let world = Self::with(|config| {
            takes_nodes(config);
            settle(config);
        })
        .await;
        world.cordon_own().await;
        world
    }

    pub async fn cordon_own(&self) {
        let own = self.node_called("local").await;
        self.change(&own, "cordoned").await.expect(200);
    }

    async fn node_called(&self, name: &str) -> Value {
        let all = self.get("/api/v1/nodes").await.expect(200);
        let named = all["items"].as_array().unwrap().iter().find(|node| node["name"] == name);
        named.unwrap_or_else(|| panic!("no {name} in {all}")).clone()
    }

    async fn change(&self, node: &Value, state: &str) -> crate::harness::Answer {
        let path = format!("/api/v1/nodes/{}", node["id"].as_str().unwrap());
        let headers = [("content-type", "application/json")];
        self.send(Method::PATCH, &path, &headers, json!({"state": state}).to_string()).await
    }

    pub async fn node_token(&self, request: Value) -> Value {
        self.post("/api/v1/node-tokens", request).await.expect(201)
    }

    pub async fn heard(&self, name: &str, presence: &str) -> Value {
        let path = format!("/api/v1/nodes/{}", self.node_called(name).await["id"].as_str().unwrap());
        self.until(&path, |node| node["presence"] == presence).await
    }
}

/// A machine that may join.
pub struct Machine {
    directory: TempDir,
    pub node: SimNode,
}

impl Machine {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), node: SimNode::new() }
    }

    fn config(&self, controls: &str, name: &str, token: Option<&str>) -> MemberConfig {
        let mut config = MemberConfig::new(self.directory.path().join("m"), controls.to_owned(), name.to_owned());
        config.token = token.map(|token| token.parse().unwrap());
        // Below what makes a node silent here.
        config.silent = std::time::Duration::from_secs(50);
        config
    }

    async fn join(&self, controls: &str, name: &str, token: Option<&str>) -> Result<Member, MemberError> {
        let joining = Member::join(self.config(controls, name, token), Arc::new(Tcp));
        tokio::time::timeout(PATIENCE, joining).await.expect("joining takes for ever")
    }

    /// Keeps a link for as long as the handle lives; returns why it was ended by control.
    pub async fn serve(&self, controls: &str, name: &str, token: Option<&str>) -> AbortOnDropHandle<MemberError> {
        let member = self.join(controls, name, token).await.unwrap();
        AbortOnDropHandle::new(tokio::spawn(member.serve(Arc::new(self.node.clone()))))
    }
}

pub fn address(world: &World) -> String {
    world.nodes.unwrap().to_string()
}

#[tokio::test]
async fn a_machine_joins_by_its_token_and_sessions_go_there() {
    let world = World::with_nodes().await;
    let machine = Machine::new();
    let made = world.node_token(json!({})).await;
    assert_eq!(made["join"], address(&world));
    let _link = machine.serve(&address(&world), "far", made["secret"].as_str()).await;
    let seen = world.heard("far", "here").await;
    assert_eq!((&seen["state"], &seen["resource_group"]), (&json!("schedulable"), &json!("default")));
    let session = world.session().await;
    assert_eq!(machine.node.sandboxes().len(), 1);
    assert_eq!(world.heard("far", "here").await["sessions"], 1);
    let run = json!({"code": "print far away", "wait": true});
    let run = world.post(&format!("/api/v1/sessions/{session}/runs"), run).await.expect(200);
    assert_eq!(run["stdout"], "far away\n");
    assert_eq!(world.get("/api/v1/node-tokens").await.expect(200)["items"], json!([]), "it was good for one");
}

#[tokio::test]
async fn a_token_that_is_used_up_taken_back_or_ended_lets_nobody_in() {
    let world = World::with_nodes().await;
    let at = address(&world);
    let used = world.node_token(json!({"uses": 1})).await;
    Machine::new().join(&at, "first", used["secret"].as_str()).await.unwrap();
    let back = world.node_token(json!({"uses": 5})).await;
    world.delete(&format!("/api/v1/node-tokens/{}", back["id"].as_str().unwrap())).await.expect(200);
    let ended = world.node_token(json!({"ttl_ms": 1_000})).await;
    let began = std::time::Instant::now();
    while world.get("/api/v1/node-tokens").await.expect(200)["items"] != json!([]) {
        assert!(began.elapsed() < PATIENCE, "a token does not end");
    }
    for token in [used, back, ended] {
        let refused = Machine::new().join(&at, "second", token["secret"].as_str()).await.unwrap_err();
        assert!(matches!(&refused, MemberError::Refused(why) if why.contains("lets nobody join")), "{refused}");
    }
    let token = world.node_token(json!({"uses": 3})).await;
    for name in ["first", "local", "no name"] {
        let refused = Machine::new().join(&at, name, token["secret"].as_str()).await.unwrap_err();
        assert!(matches!(&refused, MemberError::Refused(why) if why.contains("name")), "{name}: {refused}");
    }
}

#[tokio::test]
async fn nonsense_about_tokens_is_refused() {
    let world = World::with_nodes().await;
    for (field, request) in [
        ("uses", json!({"uses": 0})),
        ("uses", json!({"uses": 10_001})),
        ("ttl_ms", json!({"ttl_ms": 1})),
        ("resource_group", json!({"resource_group": "nowhere"})),
    ] {
        let problem = world.post("/api/v1/node-tokens", request).await.problem(422, "invalid");
        assert_eq!(problem["field"], field, "{problem}");
    }
    let closed = World::new().await;
    closed.post("/api/v1/node-tokens", json!({})).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_node_that_is_removed_is_let_in_no_more_and_its_sessions_are_lost() {
    let world = World::with_nodes().await;
    let machine = Machine::new();
    let made = world.node_token(json!({"uses": 2})).await;
    let link = machine.serve(&address(&world), "far", made["secret"].as_str()).await;
    let node = world.heard("far", "here").await;
    let session = format!("/api/v1/sessions/{}", world.session().await);
    let path = format!("/api/v1/nodes/{}", node["id"].as_str().unwrap());
    let problem = world.delete(&path).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("drain"), "{problem}");
    world.delete(&format!("{path}?force=true")).await.expect(200);
    let ended = world.until(&session, |view| view["state"] == "ended").await;
    assert!(ended["why"].as_str().unwrap().contains("removed"), "{ended}");
    let why = tokio::time::timeout(PATIENCE, link).await.expect("it is let in again").unwrap();
    assert!(matches!(why, MemberError::Refused(_)), "{why}");
    world.get(&path).await.problem(404, "not-found");
    let own = world.node_called("local").await;
    world.delete(&format!("/api/v1/nodes/{}", own["id"].as_str().unwrap())).await.problem(409, "conflict");
}

#[tokio::test]
async fn what_was_said_of_a_node_and_what_runs_there_outlives_the_server() {
    let world = World::with_nodes().await;
    let machine = Machine::new();
    let made = world.node_token(json!({})).await;
    let at = address(&world);
    let _link = machine.serve(&at, "far", made["secret"].as_str()).await;
    let node = world.heard("far", "here").await;
    let session = format!("/api/v1/sessions/{}", world.session().await);
    world.change(&node, "cordoned").await.expect(200);
    world.change(&node, "nonsense").await.problem(422, "invalid");
    world.stop.drain();
    let (home, own) = world.stopped().await;
    let settle = |config: &mut madang_control::ControlConfig| config.nodes_listen = Some(at.parse().unwrap());
    let world = World::on(home, own, settle).await;
    assert_eq!(world.get(&session).await.expect(200)["state"], "running");
    assert_eq!(world.heard("far", "here").await["state"], "cordoned");
    let run = json!({"code": "print still", "wait": true});
    assert_eq!(world.post(&format!("{session}/runs"), run).await.expect(200)["stdout"], "still\n");
    let waits = world.post("/api/v1/sessions", json!({"language": "sim"})).await.expect(201);
    assert_eq!(waits["state"], "queued");
}

#[tokio::test]
async fn a_node_follows_whoever_leads() {
    let Some(database) = TestDatabase::postgres_if_any().await else { return };
    let (machine, mut worlds) = (Machine::new(), Vec::new());
    for _ in 0..2 {
        let settle = |config: &mut madang_control::ControlConfig| {
            config.database = Some(shared(&database));
            takes_nodes(config);
        };
        let world = World::on(Home::new().await, SimNode::new(), settle).await;
        world.get("/api/v1/languages").await.expect(200);
        worlds.push(world);
    }
    worlds[1].cordon_own().await;
    // It knows only the one that does not lead, joins there, and is sent on.
    let made = worlds[1].node_token(json!({})).await;
    let link = machine.serve(&address(&worlds[1]), "far", made["secret"].as_str()).await;
    worlds[0].heard("far", "here").await;
    worlds[1].heard("far", "here").await;
    let session = format!("/api/v1/sessions/{}", worlds[1].session().await);
    let first = worlds.remove(0);
    first.stop.drain();
    first.stopped().await;
    worlds[0].heard("far", "here").await;
    let run = json!({"code": "print still", "wait": true});
    assert_eq!(worlds[0].post(&format!("{session}/runs"), run).await.expect(200)["stdout"], "still\n");
    assert!(!link.is_finished());
}

#[tokio::test]
async fn what_is_asked_before_any_node_has_dialled_waits_for_one() {
    let world = World::with_nodes().await;
    let machine = Machine::new();
    let token = world.node_token(json!({})).await;
    let at = address(&world);
    let link = machine.serve(&at, "far", token["secret"].as_str()).await;
    world.heard("far", "here").await;
    let session = world.session().await;
    drop(link);
    world.stop.drain();
    let (home, own) = world.stopped().await;
    let settle = |config: &mut madang_control::ControlConfig| config.nodes_listen = Some(at.parse().unwrap());
    let world = World::on(home, own, settle).await;
    let run = json!({"language": "sim", "code": "print x", "wait": true});
    let inside = json!({"code": "print y", "wait": true});
    let inside_path = format!("/api/v1/sessions/{session}/runs");
    let (once, inside, made, _link) = tokio::join!(
        world.post("/api/v1/run", run),
        world.post(&inside_path, inside),
        world.post("/api/v1/sessions", json!({"language": "sim"})),
        machine.serve(&at, "far", None),
    );
    assert_eq!(once.expect(200)["stdout"], "x\n");
    assert_eq!(inside.expect(200)["stdout"], "y\n");
    let made = format!("/api/v1/sessions/{}", made.expect(201)["id"].as_str().unwrap());
    world.until(&made, |view| view["state"] == "running").await;
}

/// Longer than control lets a run go on beyond its limit.
const OVERDUE: std::time::Duration = std::time::Duration::from_secs(240);

/// Asks until the run has finished.
async fn finished(world: &World, run: &str) -> Value {
    let began = std::time::Instant::now();
    loop {
        let view = world.get(run).await.expect(200);
        if view["state"] == "finished" {
            return view;
        }
        assert!(began.elapsed() < OVERDUE, "{view}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_run_whose_time_ends_while_its_node_is_silent_is_heard_whole_when_it_is_back() {
    let world = World::with_nodes_and(|config| config.node_silent_ms = 10_000).await;
    let (far, near, at) = (Machine::new(), Machine::new(), address(&world));
    let token = world.node_token(json!({"uses": 2})).await;
    let link = far.serve(&at, "far", token["secret"].as_str()).await;
    let node = world.heard("far", "here").await;
    let begin = async |code: &str| {
        let session = world.session().await;
        let run = json!({"code": code, "limits": {"wall_ms": 30_000}});
        let run = world.post(&format!("/api/v1/sessions/{session}/runs"), run).await.expect(201);
        format!("/api/v1/runs/{}", run["id"].as_str().unwrap())
    };
    let away = begin("print before\nsleep 1000\nprint after\nhang").await;
    world.until(&away, |view| view["stdout"] == "before\n").await;
    world.change(&node, "cordoned").await.expect(200);
    let _near = near.serve(&at, "near", token["secret"].as_str()).await;
    world.heard("near", "here").await;
    drop(link);
    world.heard("far", "silent").await;
    // Its clock stands still: only control ends it, and what began before it is overdue by then.
    let here = begin("hang").await;
    assert_eq!(finished(&world, &here).await["verdict"], "cancelled");
    assert_eq!(world.get(&away).await.expect(200)["state"], "running");
    far.node.advance(1_000);
    far.node.advance(60_000);
    let _link = far.serve(&at, "far", None).await;
    let whole = finished(&world, &away).await;
    assert_eq!((&whole["stdout"], &whole["verdict"]), (&json!("before\nafter\n"), &json!("time-limit")));
}
