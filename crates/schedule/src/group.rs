//! A resource group: its nodes, its queue, and every change of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use madang_ids::{NodeId, ReservationId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{
    decide::Head,
    hash::IdMap,
    index::{Index, Prefer, Spreading},
    node::{Holding, Member, Node},
    openings::{Openings, ShapeId},
    order::{Queue, QueueOrder},
    reserve::{Reservation, Reserved},
    share::{HeldBefore, Owner, Shares},
    want::Session,
};

/// When others may pass a head of the queue that does not fit. It keeps a promise of room, so that they never delay it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadRule {
    /// After so many tries that failed,
    pub tries: u32,
    /// or after so long, whichever comes first.
    pub wait_ms: u64,
}

/// How a group schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupRules {
    pub order: QueueOrder,
    pub spreading: Spreading,
    pub prefer: Prefer,
    pub head: HeadRule,
    /// Under FIFO: how much waiting one step of priority is worth.
    pub priority_step_ms: u64,
}

impl Default for GroupRules {
    fn default() -> Self {
        Self {
            order: QueueOrder::default(),
            spreading: Spreading::default(),
            prefer: Prefer::default(),
            head: HeadRule::default(),
            priority_step_ms: 600_000,
        }
    }
}

/// Everything that a group is made from anew.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub rules: GroupRules,
    pub nodes: Vec<(NodeId, Node)>,
    /// What runs: node, number in the gang, what it holds.
    pub holdings: Vec<(NodeId, u32, Holding)>,
    pub queue: Vec<Session>,
    pub reservations: Vec<Reservation>,
    pub history: Vec<HeldBefore>,
}

/// A session that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub session: Arc<Session>,
    pub shape: ShapeId,
}

/// The scheduler of one resource group.
#[derive(Debug, Clone)]
pub struct Group {
    pub(crate) rules: GroupRules,
    pub(crate) members: BTreeMap<NodeId, Member>,
    pub(crate) index: Index,
    pub(crate) openings: Openings,
    pub(crate) queue: Queue,
    pub(crate) shares: Shares,
    /// Everybody who waits, also for others.
    pub(crate) waiting: IdMap<SessionId, Waiting>,
    /// Who waits for whom.
    dependents: IdMap<SessionId, BTreeSet<SessionId>>,
    /// Those who wait and may use a reservation, oldest first.
    pub(crate) with_reservation: BTreeSet<(u64, SessionId)>,
    pub(crate) placed: IdMap<SessionId, Vec<NodeId>>,
    /// Placed sessions that may be preempted, lowest priority first.
    pub(crate) preemptible: BTreeSet<(i64, SessionId)>,
    /// Preempted sessions that are still there.
    pub(crate) leaving: BTreeSet<SessionId>,
    pub(crate) refusals: Vec<(SessionId, String)>,
    pub(crate) head: Option<Head>,
    pub(crate) reservations: BTreeMap<ReservationId, Reserved>,
    /// Reservations that hold now.
    pub(crate) began: BTreeSet<ReservationId>,
    /// Something has changed since the last look that found nothing to do.
    pub(crate) changed: bool,
}

impl Group {
    pub fn new(rules: GroupRules) -> Self {
        Self {
            rules,
            members: BTreeMap::new(),
            index: Index::default(),
            openings: Openings::default(),
            queue: Queue::new(rules.order, rules.priority_step_ms),
            shares: Shares::default(),
            waiting: IdMap::default(),
            dependents: IdMap::default(),
            with_reservation: BTreeSet::new(),
            placed: IdMap::default(),
            preemptible: BTreeSet::new(),
            leaving: BTreeSet::new(),
            refusals: Vec::new(),
            head: None,
            reservations: BTreeMap::new(),
            began: BTreeSet::new(),
            changed: true,
        }
    }

