//! One seed: control, three machines, a network, faults, and the rules that are checked after each step.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use madang_ids::{SandboxId, SessionId};
use madang_node_api::Node;
use madang_node_link::{Authority, JoinToken};
use madang_node_sim::SimNode;
use turmoil::Sim;

use crate::{
    control,
    dice::Dice,
    machine::{self, Machine},
    store::{Life, Store},
};

const MACHINES: usize = 3;
const SESSIONS: u64 = 10;
const TICK_MS: u64 = 10;
/// Faults end then, and everything heals.
const FAULTS_MS: u64 = 25_000;
/// By then everything has come to rest: a lease, a move, a run, and pauses between attempts.
const END_MS: u64 = 90_000;
const NAMES: [&str; MACHINES] = ["node-a", "node-b", "node-c"];

#[derive(Debug)]
pub struct Played {
    pub broken: Vec<String>,
    pub moves: u64,
    pub sessions: u64,
    /// Runs heard from the first byte to the last.
    pub whole: u64,
    pub at_rest_ms: u64,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut(usize),
    CutToControl(usize),
    CutToNode(usize),
    Hold(usize),
    Heal(usize),
    Release(usize),
    Reset(usize),
    KillAgent(usize),
    StopMachine(usize),
    BootMachine(usize),
    StopControl,
    StartControl,
    /// Something on the machine ends a sandbox.
    Lose(usize),
}

struct World<'a> {
    sim: Sim<'a>,
    store: Store,
    machines: Vec<Arc<Machine>>,
    up: [bool; MACHINES],
    /// Sandboxes that were seen.
    known: BTreeSet<SandboxId>,
    _home: tempfile::TempDir,
}

