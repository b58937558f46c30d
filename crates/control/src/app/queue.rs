//! The scheduler of every resource group as it stands in memory: which nodes there are, who holds what of them, who waits.
//!
//! Nothing here waits or writes. [`queue_act`](super::queue_act) does what is decided; what is lost here is found again by
//! [`App::queue_look`](super::App), which compares it with the sessions that live.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::{NodeId, ReservationId, SessionId};
use madang_model::{
    Cluster, ClusterMode, DevicesHeld, Queueing, SessionKind, SessionState,
    session::{DRAINING_MS_MAX, STARTING_MS_MAX, SessionOutcome},
};
use madang_public_api::{QueueOrder, ResourceGroupSettings, ResourceGroupView};
use madang_schedule::{
    Amount, Decision, Ended, Gang, GangMode, Group, HeldBefore, Holding, Node, Reason, Session, Wait, Want,
};
use madang_store::{ReservationRecord, SessionRecord};
use tokio::sync::Notify;

use super::{
    GROUP_DEFAULT, accelerator,
    fleet::{Fleet, Member},
    folder_mount::{node_label, place_label},
    queue_node::{rules, scheduled_node},
    reservation::PoolsTold,
};
use crate::clock::now_ms;

/// Every queue of this process.
#[derive(Debug)]
pub(crate) struct Queue {
    lines: Mutex<Lines>,
    /// Wakes the task that decides.
    pub wake: Arc<Notify>,
    /// One change of what is reserved at a time, here and in the store.
    pub reserving: tokio::sync::Mutex<()>,
    pub pools_told: tokio::sync::Mutex<PoolsTold>,
}

#[derive(Debug, Default)]
pub(super) struct Lines {
    pub groups: BTreeMap<String, Group>,
    settings: BTreeMap<String, ResourceGroupSettings>,
    nodes: BTreeMap<NodeId, (String, Node)>,
    /// Of the fleet, when `nodes` was looked up.
    revision: Option<u64>,
    pub reservations: BTreeMap<ReservationId, ReservationRecord>,
    /// Groups that know what was held before this process led them.
    histories: BTreeSet<String>,
    /// The group of every session that holds something or waits.
    known: HashMap<SessionId, String>,
    /// Sessions on their way in or between two places: whoever brings them there has the word.
    busy: BTreeSet<SessionId>,
}

/// A session on its way in. Dropped before [`Entering::kept`], it was never there.
#[derive(Debug)]
pub(crate) struct Entering<'a> {
    queue: &'a Queue,
    id: SessionId,
    /// Where its sandboxes may start at once, all of them, with which devices; none where it waits.
    pub places: Vec<DevicesHeld>,
    /// What the first is given.
    pub held: Option<DevicesHeld>,
    kept: bool,
}

impl Entering<'_> {
    /// It was admitted and is among the live sessions.
    pub fn kept(mut self) {
        self.kept = true;
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        let mut lines = self.queue.lines();
        lines.busy.remove(&self.id);
        if !self.kept {
            lines.end(self.id, Ended::Badly);
            self.queue.wake.notify_one();
        }
    }
}

impl Queue {
    /// `wake`: what is notified when the fleet changes.
    pub fn new(wake: Arc<Notify>) -> Self {
        let (lines, reserving, pools_told) = Default::default();
        Self { lines, wake, reserving, pools_told }
    }

