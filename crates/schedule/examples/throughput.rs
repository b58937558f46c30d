//! How fast the scheduler decides: 1,000 nodes, 100,000 sessions, one core. `cargo run --release -p madang-schedule --example throughput`.

use std::{
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::{Duration, Instant},
};

use madang_ids::{NodeId, SessionId};
use madang_schedule::{
    Amount, Decision, Device, DeviceWant, Ended, Gang, GangMode, Group, GroupRules, Node, QueueOrder, Session,
    Spreading, Want,
};

const NODES: u64 = 1_000;
const SESSIONS: u64 = 100_000;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn node(number: u64) -> Node {
    let accelerated = number.is_multiple_of(5);
    let devices = if accelerated { 0..8 } else { 0..0 };
    let device = |index| Device { id: format!("GPU-{number}-{index}"), kind: "cuda".into() };
    Node {
        capacity: Amount { cpu_millis: 64_000, memory_bytes: 256 << 30, disk_bytes: 1 << 40 },
        devices: devices.map(device).collect(),
        images: BTreeSet::from(["host".to_owned(), format!("image-{}", number % 7)]),
        pools: BTreeMap::from([("host/python".to_owned(), 8)]),
        ..Node::default()
    }
}

fn session(dice: &mut Dice, number: u64) -> Session {
    let gang = match dice.roll(50) {
        0 => Gang { size: 4, mode: GangMode::MultiNode },
        1 => Gang { size: 2, mode: GangMode::SingleNode },
        _ => Gang::default(),
    };
    let devices = match dice.roll(20) {
        0 => vec![DeviceWant { kind: "cuda".into(), millis: 1_000 }],
        1 => vec![DeviceWant { kind: "cuda".into(), millis: 250 }],
        _ => vec![],
    };
    let amount =
        Amount { cpu_millis: 500 + 500 * dice.roll(8), memory_bytes: (1 + dice.roll(8)) << 30, disk_bytes: 1 << 30 };
    Session {
        id: SessionId::new(),
        owner: format!("user-{}", dice.roll(500)),
        priority: dice.roll(3) as i64,
        preemptible: false,
        gang,
        want: Want { amount, devices },
        image: if dice.roll(2) == 0 { "host".into() } else { format!("image-{}", dice.roll(7)) },
        language: "python".into(),
        labels: BTreeMap::new(),
        depends_on: BTreeSet::new(),
        reservation: None,
        queued_ms: number,
        lasts_ms_max: 100_000 + dice.roll(900_000),
    }
}

/// With arguments only the orders and placements that they name.
fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: String| named.is_empty() || named.contains(&name);
    for order in [QueueOrder::Fifo, QueueOrder::Lifo, QueueOrder::Drf, QueueOrder::FairShare] {
        for spreading in [Spreading::Pack, Spreading::Spread, Spreading::RoundRobin] {
            if asked(format!("{order:?}")) || asked(format!("{order:?}{spreading:?}")) {
                measure(order, spreading);
            }
        }
    }
}

fn measure(order: QueueOrder, spreading: Spreading) {
    let mut dice = Dice(7);
    let mut group = Group::new(GroupRules { order, spreading, ..GroupRules::default() });
    (0..NODES).for_each(|number| group.node_set(NodeId::new(), node(number), 0));
    let sessions: Vec<_> = (0..SESSIONS).map(|number| session(&mut dice, number)).collect();
    let lasts: BTreeMap<_, _> = sessions.iter().map(|it| (it.id, it.lasts_ms_max / (1 + dice.roll(3)))).collect();
    let queued = Instant::now();
    sessions.into_iter().for_each(|session| group.session_queue(session));
    let queued = queued.elapsed();
    let mut now = SESSIONS;
    let mut ends = BinaryHeap::new();
    let (mut placed, mut spent, mut calls) = (0_u64, Duration::ZERO, Vec::new());
    while placed < SESSIONS {
        let began = Instant::now();
        let decisions = group.decide(now);
        let took = began.elapsed();
        spent += took;
        calls.push(took);
        for decision in &decisions {
            if let Decision::Place(place) = decision {
                placed += 1;
                ends.push(std::cmp::Reverse((now + lasts[&place.session], place.session)));
            }
        }
        if !decisions.is_empty() {
            continue;
        }
        let Some(std::cmp::Reverse((at, id))) = ends.pop() else { break };
        now = now.max(at);
        let began = Instant::now();
        group.session_ended(id, Ended::Well, now);
        spent += began.elapsed();
    }
    calls.sort_unstable();
    let at = |share: f64| calls[((calls.len() - 1) as f64 * share) as usize];
    println!(
        "{order:?} {spreading:?}: {placed} placed, {:.0}/s; {} calls: p50 {:?}, p99 {:?}, longest {:?}; queueing {:?}",
        placed as f64 / spent.as_secs_f64(),
        calls.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        queued / SESSIONS as u32,
    );
}
