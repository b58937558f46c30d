//! Resource groups led by different processes: any of them answers for all, and what one leads another takes over.

use axum::http::Method;
use madang_control::ControlConfig;
use madang_node_api::Node as _;
use madang_node_link::member::MemberError;
use madang_testkit::{SimNode, TestDatabase};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    harness::{Home, PATIENCE, World, shared},
    nodes::{Machine, address, takes_nodes},
};

/// Of so many groups two processes lead some each; that one gets all of them does not happen in the life of this program.
const GROUPS: usize = 40;

/// Two processes, a group that each of them leads, and a machine in it.
struct Two {
    worlds: Vec<World>,
    groups: Vec<String>,
    machines: Vec<Machine>,
    _links: Vec<AbortOnDropHandle<MemberError>>,
    _database: TestDatabase,
}

impl Two {
    async fn new() -> Option<Self> {
        let database = TestDatabase::postgres_if_any().await?;
        let mut worlds = Vec::new();
        for _ in 0..2 {
            let settle = |config: &mut ControlConfig| {
                config.database = Some(shared(&database));
                config.handover_ms = 0;
                takes_nodes(config);
            };
            let world = World::on(Home::new().await, SimNode::new(), settle).await;
            world.get("/api/v1/languages").await.expect(200);
            worlds.push(world);
        }
        let names: Vec<_> = (0..GROUPS).map(|number| format!("group-{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            worlds[number % 2].put(&format!("/api/v1/resource-groups/{name}"), json!({})).await.expect(200);
        }
        let groups = settled(&worlds, &names).await;
        let (mut machines, mut links) = (Vec::new(), Vec::new());
        for (group, asked) in groups.iter().zip(worlds.iter().rev()) {
            // Each dials the process that does not lead its group, and is sent on.
            let made = asked.node_token(json!({"resource_group": group})).await;
            let machine = Machine::new();
            links.push(machine.serve(&address(asked), &format!("node-{group}"), made["secret"].as_str()).await);
            machines.push(machine);
        }
        for world in &worlds {
            for group in &groups {
                world.heard(&format!("node-{group}"), "here").await;
            }
        }
        Some(Self { worlds, groups, machines, _links: links, _database: database })
    }

    /// A session in the group, asked for at the other process.
    async fn session(&self, number: usize) -> String {
        let request =
            json!({"language": "sim", "resource_group": self.groups[number], "name": format!("mine-{number}")});
        let made = self.worlds[1 - number].post("/api/v1/sessions", request).await.expect(201);
        assert_eq!((&made["state"], &made["resource_group"]), (&json!("running"), &json!(self.groups[number])));
        made["id"].as_str().unwrap().to_owned()
    }
}

/// Waits until each process leads a group that it should lead, which is then handed to nobody; returns one of each process.
async fn settled(worlds: &[World], names: &[String]) -> Vec<String> {
    let began = std::time::Instant::now();
    loop {
        let page = worlds[0].get("/api/v1/processes").await.expect(200);
        let processes = page["items"].as_array().unwrap();
        let found: Option<Vec<String>> = worlds.iter().map(|world| led_for_good(processes, world, names)).collect();
        if let Some(found) = found.filter(|_| processes.len() == worlds.len()) {
            return found;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "the groups are never shared: {processes:?}");
        worlds[0].post("/api/v1/tasks/lease/run", json!({})).await.expect(200);
        worlds[1].post("/api/v1/tasks/lease/run", json!({})).await.expect(200);
    }
}

/// A group that this process leads and that no other has a better claim to, as the server's documents say who has: by a hash.
fn led_for_good(processes: &[Value], world: &World, names: &[String]) -> Option<String> {
    let here = format!("http://{}", world.address);
    let process = processes.iter().find(|process| process["address"] == here)?;
    let claim =
        |group: &str, process: &Value| Sha256::digest(format!("{group} {}", process["id"].as_str().unwrap())).to_vec();
    let leads =
        |name: &&String| process["leads"].as_array().is_some_and(|all| all.iter().any(|led| led == name.as_str()));
    let best = |name: &&String| processes.iter().all(|other| claim(name, other) <= claim(name, process));
    names.iter().filter(leads).find(best).cloned()
}

#[tokio::test]
async fn any_process_answers_for_the_groups_of_all() {
    let Some(two) = Two::new().await else { return };
    let mut events = two.worlds[0].stream(Method::GET, "/api/v1/events", &[], "").await;
    let ids = [two.session(0).await, two.session(1).await];
    for number in [0, 1] {
        assert_eq!(two.machines[number].node.sandboxes().len(), 1, "it runs where its group's machine is");
    }
    for world in &two.worlds {
        for (number, id) in ids.iter().enumerate() {
            let named = world.get(&format!("/api/v1/sessions/mine-{number}")).await.expect(200);
            assert_eq!(named["id"], id.as_str());
            let run = json!({"code": "print hello", "wait": true});
            let run = world.post(&format!("/api/v1/sessions/{id}/runs"), run).await.expect(200);
            assert_eq!(run["stdout"], "hello\n");
            world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
        }
        let again = json!({"language": "sim", "name": "mine-0", "reuse_if_exists": true});
        assert_eq!(world.post("/api/v1/sessions", again).await.expect(201)["id"], ids[0].as_str());
        let nodes = world.get("/api/v1/nodes").await.expect(200);
        let busy = nodes["items"].as_array().unwrap().iter().filter(|node| node["sessions"] == 1).count();
        assert_eq!(busy, 2, "{nodes}");
        let known = world.get("/api/v1/resource-groups").await.expect(200);
        let open = known["items"].as_array().unwrap().iter().filter(|group| group["nodes_open"] == 1).count();
        assert!(open >= 2, "{known}");
    }
    let mut heard = Vec::new();
    while ids.iter().any(|id| !heard.contains(id)) {
        let (_, event) = events.event().await.expect("the stream goes on");
        if event["kind"] == "session-changed" {
            heard.push(event["session"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test]
async fn live_counts_in_lists_come_from_whoever_leads() {
    let Some(two) = Two::new().await else { return };
    let ids = [two.session(0).await, two.session(1).await];
    for (number, id) in ids.iter().enumerate() {
        let run = json!({"code": "hang"});
        two.worlds[number].post(&format!("/api/v1/sessions/{id}/runs"), run).await.expect(201);
    }
    for world in &two.worlds {
        world
            .until("/api/v1/sessions?filter=live", |page| {
                let items = page["items"].as_array().unwrap();
                items.len() == 2 && items.iter().all(|session| session["runs_live"] == 1)
            })
            .await;
    }
}

#[tokio::test]
async fn what_one_led_another_takes_over() {
    let Some(mut two) = Two::new().await else { return };
    let ids = [two.session(0).await, two.session(1).await];
    let first = two.worlds.remove(0);
    first.stop.drain();
    first.stopped().await;
    for id in ids {
        let run = json!({"code": "print still", "wait": true});
        let run = two.worlds[0].post(&format!("/api/v1/sessions/{id}/runs"), run).await.expect(200);
        assert_eq!(run["stdout"], "still\n");
    }
    for machine in &two.machines {
        assert_eq!(machine.node.sandboxes().len(), 1, "it is the same sandbox");
    }
}

#[tokio::test]
async fn nobody_but_a_process_hears_what_happens_everywhere() {
    let Some(two) = Two::new().await else { return };
    two.worlds[0].get("/between/events").await.problem(404, "not-found");
    let headers = [("madang-forwarded", "e30.1.e30")];
    two.worlds[0].send(Method::GET, "/between/events", &headers, "").await.problem(404, "not-found");
}