    /// The same group as one that has heard all of it one after another.
    pub fn from_snapshot(snapshot: Snapshot, now_ms: u64) -> Self {
        let mut group = Self::new(snapshot.rules);
        for (id, node) in snapshot.nodes {
            group.node_set(id, node, now_ms);
        }
        for (node, number, holding) in snapshot.holdings {
            group.holding_add(node, number, holding);
        }
        group.history_set(snapshot.history, now_ms);
        for reservation in snapshot.reservations {
            group.reservation_restore(reservation, now_ms);
        }
        for session in snapshot.queue {
            group.session_queue(session);
        }
        group
    }

    pub fn rules(&self) -> &GroupRules {
        &self.rules
    }

    /// Another order of the queue, another way to place; what is placed stays.
    pub fn rules_set(&mut self, rules: GroupRules) {
        self.rules = rules;
        self.queue = Queue::new(rules.order, rules.priority_step_ms);
        let waiting = self.waiting.values().map(|waiting| &waiting.session);
        for session in waiting.filter(|session| session.depends_on.is_empty()) {
            self.queue.push(session, &self.shares);
        }
        self.head_clear();
        self.changed = true;
    }

    /// A node that is new, or told anew.
    pub fn node_set(&mut self, id: NodeId, node: Node, now_ms: u64) {
        match self.members.get_mut(&id) {
            Some(member) => member.node_set(node),
            None => drop(self.members.insert(id, Member::new(id, node))),
        }
        self.index.relane(id);
        self.member_changed(id);
        self.member_opened(id);
        self.total_changed();
        self.promises_mend(now_ms);
    }

    /// A node that is gone, and with it what was held of it.
    pub fn node_remove(&mut self, id: NodeId, now_ms: u64) {
        self.index.remove(id);
        let Some(member) = self.members.remove(&id) else { return };
        self.openings.remove(member.opened);
        for holding in member.holdings.values() {
            self.account_release(holding, now_ms);
            if let Some(nodes) = self.placed.get_mut(&holding.session) {
                nodes.retain(|node| *node != id);
            }
        }
        self.total_changed();
        self.promises_mend(now_ms);
    }

    /// A session that waits from now on. Dependencies that have ended well already must not be named any more.
    pub fn session_queue(&mut self, session: Session) {
        if self.waiting.contains_key(&session.id) {
            return;
        }
        for other in &session.depends_on {
            self.dependents.entry(*other).or_default().insert(session.id);
        }
        if session.depends_on.is_empty() {
            self.line_up(&session);
        }
        let shape = self.openings.shape_add(session.shape());
        self.waiting.insert(session.id, Waiting { session: Arc::new(session), shape });
    }

    /// A session that waits no more.
    pub fn session_unqueue(&mut self, id: SessionId) -> Option<Arc<Session>> {
        let Waiting { session, shape } = self.waiting.remove(&id)?;
        self.openings.shape_drop(shape);
        self.queue.remove(&session);
        self.with_reservation.remove(&(session.queued_ms, id));
        for other in &session.depends_on {
            if let Some(dependents) = self.dependents.get_mut(other) {
                dependents.remove(&id);
            }
        }
        if self.head.as_ref().is_some_and(|head| head.session == id) {
            self.head_clear();
        }
        self.changed = true;
        Some(session)
    }

    /// A session that is over: what it held is free, who waited for it waits no more, or in vain.
    pub fn session_ended(&mut self, id: SessionId, well: Ended, now_ms: u64) {
        self.session_unqueue(id);
        self.session_release(id, now_ms);
        for waiter in self.dependents.remove(&id).unwrap_or_default() {
            let Some(waiting) = self.waiting.get_mut(&waiter) else { continue };
            let session = Arc::make_mut(&mut waiting.session);
            session.depends_on.remove(&id);
            match well {
                Ended::Well => {
                    if session.depends_on.is_empty() {
                        let session = session.clone();
                        self.line_up(&session);
                    }
                }
                Ended::Badly => {
                    self.refusals.push((waiter, format!("session {id}, which it waits for, did not end well")))
                }
            }
        }
        self.changed = true;
    }