    /// Begins to bring a session in; says where it may start if nobody waits and there is room.
    pub fn enter(&self, fleet: &Fleet, record: &SessionRecord) -> Entering<'_> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        lines.busy.insert(record.id);
        let name = record.spec.queueing.resource_group.clone();
        let placed = lines.group(&name).start_now(&wanted(record), now_ms());
        let placed = placed.unwrap_or_default();
        if !placed.is_empty() {
            lines.known.insert(record.id, name);
        }
        let (places, held) = (accelerator::places(&placed), accelerator::given(&placed));
        Entering { queue: self, id: record.id, places, held, kept: false }
    }

    /// Whether a session like this could start at once, and if not, why; changes nothing.
    pub fn why_not(&self, fleet: &Fleet, record: &SessionRecord) -> Option<String> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        let group = lines.group(&record.spec.queueing.resource_group);
        let (session, now) = (wanted(record), now_ms());
        if !session.depends_on.is_empty() {
            return Some(Reason::Dependency { sessions: session.depends_on }.to_string());
        }
        if group.waiting_count() > 0 && group.why_not(&session, now).is_none() {
            return Some(Reason::Turn.to_string());
        }
        group.why_not(&session, now).map(|reason| reason.to_string())
    }

    /// Why a session like this could never start on the nodes there are.
    pub fn why_never(&self, fleet: &Fleet, record: &SessionRecord) -> Option<String> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        lines.group(&record.spec.queueing.resource_group).why_never(&wanted(record))
    }

    /// A session that waits from now on, for the room and for those of its dependencies that have not ended well yet.
    pub fn line_up(&self, record: &SessionRecord, depends_on: BTreeSet<SessionId>) {
        let mut lines = self.lines();
        let name = record.spec.queueing.resource_group.clone();
        lines.known.insert(record.id, name.clone());
        lines.busy.remove(&record.id);
        lines.group(&name).session_queue(Session { depends_on, ..wanted(record) });
        self.wake.notify_one();
    }

    /// A session that has ended.
    pub fn ended(&self, record: &SessionRecord) {
        self.lines().end(record.id, how_ended(record));
        self.wake.notify_one();
    }

    /// What it held is free, and it waits no more: somebody brings it elsewhere.
    pub fn leave(&self, id: SessionId) {
        self.lines().leave(id);
        self.wake.notify_one();
    }

    pub fn busy(&self, id: SessionId) {
        self.lines().busy.insert(id);
    }

    pub fn busy_no_more(&self, id: SessionId) {
        self.lines().busy.remove(&id);
    }

    /// Until it says nothing more.
    pub fn decide(&self, fleet: &Fleet) -> Vec<Decision> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        let now = now_ms();
        lines.groups.values_mut().flat_map(|group| group.decide(now)).collect()
    }

    /// When something may be decided although nothing has changed.
    pub fn next_ms(&self) -> Option<u64> {
        self.lines().groups.values().filter_map(Group::next_ms).min()
    }

    pub fn wait(&self, record: &SessionRecord) -> Option<Wait> {
        self.lines().groups.get(&record.spec.queueing.resource_group)?.wait(record.id, now_ms())
    }

    /// Who waits in a group for nobody but the queue, in order.
    pub fn forecast(&self, group: &str) -> Vec<SessionId> {
        self.lines().groups.get(group).map(Group::forecast).unwrap_or_default()
    }

    /// Sessions that wait for others.
    pub fn dependencies(&self, live: &[SessionRecord]) -> Vec<(SessionId, BTreeSet<SessionId>)> {
        let lines = self.lines();
        let waits = |record: &SessionRecord| {
            let group = lines.groups.get(&record.spec.queueing.resource_group)?;
            Some((record.id, group.waiting(record.id)?.depends_on.clone()))
        };
        let depends = live.iter().filter(|record| !record.spec.queueing.depends_on.is_empty());
        depends.filter_map(waits).filter(|(_, on)| !on.is_empty()).collect()
    }

    /// One of those that somebody waits for has ended.
    pub fn dependency_ended(&self, record: &SessionRecord) {
        let now = now_ms();
        for group in self.lines().groups.values_mut() {
            group.session_ended(record.id, how_ended(record), now);
        }
        self.wake.notify_one();
    }

    /// Compares with the sessions that live: returns those that must line up, and forgets those that are gone.
    pub fn compare(&self, fleet: &Fleet, live: &[SessionRecord]) -> Vec<SessionRecord> {
        let mut lines = self.lines();
        lines.pools_look(fleet);
        let ids: BTreeSet<_> = live.iter().map(|record| record.id).collect();
        let gone = lines.known.keys().filter(|id| !ids.contains(id) && !lines.busy.contains(id));
        for id in gone.copied().collect::<Vec<_>>() {
            lines.end(id, Ended::Badly);
        }
        let mut missing = Vec::new();
        for record in live.iter().filter(|record| !lines.busy.contains(&record.id)).collect::<Vec<_>>() {
            let name = &record.spec.queueing.resource_group;
            match &record.life.state {
                SessionState::Queued if !lines.group(name).knows(record.id) => missing.push(record.clone()),
                _ => lines.holds(record),
            }
        }
        missing
    }

    /// Other processes lead all groups but these: they know all of that better.
    pub fn forget(&self, leads: impl Fn(&str) -> bool) {
        let mut lines = self.lines();
        if lines.groups.keys().all(|group| leads(group)) {
            return;
        }
        lines.groups.retain(|group, _| leads(group));
        lines.known.retain(|_, group| leads(group));
        lines.nodes.retain(|_, (group, _)| leads(group));
        lines.reservations.retain(|_, record| leads(&record.resource_group));
        lines.histories.retain(|group| leads(group));
        lines.revision = None;
    }

    /// Groups whose order asks for what was held before and that do not know it.
    pub fn without_history(&self) -> Vec<String> {
        let lines = self.lines();
        let asks = |(name, settings): &(&String, &ResourceGroupSettings)| {
            settings.order == QueueOrder::FairShare && !lines.histories.contains(*name)
        };
        lines.settings.iter().filter(asks).map(|(name, _)| name.clone()).collect()
    }

    pub fn history_set(&self, group: &str, history: Vec<HeldBefore>) {
        let mut lines = self.lines();
        lines.histories.insert(group.to_owned());
        lines.group(group).history_set(history, now_ms());
    }

    /// It is to be read again: others may have led the group meanwhile.
    pub fn history_forget(&self, group: &str) {
        self.lines().histories.remove(group);
    }

    /// The groups that are kept, and the default one.
    pub fn group_names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.lines().settings.keys().cloned().collect();
        names.insert(GROUP_DEFAULT.to_owned());
        names
    }

    /// Every group there is: kept, or named by a node.
    pub fn views(&self, fleet: &Fleet) -> Vec<ResourceGroupView> {
        let mut lines = self.lines();
        lines.nodes_look(fleet);
        let members = fleet.members();
        let mut names: BTreeSet<String> = lines.settings.keys().cloned().collect();
        names.insert(GROUP_DEFAULT.to_owned());
        names.extend(members.iter().map(|member| member.group.clone()));
        let view = |name: String| {
            let of_group = || members.iter().filter(|member| member.group == name);
            ResourceGroupView {
                settings: lines.settings.get(&name).cloned().unwrap_or_default(),
                nodes: of_group().count() as u64,
                nodes_open: of_group().filter(|member| member.is_open()).count() as u64,
                waiting: lines.groups.get(&name).map_or(0, Group::waiting_count) as u64,
                name: name.clone(),
            }
        };
        names.into_iter().map(view).collect()
    }

    /// As the store has them.
    pub fn settings_set(&self, settings: BTreeMap<String, ResourceGroupSettings>) {
        let mut lines = self.lines();
        if lines.settings == settings {
            return;
        }
        lines.settings = settings;
        let Lines { groups, settings, .. } = &mut *lines;
        for (name, group) in groups {
            let rules = rules(&settings.get(name).cloned().unwrap_or_default());
            if *group.rules() != rules {
                group.rules_set(rules);
            }
        }
        lines.revision = None;
        self.wake.notify_one();
    }

    pub(super) fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    pub fn group(&mut self, name: &str) -> &mut Group {
        let Self { groups, settings, .. } = self;
        groups
            .entry(name.to_owned())
            .or_insert_with(|| Group::new(rules(&settings.get(name).cloned().unwrap_or_default())))
    }

    /// Looks at the nodes if the fleet has changed.
    pub fn nodes_look(&mut self, fleet: &Fleet) {
        let revision = fleet.revision();
        if self.revision != Some(revision) {
            self.revision = Some(revision);
            self.nodes_set(&fleet.members());
        }
    }

    /// Looks at the nodes whatever has changed there: which slots wait, which languages can run.
    fn pools_look(&mut self, fleet: &Fleet) {
        self.revision = Some(fleet.revision());
        self.nodes_set(&fleet.members());
    }

    fn nodes_set(&mut self, members: &[Member]) {
        let now = now_ms();
        let ids: BTreeSet<_> = members.iter().map(|member| member.id).collect();
        let gone: Vec<_> = self.nodes.keys().filter(|id| !ids.contains(id)).copied().collect();
        gone.into_iter().for_each(|id| self.node_remove(id, now));
        for member in members {
            let settings = self.settings.get(&member.group).cloned().unwrap_or_default();
            let node = scheduled_node(member, &settings);
            let before = self.nodes.get(&member.id);
            if before.is_some_and(|(group, known)| *group == member.group && *known == node) {
                continue;
            }
            if before.is_some_and(|(group, _)| *group != member.group) {
                self.node_remove(member.id, now);
            }
            self.group(&member.group).node_set(member.id, node.clone(), now);
            self.nodes.insert(member.id, (member.group.clone(), node));
        }
    }

    fn node_remove(&mut self, id: NodeId, now: u64) {
        if let Some((group, _)) = self.nodes.remove(&id) {
            self.group(&group).node_remove(id, now);
        }
    }

    /// What a session that has its place holds there.
    fn holds(&mut self, record: &SessionRecord) {
        let held = record.holdings();
        if held.is_empty() {
            return;
        }
        let name = record.spec.queueing.resource_group.clone();
        let known = self.group(&name).placed(record.id).to_vec();
        let missing: Vec<_> = held.into_iter().filter(|(_, node, _)| !known.contains(node)).collect();
        if missing.is_empty() {
            return;
        }
        let session = wanted(record);
        let since_ms = record.started_ms.unwrap_or(record.life.since_ms);
        let holding = Holding {
            session: record.id,
            owner: session.owner,
            priority: session.priority,
            preemptible: session.preemptible,
            amount: session.want.amount,
            grants: Vec::new(),
            reservation: session.reservation,
            since_ms,
            ends_ms: since_ms.saturating_add(session.lasts_ms_max),
        };
        self.known.insert(record.id, name.clone());
        for (number, node, grants) in missing {
            let holding = Holding { grants: accelerator::scheduled(&grants), ..holding.clone() };
            self.group(&name).holding_add(node, number, holding);
        }
    }

    fn end(&mut self, id: SessionId, how: Ended) {
        let now = now_ms();
        self.known.remove(&id);
        self.busy.remove(&id);
        self.groups.values_mut().for_each(|group| group.session_ended(id, how, now));
    }

    fn leave(&mut self, id: SessionId) {
        let now = now_ms();
        if let Some(name) = self.known.remove(&id) {
            let group = self.group(&name);
            group.session_unqueue(id);
            group.session_release(id, now);
        }
    }
}

