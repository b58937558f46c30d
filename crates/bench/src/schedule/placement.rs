//! The scheduler by itself: 1,000 nodes, 100,000 sessions, one core.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::{Duration, Instant},
};

use madang_ids::{NodeId, SessionId};
use madang_schedule::{
    Amount, Decision, Device, DeviceWant, Ended, Gang, GangMode, Group, GroupRules, Node, QueueOrder, Session,
    Spreading, Want,
};
use rustix::time::{ClockId, clock_gettime};

use crate::{BenchError, sample::Samples};

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
    let device = |index| Device { id: format!("GPU-{number}-{index}"), kind: "cuda".into(), shares: 1_000 };
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

/// What one order of the queue with one way to place came to.
pub struct Measured {
    pub name: String,
    /// By the CPU time of the thread, so that what else runs on the machine does not count.
    pub placements_per_s: f64,
    pub decisions: Samples,
}

/// Every order of the queue with every way to place.
pub fn each() -> Result<Vec<Measured>, BenchError> {
    let orders = [QueueOrder::Fifo, QueueOrder::Lifo, QueueOrder::Drf, QueueOrder::FairShare];
    let ways = [Spreading::Pack, Spreading::Spread, Spreading::RoundRobin];
    let pairs = orders.into_iter().flat_map(|order| ways.map(|spreading| (order, spreading)));
    pairs.map(|(order, spreading)| Load::new(order, spreading).measure(order, spreading)).collect()
}

/// A group with its nodes and a full queue; sessions end when their time is over.
struct Load {
    group: Group,
    lasts_ms: BTreeMap<SessionId, u64>,
    ends: BinaryHeap<Reverse<(u64, SessionId)>>,
    now_ms: u64,
}

impl Load {
    fn new(order: QueueOrder, spreading: Spreading) -> Self {
        let mut dice = Dice(7);
        let mut group = Group::new(GroupRules { order, spreading, ..GroupRules::default() });
        (0..NODES).for_each(|number| group.node_set(NodeId::new(), node(number), 0));
        let mut lasts_ms = BTreeMap::new();
        for number in 0..SESSIONS {
            let session = session(&mut dice, number);
            lasts_ms.insert(session.id, session.lasts_ms_max / (1 + dice.roll(3)));
            group.session_queue(session);
        }
        Self { group, lasts_ms, ends: BinaryHeap::new(), now_ms: SESSIONS }
    }

    fn measure(mut self, order: QueueOrder, spreading: Spreading) -> Result<Measured, BenchError> {
        let (mut placed, mut spent, mut decisions) = (0_u64, Duration::ZERO, Samples::default());
        while placed < SESSIONS {
            let (began, cpu) = (Instant::now(), cpu_time());
            let decided = self.group.decide(self.now_ms);
            spent += cpu_time().saturating_sub(cpu);
            decisions.push(began.elapsed());
            placed += self.heed(&decided);
            if !decided.is_empty() {
                continue;
            }
            let Some(Reverse((at_ms, id))) = self.ends.pop() else { break };
            self.now_ms = self.now_ms.max(at_ms);
            let cpu = cpu_time();
            self.group.session_ended(id, Ended::Well, self.now_ms);
            spent += cpu_time().saturating_sub(cpu);
        }
        let name = format!("{order:?} {spreading:?}").to_lowercase();
        if placed < SESSIONS {
            return Err(BenchError::Wrong(format!("{name}: only {placed} sessions were ever placed")));
        }
        Ok(Measured { name, placements_per_s: placed as f64 / spent.as_secs_f64(), decisions })
    }

    fn heed(&mut self, decided: &[Decision]) -> u64 {
        let mut placed = 0;
        for decision in decided {
            if let Decision::Place(place) = decision {
                placed += 1;
                let lasts_ms = self.lasts_ms.get(&place.session).copied().unwrap_or_default();
                self.ends.push(Reverse((self.now_ms + lasts_ms, place.session)));
            }
        }
        placed
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}
