//! Chaos over three nodes: cables cut and healed, also for longer than a lease, agents and control killed -9, sandboxes killed, disks
//! full, clocks set. Nothing is stuck, lost or run twice, and nothing is left of what has ended.
//!
//! `MADANG_CHAOS_MINUTES` says for how long, `MADANG_CHAOS_SEED` repeats a run's choices. What is so is read from the kernel: processes,
//! their control groups, the slots' claims.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use madang_client::Client;
use madang_ids::RunId;
use madang_public_api::{OnNodeLoss, RunMode, RunRequest, SessionCreate, SessionKind, SessionState};

mod fault;
mod used;
mod watch;

#[allow(dead_code, reason = "another test uses the rest of it")]
#[path = "../chaos/dice.rs"]
mod dice;

use crate::{
    clock::Clock,
    network::{Network, Place},
    process::{Ground, Role, control_on, here, says, session, soon, text, token},
};
use dice::Dice;
use fault::Fault;
use watch::{Watch, sleepers};

/// In the suite.
const BRIEFLY: Duration = Duration::from_secs(15);
const COUNTERS: usize = 3;
const SINGLES: u64 = 2;
/// Seconds that nothing else sleeps for; each single counts on from there.
const MARK: u64 = 86_310_000;
/// Where nothing waits for a lease to be over, none is, however long the machine has something else to do.
const LEASE_BRIEFLY_MS: u64 = 120_000;
const LEASE_MS: u64 = 12_000;
/// A counter is read before that.
const COUNT_MS_MAX: u64 = 600_000;
const NAMES: [&str; 3] = ["one", "two", "three"];
const NODE_DISK_BYTES: u64 = 32 << 20;
const CONTROL_DISK_BYTES: u64 = 256 << 20;
/// After so many rounds what the counters wrote is read whole, and they begin anew.
const READ_EVERY: u64 = 8;

/// A session whose interpreter remembers a number, and in which a program counts.
struct Counter {
    session: String,
    kept: u64,
    run: RunId,
    /// CPU time in the records when they were last read.
    recorded_us: u64,
}

/// A session that may start elsewhere and must never be in two places.
struct Single {
    session: String,
    mark: String,
}

struct Chaos {
    // Before the network: they are in it.
    nodes: Vec<(Place, Role)>,
    control: Role,
    network: Network,
    /// Of the nodes, then of control; none where clocks cannot be set.
    clocks: Vec<Clock>,
    client: Client,
    dice: Dice,
    counters: Vec<Counter>,
    singles: Vec<Single>,
    /// Sessions of which a sandbox was killed.
    harmed: BTreeSet<String>,
    befell: BTreeMap<&'static str, u64>,
    lines: usize,
}

/// Slots of sessions on a node, with the session.
fn claims(role: &Role) -> Vec<(String, String)> {
    let slots = fs::read_dir(role.home().join("slots")).into_iter().flatten();
    let claim = |slot: fs::DirEntry| {
        let text = fs::read(slot.path().join("claim.json")).ok()?;
        let claim: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some((slot.file_name().to_string_lossy().into_owned(), claim["spec"]["session"].as_str()?.to_owned()))
    };
    slots.flatten().filter_map(claim).collect()
}

/// Names in a node's control groups and its directory of slots, and of whatever of its home is mounted.
fn left(role: &Role) -> BTreeSet<String> {
    let slots = role.home().join("slots");
    let places = role.groups().into_iter().chain([slots.clone()]);
    let entries = places.flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = format!("{}/", role.home().display());
    let mounted = mounts.lines().filter(|line| line.contains(&below)).map(str::to_owned);
    directories.map(|entry| entry.file_name().to_string_lossy().into_owned()).chain(mounted).collect()
}