    /// What a session held is free; it may be queued again.
    pub fn session_release(&mut self, id: SessionId, now_ms: u64) {
        self.leaving.remove(&id);
        for node in self.placed.remove(&id).unwrap_or_default() {
            let Some(member) = self.members.get_mut(&node) else { continue };
            let gone: Vec<_> = member.holdings.extract_if((id, 0)..=(id, u32::MAX), |_, _| true).collect();
            for (_, holding) in gone {
                self.account_release(&holding, now_ms);
            }
            self.member_changed(node);
            self.member_opened(node);
        }
    }

    /// What a sandbox holds that runs already: after a restart of the scheduler.
    pub fn holding_add(&mut self, node: NodeId, number: u32, holding: Holding) {
        let owner: Owner = Arc::from(holding.owner.as_str());
        let Some(member) = self.members.get_mut(&node) else { return };
        self.shares.hold(&owner, &holding.amount, &holding.grants);
        self.queue.rescore(&owner, &self.shares);
        if holding.preemptible {
            self.preemptible.insert((holding.priority, holding.session));
        }
        let nodes = self.placed.entry(holding.session).or_default();
        if !nodes.contains(&node) {
            nodes.push(node);
        }
        member.holdings.insert((holding.session, number), holding);
        self.member_changed(node);
    }

    /// What owners held, from records, of all that has ended by now; what was known of it is forgotten.
    pub fn history_set(&mut self, history: Vec<HeldBefore>, now_ms: u64) {
        self.shares.history_set(history, now_ms);
        self.queue.rescore_all(&self.shares);
        self.changed = true;
    }

    /// Where a session is.
    pub fn placed(&self, id: SessionId) -> &[NodeId] {
        self.placed.get(&id).map_or(&[], Vec::as_slice)
    }

    pub fn waiting(&self, id: SessionId) -> Option<&Session> {
        self.waiting.get(&id).map(|waiting| &*waiting.session)
    }

    /// How many wait, also for others.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// What is left of a node.
    pub fn free(&self, id: NodeId) -> Option<&crate::Room> {
        self.members.get(&id).map(|member| &member.free)
    }

    /// What is held of a node.
    pub fn holdings(&self, id: NodeId) -> impl Iterator<Item = &Holding> {
        self.members.get(&id).into_iter().flat_map(|member| member.holdings.values())
    }

    /// The share of the group that an owner holds: of what it holds most of.
    pub fn share(&self, owner: &str) -> f64 {
        self.shares.held(owner)
    }

    fn line_up(&mut self, session: &Session) {
        self.queue.push(session, &self.shares);
        if session.reservation.is_some() {
            self.with_reservation.insert((session.queued_ms, session.id));
        }
        self.changed = true;
    }

    pub(crate) fn member_changed(&mut self, id: NodeId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.sum_up();
            self.index.set(member);
        }
        self.changed = true;
    }

    /// Something may fit on the node that did not before.
    fn member_opened(&mut self, id: NodeId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.opened = self.openings.opened(id, member.opened);
        }
    }

    fn account_release(&mut self, holding: &Holding, now_ms: u64) {
        let owner: Owner = Arc::from(holding.owner.as_str());
        let held_ms = now_ms.saturating_sub(holding.since_ms);
        self.shares.release(&owner, &holding.amount, &holding.grants, held_ms);
        self.queue.rescore(&owner, &self.shares);
        self.preemptible.remove(&(holding.priority, holding.session));
    }

    fn total_changed(&mut self) {
        let nodes = || self.members.values().map(|member| &member.node);
        let total = nodes().fold(Default::default(), |sum: crate::Amount, node| sum.plus(&node.capacity));
        let devices = nodes().map(|node| node.devices.len() as u64).sum();
        if self.shares.total_set(total, devices) {
            self.queue.rescore_all(&self.shares);
        }
    }
}

/// How a session ended, for those who wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Well,
    Badly,
}
