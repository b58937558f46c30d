//! Three nodes in network namespaces of their own: placed as asked, cut off, powered off.

use std::time::{Duration, Instant};

use madang_client::Client;
use madang_model::LimitsAsked;
use madang_public_api::{RunMode, RunRequest, SessionState, node::NodePresence};

use crate::{
    network::{Network, Place},
    process::{Role, control, here, node, nodes, says, session, soon, text},
};

/// A node is noticed to be gone within so long: ten seconds are promised, and said; where the machine is busy it takes longer.
const NOTICED: Duration = Duration::from_secs(180);
/// How long a node is cut off; `MADANG_AWAY_SECONDS` says otherwise.
const AWAY: Duration = Duration::from_secs(12);

struct World {
    network: Network,
    control: Role,
    client: Client,
    /// Each with the place where it is.
    nodes: Vec<(Place, Role)>,
}

impl World {
    async fn with_three(settings: &str) -> Self {
        let (mut network, place) = Network::new();
        let control = control(Some(&place), settings);
        let client = control.client();
        let mut nodes = Vec::new();
        for name in ["one", "two", "three"] {
            let place = network.place();
            let role = node(Some(&place), &control, name);
            nodes.push((place, role));
        }
        here(&client, 3).await;
        Self { network, control, client, nodes }
    }

    fn group(&self, placement: &str) {
        // A pool that is filled later on one node than on another is not what is tried here.
        let words = ["admin", "group", "set", "default", "--prefer", "nothing", "--placement", placement];
        let (code, _, complaint) = self.control.madang(&words);
        assert_eq!(code, 0, "{complaint}");
    }

    /// Live sessions on each node, fewest first.
    async fn spread(&self) -> Vec<u64> {
        let mut counts: Vec<_> = nodes(&self.client).await.unwrap().iter().map(|node| node.sessions).collect();
        counts.sort_unstable();
        counts
    }

    async fn with_three_more(&self) -> Vec<u64> {
        for _ in 0..3 {
            here(&self.client, 3).await;
            session(&self.client).await;
        }
        self.spread().await
    }

    /// How often a node has become silent, or was heard anew.
    fn told_of_nodes(&self) -> usize {
        self.control.log().lines().filter(|line| line.contains("a node is ")).count()
    }

    async fn end_all(&self) {
        for session in self.client.sessions(Some("live")).await.unwrap() {
            self.client.session_end(&session.id.to_string()).await.unwrap();
        }
        soon("no node has a session", async || match self.spread().await {
            counts if counts.iter().all(|count| *count == 0) => Ok(()),
            counts => Err(format!("{counts:?}")),
        })
        .await;
    }

    /// Makes sessions until one is on the node of this name, and returns it.
    async fn session_on(&self, name: &str) -> String {
        loop {
            let before = self.sessions_of(name).await;
            let id = session(&self.client).await.id.to_string();
            if self.sessions_of(name).await > before {
                return id;
            }
        }
    }

    async fn sessions_of(&self, name: &str) -> u64 {
        nodes(&self.client).await.unwrap().iter().find(|node| node.name == name).unwrap().sessions
    }

    async fn until_presence(&self, name: &str, wanted: NodePresence) {
        soon("the node is heard as it should be", async || {
            let all = nodes(&self.client).await?;
            let node = all.iter().find(|node| node.name == name).unwrap();
            if node.presence == wanted { Ok(()) } else { Err(format!("{node:?}")) }
        })
        .await;
    }
}

/// What a session uses beside a run in it: its interpreter's start, its end.
const BESIDE_US: u64 = 3_000_000;

/// CPU time in the records of a session's use, each counted once.
pub async fn recorded_cpu_us(client: &Client, session: &str) -> u64 {
    let mut bytes = client.usage_records("format=ndjson").await.unwrap();
    let mut text = Vec::new();
    while let Some(piece) = bytes.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let records = lines.map(|line| serde_json::from_slice::<madang_public_api::UsageEntry>(line).unwrap());
    let theirs = records.filter(|record| record.session == session);
    theirs.map(|record| record.cpu_user_us + record.cpu_system_us).sum()
}

fn noticed(gone: Instant) {
    println!("noticed after {:?}", gone.elapsed());
    assert!(gone.elapsed() < NOTICED);
}

#[tokio::test]
async fn sessions_are_spread_and_packed_as_asked() {
    let world = World::with_three("node_silent_ms = 60000\n").await;
    for _ in 0..5 {
        let heard = world.told_of_nodes();
        world.group("spread");
        let spread = world.with_three_more().await;
        world.group("pack");
        let packed = world.with_three_more().await;
        // One that a busy machine keeps silent for a while is given nothing meanwhile.
        if heard == world.told_of_nodes() {
            assert_eq!((spread, packed), (vec![1, 1, 1], vec![1, 1, 4]));
            return;
        }
        world.end_all().await;
    }
    panic!("nodes are silent again and again: {}", world.control.log());
}