/// Faults in the order of their time.
fn plan(dice: &mut Dice) -> Vec<(u64, Fault)> {
    let (mut faults, mut control_free, mut free) = (Vec::new(), 0, [0; MACHINES]);
    let mut at = dice.between(500, 4_000);
    while at < FAULTS_MS {
        let which = dice.roll() as usize % MACHINES;
        let (long, short) = (dice.between(100, 18_000), dice.between(100, 4_000));
        let end = |ms: u64| (at + ms).min(FAULTS_MS);
        let kind = dice.roll() % 13;
        if kind == 0 && at >= control_free {
            control_free = end(long) + 1_000;
            faults.extend([(at, Fault::StopControl), (end(long), Fault::StartControl)]);
        } else if kind == 1 && at >= free[which] {
            free[which] = end(long) + 1_000;
            faults.extend([(at, Fault::StopMachine(which)), (end(long), Fault::BootMachine(which))]);
        } else if at >= free[which] {
            let (begin, over, ms) = match kind {
                2 => (Fault::KillAgent(which), None, 0),
                3 => (Fault::Lose(which), None, 0),
                4 => (Fault::CutToControl(which), Some(Fault::Heal(which)), long),
                5 => (Fault::CutToNode(which), Some(Fault::Heal(which)), long),
                6 => (Fault::Hold(which), Some(Fault::Release(which)), short),
                7..=10 => (Fault::Reset(which), None, 0),
                _ => (Fault::Cut(which), Some(Fault::Heal(which)), long),
            };
            faults.push((at, begin));
            faults.extend(over.map(|over| (end(ms), over)));
        }
        at += dice.between(100, 5_000);
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

/// Plays a seed to its end.
pub fn play(seed: u64) -> Played {
    let mut dice = Dice::new(seed);
    let mut world = World::new(seed, &mut dice);
    let faults = plan(&mut dice);
    let (mut due, mut at_ms) = (faults.iter().peekable(), 0);
    loop {
        while let Some((_, fault)) = due.next_if(|(at, _)| *at <= at_ms) {
            world.befall(*fault, &mut dice);
        }
        if let Err(error) = world.sim.step() {
            world.store.broken(format!("a host failed: {error}"));
        }
        at_ms += TICK_MS;
        world.nothing_runs_twice(at_ms);
        let rest = at_ms > FAULTS_MS && world.unrest().is_none();
        if rest || at_ms >= END_MS || !world.store.lock().broken.is_empty() {
            break;
        }
    }
    world.is_as_it_should(at_ms);
    let mut held = world.store.lock();
    let broken = std::mem::take(&mut held.broken);
    Played { broken, moves: held.moves, sessions: held.sessions.len() as u64, whole: held.whole, at_rest_ms: at_ms }
}

impl World<'_> {
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let home = tempfile::tempdir().unwrap();
        let authority = home.path().join("authority");
        let token = JoinToken::make(Authority::open(&authority).unwrap().fingerprint()).unwrap();
        let store = Store::default();
        let most = dice.between(2, 300);
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(Duration::from_millis(TICK_MS))
            .simulation_duration(Duration::from_millis(END_MS * 2))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(most))
            .tcp_capacity(4_096)
            .enable_random_order()
            .build();
        let kept = store.clone();
        sim.host("control", move || control::start(authority.clone(), kept.clone(), SESSIONS));
        let machine = |name: &str| {
            let (node, disk, kill, resets) = Default::default();
            Arc::new(Machine { home: home.path().join(name), token: token.clone(), node, disk, kill, resets })
        };
        let machines: Vec<_> = NAMES.iter().map(|name| machine(name)).collect();
        for (name, machine) in NAMES.iter().zip(&machines) {
            let machine = Arc::clone(machine);
            sim.host(*name, move || machine::boot(Arc::clone(&machine)));
        }
        Self { sim, store, machines, up: [true; MACHINES], known: BTreeSet::new(), _home: home }
    }

    fn befall(&mut self, fault: Fault, dice: &mut Dice) {
        match fault {
            Fault::Cut(which) => self.sim.partition("control", NAMES[which]),
            Fault::CutToControl(which) => self.sim.partition_oneway(NAMES[which], "control"),
            Fault::CutToNode(which) => self.sim.partition_oneway("control", NAMES[which]),
            Fault::Heal(which) => self.sim.repair("control", NAMES[which]),
            Fault::Hold(which) => self.sim.hold("control", NAMES[which]),
            Fault::Release(which) => self.sim.release("control", NAMES[which]),
            Fault::Reset(which) => self.machines[which].resets.send_modify(|count| *count += 1),
            Fault::KillAgent(which) => self.machines[which].kill.notify_one(),
            Fault::StopMachine(which) => {
                self.up[which] = false;
                self.sim.crash(NAMES[which]);
                let machine = &self.machines[which];
                *machine.disk.lock().unwrap() = machine.node.lock().unwrap().take();
            }
            Fault::BootMachine(which) => {
                self.up[which] = true;
                self.sim.bounce(NAMES[which]);
            }
            Fault::StopControl => self.sim.crash("control"),
            Fault::StartControl => self.sim.bounce("control"),
            Fault::Lose(which) => {
                let Some(node) = self.node(which) else { return };
                let mut sandboxes: Vec<_> = node.sandboxes().into_iter().map(|seen| seen.id).collect();
                sandboxes.sort();
                let chosen = sandboxes.get(dice.roll() as usize % sandboxes.len().max(1));
                chosen.into_iter().for_each(|id| node.lose(*id));
            }
        }
    }

    fn node(&self, which: usize) -> Option<SimNode> {
        self.machines[which].node.lock().unwrap().clone()
    }

    /// After each step: no session has two sandboxes, no program was done twice.
    fn nothing_runs_twice(&mut self, at_ms: u64) {
        let mut homes: BTreeMap<SessionId, SandboxId> = BTreeMap::new();
        for (which, name) in NAMES.iter().enumerate() {
            let Some(node) = self.node(which) else { continue };
            for seen in node.sandboxes() {
                self.known.insert(seen.id);
                if let Some(other) = homes.insert(seen.session, seen.id) {
                    let (session, one) = (seen.session, seen.id);
                    self.store.broken(format!("at {at_ms} ms {session} runs in {one} and in {other}"));
                }
            }
            if node.runs_doubled() > 0 {
                self.store.broken(format!("at {at_ms} ms a run was started twice on {name}"));
            }
        }
    }

    /// Why it is not at rest.
    fn unrest(&self) -> Option<String> {
        let held = self.store.lock();
        if held.sessions.len() < SESSIONS as usize {
            return Some(format!("{} of {SESSIONS} sessions were made", held.sessions.len()));
        }
        if let Some((number, session)) = held.sessions.iter().find(|(_, session)| session.life != Life::Over) {
            return Some(format!("session {number} is {:?} after {} events", session.life, session.next));
        }
        let nodes = (0..MACHINES).filter_map(|which| self.node(which));
        nodes.into_iter().find_map(|node| {
            let (sandboxes, readings) = (node.sandboxes().len(), node.readings_left());
            (sandboxes + readings > 0).then(|| format!("{sandboxes} sandboxes and {readings} readings are left"))
        })
    }

    /// At the end: everything is at rest, and what every sandbox used is known, once.
    fn is_as_it_should(&self, at_ms: u64) {
        if !self.store.lock().broken.is_empty() {
            return;
        }
        if let Some(why) = self.unrest() {
            return self.store.broken(format!("at {at_ms} ms, long after the last fault: {why}"));
        }
        let mut held = self.store.lock();
        for sandbox in &self.known {
            let of = held.readings.values().filter(|reading| reading.sandbox == *sandbox);
            let mut of: Vec<_> = of.collect();
            of.sort_by_key(|reading| reading.sequence);
            let whole = of.iter().zip(1..).all(|(reading, number)| reading.sequence == number);
            if !whole || of.iter().filter(|reading| reading.last).count() != 1 {
                let why = format!("of {sandbox} there are {} readings, not all or not one last", of.len());
                held.broken.push(why);
                return;
            }
        }
    }
}
