//! What must hold whatever comes, in whatever order.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{NodeId, ReservationId, SessionId};
use madang_schedule::{
    Amount, Decision, Device, DeviceWant, Ended, Gang, GangMode, Group, GroupRules, HeadRule, Node, NodeState, Prefer,
    QueueOrder, Reservation, Session, Spreading, Want,
};
use proptest::prelude::*;

/// Decisions that one round may need; more would be a loop that never ends.
const CALLS_MAX: usize = 10_000;

#[derive(Debug, Clone)]
enum Act {
    Queue {
        owner: u8,
        priority: i64,
        batch: bool,
        size: u32,
        anywhere: bool,
        cpu: u64,
        gpu: u64,
        lasts: u64,
        after: bool,
    },
    /// The n-th of those that run is over.
    End(usize),
    Pass(u64),
    State(usize, u8),
    Lose(usize),
    Reserve {
        in_ms: u64,
        for_ms: u64,
        slots: u32,
        cpu: u64,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let queue = (0..4_u8, -2..4_i64, any::<bool>(), 1..4_u32, any::<bool>(), 1..9_u64, 0..9_u64, 1..50_u64, 0..8_u8);
    let queue = queue.prop_map(|(owner, priority, batch, size, anywhere, cpu, gpu, lasts, after)| Act::Queue {
        owner,
        priority,
        batch,
        size,
        anywhere,
        cpu: cpu * 500,
        gpu: [0, 0, 0, 0, 250, 500, 1_000, 2_000, 1_000][gpu as usize],
        lasts: lasts * 100,
        after: after == 0,
    });
    let reserve = (0..3_000_u64, 100..3_000_u64, 1..8_u32, 1..4_u64);
    let reserve = reserve.prop_map(|(in_ms, for_ms, slots, cpu)| Act::Reserve { in_ms, for_ms, slots, cpu: cpu * 500 });
    let act = prop_oneof![
        6 => queue,
        4 => (0..64_usize).prop_map(Act::End),
        2 => (0..2_000_u64).prop_map(Act::Pass),
        1 => (0..4_usize, 0..4_u8).prop_map(|(node, state)| Act::State(node, state)),
        1 => (0..4_usize).prop_map(Act::Lose),
        1 => reserve,
    ];
    prop::collection::vec(act, 1..80)
}

fn rules() -> impl Strategy<Value = GroupRules> {
    let order =
        prop_oneof![Just(QueueOrder::Fifo), Just(QueueOrder::Lifo), Just(QueueOrder::Drf), Just(QueueOrder::FairShare)];
    let spreading = prop_oneof![Just(Spreading::Pack), Just(Spreading::Spread), Just(Spreading::RoundRobin)];
    (order, spreading, 0..3_u32).prop_map(|(order, spreading, tries)| GroupRules {
        order,
        spreading,
        prefer: Prefer::Nothing,
        head: HeadRule { tries, wait_ms: 500 },
        priority_step_ms: 1_000,
    })
}

/// Numbers of ids, so that two worlds that are told the same have the same ids.
struct Ids {
    nodes: Vec<NodeId>,
    sessions: Vec<SessionId>,
    reservations: Vec<ReservationId>,
}

impl Ids {
    fn new(count: usize) -> Self {
        Self {
            nodes: (0..4).map(|_| NodeId::new()).collect(),
            sessions: (0..count).map(|_| SessionId::new()).collect(),
            reservations: (0..count).map(|_| ReservationId::new()).collect(),
        }
    }
}

/// The world around the scheduler: it believes nothing, and checks every decision against what it knows itself.
struct World<'a> {
    ids: &'a Ids,
    group: Group,
    now: u64,
    known: BTreeMap<SessionId, Session>,
    running: BTreeMap<SessionId, Vec<(NodeId, Vec<madang_schedule::Grant>)>>,
    since: BTreeMap<SessionId, u64>,
    log: Vec<String>,
}

fn node(number: usize, state: NodeState) -> Node {
    let devices = if number % 2 == 1 { 0..2 } else { 0..0 };
    Node {
        state,
        capacity: Amount { cpu_millis: 4_000, memory_bytes: 8, disk_bytes: 0 },
        devices: devices
            .map(|index| Device { id: format!("{number}-{index}"), kind: "gpu".into(), shares: 1_000 })
            .collect(),
        ..Node::default()
    }
}