#[tokio::test]
async fn a_node_that_is_cut_off_and_comes_back_loses_no_session_no_output_and_no_use() {
    let world = World::with_three("").await;
    world.group("spread");
    let id = world.session_on("one").await;
    says(&world.client, &id, "kept = 41").await;
    let code = "import os, time\nn = 0\nwhile not os.path.exists('stop'):\n    print(n, flush=True)\n    n += 1\n    busy = time.process_time() + 0.01\n    while time.process_time() < busy: pass\n    time.sleep(0.04)";
    let limits = LimitsAsked { wall_ms: Some(3_600_000), cpu_ms: Some(3_600_000), ..LimitsAsked::default() };
    let argv = vec!["python3".into(), "-c".into(), code.into()];
    let request = RunRequest { mode: RunMode::Command, argv, limits, ..RunRequest::default() };
    let run = world.client.session_run_begin(&id, &request).await.unwrap().id;
    let (place, _) = &world.nodes[0];
    world.network.cut(place);
    let cut = Instant::now();
    world.until_presence("one", NodePresence::Silent).await;
    noticed(cut);
    // Nothing new goes there, and what is there is not given up.
    for _ in 0..3 {
        session(&world.client).await;
    }
    assert_eq!(world.client.session_get(&id).await.unwrap().state, SessionState::Running);
    let seconds = std::env::var("MADANG_AWAY_SECONDS").ok().map(|text| text.parse().unwrap());
    let away = seconds.map_or(AWAY, Duration::from_secs);
    tokio::time::sleep(away.saturating_sub(cut.elapsed())).await;
    world.network.heal(place);
    world.until_presence("one", NodePresence::Here).await;
    assert_eq!(says(&world.client, &id, "print(kept + 1)").await, "42\n");
    soon("the run is told to end", async || {
        world.client.file_write(&id, "stop", &b""[..]).await.map_err(|error| error.to_string())
    })
    .await;
    let view = soon("the run ends", async || {
        let view = world.client.run_get(run).await.map_err(|error| error.to_string())?;
        if view.whole.verdict.is_some() { Ok(view) } else { Err(format!("{:?}", view.state)) }
    })
    .await;
    let numbers: Vec<u64> = text(&view.whole.stdout).lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.iter().enumerate().all(|(at, number)| at as u64 == *number), "{numbers:?}");
    // It has counted all the while that nobody heard it.
    assert!(numbers.len() as u128 > away.as_millis() / 500, "{} lines in {away:?}", numbers.len());
    world.client.session_end(&id).await.unwrap();
    let used = view.whole.usage.cpu_user_us + view.whole.usage.cpu_system_us;
    let recorded = soon("what was used is recorded", async || {
        let recorded = recorded_cpu_us(&world.client, &id).await;
        if recorded >= used { Ok(recorded) } else { Err(format!("{recorded} of {used} µs")) }
    })
    .await;
    println!("{used} µs in the run, {recorded} µs recorded of the session");
    assert!(recorded < used + BESIDE_US, "{recorded} beside {used} µs");
}

#[tokio::test]
async fn a_node_without_power_is_noticed_and_its_sessions_end_as_lost() {
    let mut world = World::with_three("node_lease_ms = 30000\n").await;
    world.group("spread");
    let id = world.session_on("two").await;
    world.nodes[1].1.power_off();
    let off = Instant::now();
    world.until_presence("two", NodePresence::Silent).await;
    noticed(off);
    let ended = soon("the session ends", async || {
        let view = world.client.session_get(&id).await.map_err(|error| error.to_string())?;
        if view.state == SessionState::Ended { Ok(view) } else { Err(format!("{view:?}")) }
    })
    .await;
    assert!(ended.why.is_some_and(|why| why.contains("lease")));
    // The others go on.
    let other = session(&world.client).await.id.to_string();
    assert_eq!(says(&world.client, &other, "print(1)").await, "1\n");
}

/// What a session runs so that it is found again: seconds that nothing else sleeps for.
const MARK: &str = "7654321";

fn runs(role: &Role) -> bool {
    let words = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    role.sandbox_processes().iter().any(|pid| words(pid).contains(MARK))
}

#[tokio::test]
async fn what_may_start_elsewhere_does_and_never_runs_twice() {
    // Its node has a quarter of that to end it in.
    let world = World::with_three("node_lease_ms = 60000\n").await;
    world.group("spread");
    let id = loop {
        let before = world.sessions_of("three").await;
        let request = madang_public_api::SessionCreate {
            language: Some("python".into()),
            on_node_loss: madang_public_api::OnNodeLoss::Restart,
            ..Default::default()
        };
        let made = world.client.session_create(&request).await.unwrap();
        let id = crate::process::running(&world.client, &made.id.to_string()).await.id.to_string();
        if world.sessions_of("three").await > before {
            break id;
        }
    };
    let (place, role) = &world.nodes[2];
    says(&world.client, &id, &format!("import subprocess; subprocess.Popen(['sleep', '{MARK}'])")).await;
    assert!(runs(role), "what is looked for is there");
    world.network.cut(place);
    soon("the session is elsewhere", async || {
        let count = world.sessions_of("three").await;
        if count == 0 { Ok(()) } else { Err(format!("{count} sessions are on the node")) }
    })
    .await;
    // Whoever may start it elsewhere knows that the first is gone: its own node has ended it, though nobody could tell it to.
    assert!(!runs(role), "it still runs where it was");
    assert_eq!(says(&world.client, &id, "print(2)").await, "2\n");
    world.network.heal(place);
    world.until_presence("three", NodePresence::Here).await;
    assert_eq!(says(&world.client, &id, "print(3)").await, "3\n");
}