/// Whether those who wait for it may start.
fn how_ended(record: &SessionRecord) -> Ended {
    let SessionState::Ended { ending } = &record.life.state else { return Ended::Badly };
    match (ending.outcome, record.spec.kind) {
        (SessionOutcome::Completed, _) => Ended::Well,
        (SessionOutcome::Failed, _) | (_, SessionKind::Batch) => Ended::Badly,
        (SessionOutcome::Terminated | SessionOutcome::TimedOut, SessionKind::Interactive) => Ended::Well,
    }
}

fn gang(cluster: &Cluster) -> Gang {
    let mode = match cluster.mode {
        ClusterMode::SingleNode => GangMode::SingleNode,
        ClusterMode::MultiNode => GangMode::MultiNode,
    };
    Gang { size: cluster.size, mode }
}

/// What its node has to be called: as was asked for, and where its folders and its image are.
fn labels(queueing: &Queueing) -> BTreeMap<String, String> {
    let found = queueing.node.map(node_label).into_iter().chain(queueing.place.map(place_label));
    queueing.labels.clone().into_iter().chain(found).collect()
}

/// A session as the scheduler knows it.
fn wanted(record: &SessionRecord) -> Session {
    let (spec, limits) = (&record.spec, &record.spec.limits);
    let amount =
        Amount { cpu_millis: limits.cpu_millis, memory_bytes: limits.memory_bytes, disk_bytes: limits.disk_bytes };
    Session {
        id: record.id,
        owner: record.owner.user.to_string(),
        priority: spec.queueing.priority,
        preemptible: spec.kind == SessionKind::Batch,
        gang: gang(&spec.cluster),
        want: Want { amount, devices: accelerator::wanted(&spec.accelerators) },
        image: spec.image.clone(),
        language: spec.language.clone().unwrap_or_default(),
        labels: labels(&spec.queueing),
        depends_on: spec.queueing.depends_on.clone(),
        reservation: spec.queueing.reservation,
        queued_ms: record.created_ms,
        lasts_ms_max: match spec.queueing.reservation {
            // It has no more than what was promised.
            Some(_) => spec.timeout_ms,
            None => spec.timeout_ms.saturating_add(STARTING_MS_MAX + DRAINING_MS_MAX),
        },
    }
}