impl<'a> World<'a> {
    fn new(rules: GroupRules, ids: &'a Ids) -> Self {
        let mut group = Group::new(rules);
        for (number, id) in ids.nodes.iter().enumerate() {
            group.node_set(*id, node(number, NodeState::Schedulable), 0);
        }
        let (known, running, since, log) = Default::default();
        Self { ids, group, now: 0, known, running, since, log }
    }

    fn act(&mut self, number: usize, act: &Act) {
        match act {
            Act::Queue { .. } => self.queue(number, act),
            Act::End(index) => {
                let Some(id) = self.running.keys().nth(index % self.running.len().max(1)).copied() else { return };
                self.end(id, Ended::Well);
            }
            Act::Pass(ms) => {
                self.now += ms;
                self.end_what_is_over();
            }
            Act::State(index, state) => {
                let states = [NodeState::Schedulable, NodeState::Cordoned, NodeState::Draining, NodeState::Silent];
                self.group.node_set(self.ids.nodes[*index], node(*index, states[usize::from(*state)]), self.now);
            }
            Act::Lose(index) => {
                let lost = self.ids.nodes[*index];
                self.group.node_remove(lost, self.now);
                let there = |spots: &Vec<(NodeId, Vec<_>)>| spots.iter().any(|(node, _)| *node == lost);
                let ids: Vec<_> = self.running.iter().filter(|(_, spots)| there(spots)).map(|(id, _)| *id).collect();
                ids.into_iter().for_each(|id| self.end(id, Ended::Badly));
                self.group.node_set(lost, node(*index, NodeState::Schedulable), self.now);
            }
            Act::Reserve { in_ms, for_ms, slots, cpu } => {
                let starts_ms = self.now + in_ms;
                let reservation = Reservation {
                    id: self.ids.reservations[number],
                    starts_ms,
                    ends_ms: starts_ms + for_ms,
                    slots: *slots,
                    want: Want { amount: Amount { cpu_millis: *cpu, ..Amount::default() }, devices: vec![] },
                    image: "host".into(),
                    language: String::new(),
                };
                let said = self.group.reserve(reservation, self.now);
                self.log.push(format!("{said:?}"));
            }
        }
    }

    fn queue(&mut self, number: usize, act: &Act) {
        let Act::Queue { owner, priority, batch, size, anywhere, cpu, gpu, lasts, after } = act else { return };
        let devices = if *gpu == 0 { vec![] } else { vec![DeviceWant { kind: "gpu".into(), millis: *gpu }] };
        let id = self.ids.sessions[number];
        let depends_on = if *after { self.running.keys().take(1).copied().collect() } else { BTreeSet::new() };
        let session = Session {
            id,
            owner: format!("user-{owner}"),
            priority: *priority,
            preemptible: *batch,
            gang: Gang { size: *size, mode: if *anywhere { GangMode::MultiNode } else { GangMode::SingleNode } },
            want: Want { amount: Amount { cpu_millis: *cpu, memory_bytes: 1, disk_bytes: 0 }, devices },
            image: "host".into(),
            language: String::new(),
            labels: BTreeMap::new(),
            depends_on,
            reservation: None,
            queued_ms: self.now,
            lasts_ms_max: *lasts,
        };
        self.known.insert(id, session.clone());
        self.group.session_queue(session);
    }

    fn end(&mut self, id: SessionId, ended: Ended) {
        self.running.remove(&id);
        self.group.session_ended(id, ended, self.now);
    }

    /// Nothing lasts longer than it may.
    fn end_what_is_over(&mut self) {
        let over = |id: &&SessionId| self.since[*id] + self.known[*id].lasts_ms_max <= self.now;
        let ids: Vec<_> = self.running.keys().filter(over).copied().collect();
        ids.into_iter().for_each(|id| self.end(id, Ended::Well));
    }

    fn settle(&mut self) {
        for _ in 0..CALLS_MAX {
            let decisions = self.group.decide(self.now);
            if decisions.is_empty() {
                return;
            }
            for decision in decisions {
                self.log.push(format!("{decision:?}"));
                self.obey(decision);
            }
        }
        panic!("it does not come to rest");
    }

