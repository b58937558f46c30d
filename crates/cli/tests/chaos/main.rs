//! `kill -9` of server, spawner and sandboxes at random moments under load: nothing is stuck, lost, made twice or left behind.
//!
//! `MADANG_CHAOS_ROUNDS` says how often (`make chaos ROUNDS=200`), `MADANG_CHAOS_SEED` repeats a run's choices. Needs root, Python and gcc.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod crash;
mod dice;
mod keyed;
mod left;
mod load;
mod process;
#[allow(dead_code, unused_imports, reason = "other tests use the rest of it")]
#[path = "../e2e/server.rs"]
mod server;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use dice::Dice;
use rustix::process::Signal;
use server::Server;
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};
use world::World;

/// Enough to meet each kind of kill in `make test`.
const ROUNDS: usize = 12;
/// Load between two kills.
const LOAD_MAX: Duration = Duration::from_millis(600);
/// Rounds between two looks at everything at rest.
const REST_EVERY: usize = 20;
/// Pieces of work that are under way end within this.
const REST_WAIT: Duration = Duration::from_secs(320);

/// One test at a time: each takes all that descends from this process for its own.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let held = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    process::adopt_orphans();
    held
}

/// What the node calls its control groups of a server.
fn instance(server: &Server) -> String {
    let groups = server.cgroups();
    groups[0].file_name().unwrap().to_string_lossy().into_owned()
}

struct Chaos {
    dice: Dice,
    home: Arc<TempDir>,
    path: PathBuf,
    instance: String,
    server: Option<Server>,
    world: Arc<World>,
    runtime: Runtime,
    killed: BTreeMap<&'static str, usize>,
}

impl Chaos {
    fn begin() -> Self {
        let home = Arc::new(TempDir::with_prefix("madang-chaos-").unwrap());
        let path = home.path().to_owned();
        let server = Server::start_in(Arc::clone(&home));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        Self {
            dice: Dice::from_environment(),
            instance: instance(&server),
            world: Arc::new(World::new(path.clone())),
            server: Some(server),
            home,
            path,
            runtime,
            killed: BTreeMap::new(),
        }
    }

    fn round(&mut self, round: usize) {
        let seen = self.world.kept().runs.len();
        std::thread::park_timeout(self.dice.moment(LOAD_MAX));
        let mut told = self.kill();
        if self.dice.below(5) == 0 {
            told = format!("{told}, {}", self.kill());
        }
        if self.server.is_none() {
            self.server = Some(Server::start_in(Arc::clone(&self.home)));
        }
        process::reap(process::server(&self.path).map(|server| server.pid));
        self.runtime.block_on(check::after_kill(&self.world, &self.instance, seen));
        self.judge(&format!("round {round}: killed {told}"));
        if round % REST_EVERY == REST_EVERY - 1 {
            self.at_rest();
        }
    }

    /// Kills one thing; what is not there at this moment is passed over.
    fn kill(&mut self) -> String {
        match self.dice.below(10) {
            0..=3 => {
                let Some(server) = self.server.take() else { return "nothing".to_owned() };
                server.kill();
                self.count("server")
            }
            4..=5 => {
                let spawners = process::spawners();
                let Some(spawner) = self.dice.pick(&spawners) else { return "nothing".to_owned() };
                process::signal(spawner.pid, Signal::KILL);
                self.count("spawner")
            }
            _ => {
                let inits = process::inits(&self.instance);
                let Some(init) = self.dice.pick(&inits) else { return "nothing".to_owned() };
                process::signal(init.pid, Signal::KILL);
                let slot = init.slot(&self.instance).unwrap_or_default();
                let claimed = self.path.join("slots").join(&slot).join("claim.json").exists();
                self.count(if claimed { "sandbox of a session" } else { "pooled or one-shot sandbox" })
            }
        }
    }

    fn count(&mut self, what: &'static str) -> String {
        *self.killed.entry(what).or_default() += 1;
        what.to_owned()
    }

    fn judge(&self, when: &str) {
        let wrong = std::mem::take(&mut *self.world.wrong.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(wrong.is_empty(), "{when}:\n{}\nThe server said:\n{}", wrong.join("\n"), log_end(&self.path));
        println!("chaos: {when}: {} results kept", self.world.kept().runs.len());
    }

    /// With nobody at work, slots, groups and inits are one and the same.
    fn at_rest(&self) {
        let quiet = self.runtime.block_on(async { tokio::time::timeout(REST_WAIT, self.world.gate.write()).await });
        let quiet = quiet.expect("clients finish what they began");
        left::one_of_each(&self.path, &self.instance, &self.server.as_ref().unwrap().cgroups());
        drop(quiet);
    }
}

fn log_end(home: &Path) -> String {
    let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().rev().take(40).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[test]
fn chaos_kills_under_load_leave_nothing_behind() {
    let _alone = alone();
    let rounds = std::env::var("MADANG_CHAOS_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let mut chaos = Chaos::begin();
    let before = left::before(&chaos.path, &chaos.runtime, &chaos.instance);
    let mut clients = JoinSet::new();
    {
        let _inside = chaos.runtime.enter();
        load::begin(&chaos.world, &mut clients);
    }
    for round in 0..rounds {
        chaos.round(round);
    }
    chaos.world.stop.store(true, Ordering::Relaxed);
    chaos.runtime.block_on(async { while clients.join_next().await.is_some() {} });
    chaos.judge("clients stopped");
    chaos.runtime.block_on(check::results_stay(&chaos.world, 0));
    chaos.judge("all results read again");
    let (kept, keyed) = chaos.world.counts();
    let lost = chaos.world.lost.load(Ordering::Relaxed);
    let Chaos { server, runtime, instance, world, killed, .. } = chaos;
    // With its connections, which the server would be holding.
    drop(world);
    left::end(server.unwrap(), &runtime, &instance, &before);
    println!("chaos: {rounds} rounds, killed {killed:?}");
    println!("chaos: {kept} results kept, {lost} of them told as lost, {keyed} keys; nothing left");
}