impl Chaos {
    async fn begin(lease_ms: u64) -> Self {
        let (mut network, place) = Network::new();
        // One for control, one for each node.
        let clocks: Vec<_> = (0..=NAMES.len()).map_while(|_| Clock::new()).collect();
        let settings = format!("node_lease_ms = {lease_ms}\n");
        let disk_bytes = Some(CONTROL_DISK_BYTES);
        let control = control_on(&Ground { place: Some(&place), settings, disk_bytes, clock: clocks.last() });
        let client = control.client();
        let mut nodes = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            let place = network.place();
            let (secret, join) = token(&control);
            let words = ["node", "--join", &join, "--token", &secret, "--name", name, "--pools", "off"];
            let (disk_bytes, clock) = (Some(NODE_DISK_BYTES), clocks.get(at));
            let ground = Ground { place: Some(&place), disk_bytes, clock, ..Ground::default() };
            nodes.push((place.clone(), Role::start_on(&ground, &words)));
        }
        here(&client, 3).await;
        let words = ["admin", "group", "set", "default", "--prefer", "nothing", "--placement", "spread"];
        let (code, _, complaint) = control.madang(&words);
        assert_eq!(code, 0, "{complaint}");
        let (dice, harmed) = (Dice::from_environment(), BTreeSet::new());
        let (counters, singles, befell) = Default::default();
        let mut chaos =
            Self { nodes, control, network, clocks, client, dice, counters, singles, harmed, befell, lines: 0 };
        for number in 0..SINGLES {
            chaos.single(format!("{}", MARK + u64::from(std::process::id()) % 1_000 * 10 + number)).await;
        }
        while chaos.counters.len() < COUNTERS {
            chaos.counter().await;
        }
        chaos
    }

    async fn single(&mut self, mark: String) {
        let request = SessionCreate {
            language: Some("python".into()),
            kind: SessionKind::Batch,
            startup_command: Some(format!("exec sleep {mark}")),
            on_node_loss: OnNodeLoss::Restart,
            ..SessionCreate::default()
        };
        let made = self.client.session_create(&request).await.unwrap();
        self.singles.push(Single { session: made.id.to_string(), mark });
    }

    async fn counter(&mut self) {
        let session = session(&self.client).await.id.to_string();
        let kept = self.dice.below(1_000_000) as u64;
        says(&self.client, &session, &format!("kept = {kept}")).await;
        let run = self.count(&session).await;
        self.counters.push(Counter { session, kept, run, recorded_us: 0 });
    }

    async fn count(&self, session: &str) -> RunId {
        // It removes what ended it only then: what is there before it has begun is meant for it.
        let code = "import os, time\nn = 0\n\
                    while not os.path.exists('stop'):\n    print(n, flush=True)\n    n += 1\n    \
                    busy = time.process_time() + 0.001\n    while time.process_time() < busy: pass\n    time.sleep(0.05)\nos.remove('stop')";
        let argv = vec!["python3".into(), "-c".into(), code.into()];
        let mut request = RunRequest { mode: RunMode::Command, argv, ..RunRequest::default() };
        (request.limits.wall_ms, request.limits.cpu_ms) = (Some(COUNT_MS_MAX), Some(COUNT_MS_MAX));
        self.client.session_run_begin(session, &request).await.unwrap().id
    }

    /// Slots of sessions on all nodes, with the session.
    fn claims(&self) -> Vec<(String, String)> {
        self.nodes.iter().flat_map(|(_, role)| claims(role)).collect()
    }

    /// Everything is as it should be, a little after it was healed.
    async fn settle(&mut self) {
        here(&self.client, self.nodes.len()).await;
        for at in (0..self.counters.len()).rev() {
            let Counter { session, kept, .. } = &self.counters[at];
            if self.is_over(session).await {
                assert!(self.harmed.contains(session), "{session} ended, and nothing was done to it");
                self.counters.remove(at);
            } else {
                assert_eq!(says(&self.client, session, "print(kept)").await, format!("{kept}\n"));
            }
        }
        for Single { session, mark } in &self.singles {
            soon("what runs once runs once", async || {
                let view = self.client.session_get(session).await.map_err(|error| error.to_string())?;
                let pids = sleepers(mark);
                let well = view.state == SessionState::Running && pids.len() == 1;
                if well { Ok(()) } else { Err(format!("{pids:?} {view:?}")) }
            })
            .await;
        }
        soon("sandboxes and sessions belong together", async || {
            let mut claimed: Vec<_> = self.claims().into_iter().map(|(_, session)| session).collect();
            claimed.sort_unstable();
            let live = self.client.sessions(Some("live")).await.map_err(|error| error.to_string())?;
            let mut wanted: Vec<_> = live.iter().map(|session| session.id.to_string()).collect();
            wanted.sort_unstable();
            if claimed == wanted { Ok(()) } else { Err(format!("sandboxes of {claimed:?}, sessions {wanted:?}")) }
        })
        .await;
        soon("nothing is left of what has ended", async || {
            let slots: BTreeSet<_> = self.claims().into_iter().map(|(slot, _)| slot).collect();
            let left: BTreeSet<_> = self.nodes.iter().flat_map(|(_, role)| left(role)).collect();
            if left == slots { Ok(()) } else { Err(format!("{left:?}, and in use {slots:?}")) }
        })
        .await;
        while self.counters.len() < COUNTERS {
            self.counter().await;
        }
    }

    /// A killed sandbox ends its session within some seconds; until then either is right.
    async fn is_over(&self, session: &str) -> bool {
        let harmed = self.harmed.contains(session);
        soon("the session is well or over", async || {
            let view = self.client.session_get(session).await.map_err(|error| error.to_string())?;
            match view.state {
                SessionState::Ended if view.why.as_ref().is_some_and(|why| !why.is_empty()) => Ok(true),
                SessionState::Running if !harmed => Ok(false),
                _ => Err(format!("{view:?}")),
            }
        })
        .await
    }

    /// What the counters wrote has no gap and nothing twice, whatever befell.
    async fn read(&mut self) {
        for at in 0..self.counters.len() {
            let Counter { session, run, .. } = &self.counters[at];
            soon("the counter is told to end", async || {
                self.client.file_write(session, "stop", &b""[..]).await.map_err(|error| error.to_string())
            })
            .await;
            let view = soon("the counter ends", async || {
                let view = self.client.run_get(*run).await.map_err(|error| error.to_string())?;
                if view.whole.verdict.is_some() { Ok(view) } else { Err(format!("{view:?}")) }
            })
            .await;
            assert_eq!(view.whole.verdict, Some(madang_model::Verdict::Ok), "{view:?}");
            let written = text(&view.whole.stdout);
            for (expected, line) in written.lines().enumerate() {
                assert_eq!(line, expected.to_string(), "a line is lost or doubled in {session}");
            }
            self.lines += written.lines().count();
            let next = self.count(session).await;
            self.counters[at].run = next;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_over_three_nodes_loses_nothing_and_runs_nothing_twice() {
    let minutes = std::env::var("MADANG_CHAOS_MINUTES").ok().map(|text| text.parse::<u64>().expect("a number"));
    let length = minutes.map_or(BRIEFLY, |minutes| Duration::from_secs(minutes * 60));
    let mut chaos = Chaos::begin(minutes.map_or(LEASE_BRIEFLY_MS, |_| LEASE_MS)).await;
    let watch = Watch::begin(chaos.singles.iter().map(|single| single.mark.clone()).collect());
    let (began, mut rounds, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < length {
        chaos.round(if minutes.is_some() { Fault::ALL } else { Fault::BRIEF }).await;
        let healed = Instant::now();
        chaos.settle().await;
        longest = longest.max(healed.elapsed());
        rounds += 1;
        if rounds % READ_EVERY == 0 {
            chaos.read().await;
            chaos.check_used().await;
        }
    }
    chaos.read().await;
    chaos.check_used().await;
    let used = chaos.end_used().await;
    let looks = watch.end();
    let Chaos { befell, lines, .. } = &chaos;
    println!(
        "{rounds} rounds in {:.0} s, at rest {:.1} s after each at the latest; {befell:?}; {lines} lines read without a gap; {used} µs recorded of those that were left; {looks} looks for doubles",
        began.elapsed().as_secs_f64(),
        longest.as_secs_f64()
    );
}