    fn obey(&mut self, decision: Decision) {
        match decision {
            Decision::Place(place) => {
                assert!(!self.running.contains_key(&place.session), "placed twice");
                let session = &self.known[&place.session];
                assert_eq!(place.placements.len(), session.gang.size as usize, "all or none");
                let nodes: BTreeSet<_> = place.placements.iter().map(|placement| placement.node).collect();
                assert!(session.gang.mode == GangMode::MultiNode || nodes.len() == 1, "not on one node");
                let spots = place.placements.into_iter().map(|placement| (placement.node, placement.grants)).collect();
                self.running.insert(place.session, spots);
                self.since.insert(place.session, self.now);
                self.check_room();
            }
            Decision::Preempt { session, in_favour_of } => {
                let (lower, higher) = (&self.known[&session], &self.known[&in_favour_of]);
                assert!(lower.preemptible && lower.priority < higher.priority, "{lower:?} for {higher:?}");
                self.running.remove(&session).unwrap();
                self.group.session_release(session, self.now);
                // What it depended on has ended well long ago.
                let again = Session { depends_on: BTreeSet::new(), ..self.known[&session].clone() };
                self.group.session_queue(again);
            }
            Decision::Refuse { session, .. } => assert!(!self.running.contains_key(&session)),
        }
    }

    /// No node gives more than it has, no device is given twice.
    fn check_room(&self) {
        let mut cpu: BTreeMap<NodeId, u64> = BTreeMap::new();
        let mut devices: BTreeMap<(NodeId, &str), u64> = BTreeMap::new();
        for (id, spots) in &self.running {
            for (node, grants) in spots {
                *cpu.entry(*node).or_default() += self.known[id].want.amount.cpu_millis;
                for grant in grants {
                    *devices.entry((*node, &grant.device)).or_default() += grant.millis;
                }
                let granted: u64 = grants.iter().map(|grant| grant.millis).sum();
                assert_eq!(granted, self.known[id].want.devices.iter().map(|want| want.millis).sum::<u64>());
            }
        }
        assert!(cpu.values().all(|used| *used <= 4_000), "{cpu:?}");
        assert!(devices.values().all(|used| *used <= 1_000), "{devices:?}");
    }
}

fn play<'a>(rules: GroupRules, acts: &[Act], ids: &'a Ids) -> World<'a> {
    let mut world = World::new(rules, ids);
    for (number, act) in acts.iter().enumerate() {
        world.act(number, act);
        world.settle();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// No oversubscription down to devices, gangs all or none, no loop without end, the same again from the same.
    #[test]
    fn every_decision_can_be_kept((rules, acts) in (rules(), acts())) {
        let ids = Ids::new(acts.len());
        let first = play(rules, &acts, &ids);
        prop_assert_eq!(&first.log, &play(rules, &acts, &ids).log);
    }

    /// When nothing new comes and everything ends in its time, everybody has started or was refused, whatever the order.
    #[test]
    fn nobody_waits_for_ever((rules, acts) in (rules(), acts())) {
        let ids = Ids::new(acts.len());
        let mut world = play(rules, &acts, &ids);
        for (number, id) in ids.nodes.iter().enumerate() {
            world.group.node_set(*id, node(number, NodeState::Schedulable), world.now);
        }
        for _ in 0..acts.len() * 4 {
            world.settle();
            world.now += 5_000;
            world.end_what_is_over();
        }
        prop_assert_eq!(world.group.waiting_count(), 0);
    }

    /// Under FIFO even a stream of small, important sessions without end does not keep a large, unimportant one from starting.
    #[test]
    fn a_stream_of_others_starves_nobody(priority in 0..4_i64, cpu in 1..4_u64, lasts in 100..2_000_u64) {
        let ids = Ids::new(1_500);
        let rules = GroupRules { prefer: Prefer::Nothing, priority_step_ms: 1_000, ..GroupRules::default() };
        let mut world = World::new(rules, &ids);
        let small = |priority| Act::Queue {
            owner: 1, priority, batch: false, size: 1, anywhere: false, cpu: cpu * 500, gpu: 0, lasts, after: false,
        };
        let large = Act::Queue {
            owner: 2, priority: 0, batch: false, size: 4, anywhere: true, cpu: 4_000, gpu: 0, lasts: 100, after: false,
        };
        let victim = ids.sessions[40];
        for number in 0..1_500 {
            let act = if number == 40 { large.clone() } else { small(priority) };
            world.act(number, &act);
            world.settle();
            if world.running.contains_key(&victim) {
                return Ok(());
            }
            world.now += 100;
            world.end_what_is_over();
        }
        prop_assert!(false, "the large one never started");
    }

    /// A slot that was promised is there when its time has come, whatever was placed meanwhile.
    #[test]
    fn a_reservation_that_was_granted_is_kept(
        (rules, acts, slots, cpu) in (rules(), acts(), 1..16_u32, 1..5_u64),
    ) {
        let harmless = |act: &&Act| !matches!(act, Act::State(..) | Act::Lose(_) | Act::Reserve { .. });
        let acts: Vec<_> = acts.iter().filter(harmless).cloned().collect();
        let ids = Ids::new(acts.len() + slots as usize);
        let half = acts.len() / 2;
        let mut world = play(rules, &acts[..half], &ids);
        let id = ReservationId::new();
        let starts_ms = world.now + 1_500;
        let want = Want { amount: Amount { cpu_millis: cpu * 500, ..Amount::default() }, devices: vec![] };
        let (image, language) = ("host".to_owned(), String::new());
        let reservation = Reservation { id, starts_ms, ends_ms: starts_ms + 90_000, slots, want: want.clone(), image, language };
        if world.group.reserve(reservation, world.now).is_err() {
            return Ok(());
        }
        for (number, act) in acts.iter().enumerate().skip(half) {
            if world.now < starts_ms {
                world.act(number, act);
                world.settle();
            }
        }
        world.now = world.now.max(starts_ms);
        world.end_what_is_over();
        for slot in 0..slots as usize {
            let number = acts.len() + slot;
            let mut session = Session { id: ids.sessions[number], ..pupil(&want, world.now) };
            session.reservation = Some(id);
            world.known.insert(session.id, session.clone());
            world.group.session_queue(session);
        }
        world.settle();
        for slot in 0..slots as usize {
            prop_assert!(world.running.contains_key(&ids.sessions[acts.len() + slot]), "slot {} of {}", slot, slots);
        }
    }

    /// DRF: while everybody still wants more, no two owners' shares differ by more than one session of either.
    #[test]
    fn drf_is_fair(wants in prop::collection::vec((1..5_u64, 1..5_u64), 2..5)) {
        let rules = GroupRules { order: QueueOrder::Drf, prefer: Prefer::Nothing, ..GroupRules::default() };
        let mut group = Group::new(rules);
        let capacity = Amount { cpu_millis: 100_000, memory_bytes: 100_000, disk_bytes: 0 };
        group.node_set(NodeId::new(), Node { capacity, ..Node::default() }, 0);
        for (owner, (cpu, memory)) in wants.iter().enumerate() {
            for _ in 0..150 {
                let amount = Amount { cpu_millis: cpu * 1_000, memory_bytes: memory * 1_000, disk_bytes: 0 };
                let want = Want { amount, devices: vec![] };
                group.session_queue(Session { owner: format!("user-{owner}"), ..pupil(&want, 0) });
            }
        }
        while !group.decide(0).is_empty() {}
        let step = wants.iter().map(|(cpu, memory)| cpu.max(memory)).max().unwrap();
        let shares: Vec<_> = (0..wants.len()).map(|owner| group.share(&format!("user-{owner}"))).collect();
        let (least, most) = shares.iter().fold((f64::MAX, 0.0_f64), |(low, high), share| (low.min(*share), high.max(*share)));
        // The last few may be smaller ones that still fitted where the next in turn did not.
        let slack = (2 * step) as f64 / 100.0 + 1e-9;
        prop_assert!(most - least <= slack, "{:?} for {:?}", shares, wants);
    }
}

fn pupil(want: &Want, queued_ms: u64) -> Session {
    Session {
        id: SessionId::new(),
        owner: "user-9".into(),
        priority: -2,
        preemptible: false,
        gang: Gang::default(),
        want: want.clone(),
        image: "host".into(),
        language: String::new(),
        labels: BTreeMap::new(),
        depends_on: BTreeSet::new(),
        reservation: None,
        queued_ms,
        lasts_ms_max: 100,
    }
}
