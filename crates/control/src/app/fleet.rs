//! The nodes that this process knows, as if they were one: orders go to the node where the sandbox is.
//!
//! A node joins and leaves; what is wanted of it and whether it is heard decide what the scheduler may do with it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use madang_ids::{NodeId, SandboxId};
use madang_model::AppsAddress;
use madang_node_api::{Node, NodeError, Presence, SandboxSeen};
use madang_store::NodeRecord;
use tokio::sync::{Notify, broadcast, broadcast::error::RecvError, watch};
use tokio_util::task::AbortOnDropHandle;

/// Changes of sandboxes that a slow reader may be behind.
const SEEN_MAX: usize = 4_096;

/// Nodes that were removed and are remembered; the oldest are long out of their lease.
const REMOVED_MAX: usize = 4_096;

/// What is wanted of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MemberState {
    #[default]
    Schedulable,
    /// What is there stays, nothing comes.
    Cordoned,
    /// Nothing comes; it is empty when its last session has ended.
    Draining,
}

impl MemberState {
    pub const ALL: [Self; 3] = [Self::Schedulable, Self::Cordoned, Self::Draining];

    pub fn name(self) -> &'static str {
        match self {
            Self::Schedulable => "schedulable",
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A node of the fleet.
#[derive(Clone)]
pub struct Member {
    pub id: NodeId,
    pub name: String,
    pub group: String,
    pub state: MemberState,
    pub node: Arc<dyn Node>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Member {
    /// As its record says; a state that nobody knows is the safe one.
    pub(crate) fn of(record: NodeRecord, node: Arc<dyn Node>) -> Self {
        let state = MemberState::from_name(&record.state).unwrap_or(MemberState::Cordoned);
        Self { id: record.id, name: record.name, group: record.resource_group, state, node }
    }

    pub fn presence(&self) -> Presence {
        *self.node.presence().borrow()
    }

    pub fn is_here(&self) -> bool {
        self.presence() == Presence::Here
    }

    /// What its place for folders is called: as those call it that share it, or as the node.
    pub fn folder_place(&self) -> NodeId {
        self.node.facts().volume.and_then(|volume| volume.place).unwrap_or(self.id)
    }

    /// Something may be placed there.
    pub fn is_open(&self) -> bool {
        self.state == MemberState::Schedulable && self.is_here()
    }
}

struct Joined {
    member: Member,
    _watching: AbortOnDropHandle<()>,
}

/// Every node that this process knows.
pub struct Fleet {
    joined: RwLock<BTreeMap<NodeId, Joined>>,
    /// Where sandboxes are; what is not here is looked for.
    places: Mutex<HashMap<SandboxId, NodeId>>,
    /// Nodes that were removed while something may still run there, the newest, and when.
    removed: Mutex<HashMap<NodeId, Instant>>,
    pub(super) seen: broadcast::Sender<SandboxSeen>,
    /// Somebody came, left, fell silent or was told something.
    pub(crate) changed: Arc<Notify>,
    /// Counts such changes, for whoever has looked before.
    revision: Arc<AtomicU64>,
    /// How long an order waits for a node that has not come yet.
    arrival_wait: Duration,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("members", &self.members()).finish_non_exhaustive()
    }
}

impl Fleet {
    pub(crate) fn new(arrival_wait: Duration) -> Self {
        let (joined, places, removed, changed, revision) = Default::default();
        Self { joined, places, removed, seen: broadcast::Sender::new(SEEN_MAX), changed, revision, arrival_wait }
    }

    /// A node that is new, came back with another link, or of which something else is wanted now.
    pub fn join(&self, member: Member) {
        let (revision, changed) = (Arc::clone(&self.revision), Arc::clone(&self.changed));
        let told = move || {
            revision.fetch_add(1, Ordering::Relaxed);
            changed.notify_one();
        };
        let watching = tokio::spawn(watch(Arc::clone(&member.node), self.seen.clone(), told));
        let watching = AbortOnDropHandle::new(watching);
        let joined = Joined { member, _watching: watching };
        self.joined.write().unwrap_or_else(PoisonError::into_inner).insert(joined.member.id, joined);
        self.told();
    }

    /// A node that will not come back.
    pub fn leave(&self, id: NodeId) {
        self.joined.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.told();
    }

    /// A node that was told to go: what may still run there ends with its lease.
    pub(crate) fn remove(&self, id: NodeId) {
        {
            let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
            removed.insert(id, Instant::now());
            if removed.len() > REMOVED_MAX
                && let Some(oldest) = removed.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id)
            {
                removed.remove(&oldest);
            }
        }
        self.leave(id);
    }

    /// When the node was removed, if it was.
    pub(crate) fn removed_at(&self, id: NodeId) -> Option<Instant> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }

    /// Something else is wanted of a node; one that is not there is left so.
    pub(crate) fn state_set(&self, id: NodeId, state: MemberState) {
        if let Some(joined) = self.joined.write().unwrap_or_else(PoisonError::into_inner).get_mut(&id) {
            joined.member.state = state;
        }
        self.told();
    }

    /// Grows with every change of who is there and who is heard.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn told(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub fn of(&self, id: NodeId) -> Option<Member> {
        let joined = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        joined.get(&id).map(|joined| joined.member.clone())
    }

    /// By id.
    pub fn members(&self) -> Vec<Member> {
        let joined = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        joined.values().map(|joined| joined.member.clone()).collect()
    }

    /// The nodes that have this place for folders, by id: the node of that name itself, else all that share a place of that name.
    pub fn at_place(&self, place: NodeId) -> Vec<Member> {
        // A node is not taken for another that is away, whatever it says of its place.
        if let Some(member) = self.of(place) {
            return vec![member];
        }
        self.members().into_iter().filter(|member| member.folder_place() == place).collect()
    }

    /// The only node, where there is only one: the way of most installations, and it costs next to nothing.
    pub(super) fn only(&self) -> Option<Member> {
        let joined = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        let mut nodes = joined.values();
        nodes.next().filter(|_| nodes.next().is_none()).map(|joined| joined.member.clone())
    }

    /// A sandbox is, or is to be, on this node.
    pub(crate) fn place(&self, sandbox: SandboxId, node: NodeId) {
        self.places().insert(sandbox, node);
    }

    /// The node that a sandbox was put on, as long as it is remembered.
    pub(crate) fn placed(&self, sandbox: SandboxId) -> Option<NodeId> {
        self.places().get(&sandbox).copied()
    }

    /// Where the node of a sandbox serves apps itself, if it does.
    pub(crate) fn apps_at(&self, sandbox: SandboxId) -> Option<AppsAddress> {
        let node = self.placed(sandbox)?;
        self.members().into_iter().find(|member| member.id == node)?.node.facts().apps_at
    }

    /// Whether the node of a sandbox answers now; of one that has not joined nothing is known.
    pub(crate) fn is_heard(&self, sandbox: SandboxId) -> bool {
        self.presence(sandbox).is_some_and(|presence| *presence.borrow() == Presence::Here)
    }

    /// Of the node of a sandbox; none of one that has not joined.
    pub(super) fn presence(&self, sandbox: SandboxId) -> Option<watch::Receiver<Presence>> {
        let placed = self.places().get(&sandbox).copied();
        placed.map_or_else(|| self.only(), |id| self.of(id)).map(|member| member.node.presence())
    }

    /// A sandbox that nobody will ask for any more.
    pub(crate) fn forget(&self, sandbox: SandboxId) {
        self.places().remove(&sandbox);
    }

    /// The node that a sandbox is on.
    pub(super) fn with(&self, sandbox: SandboxId) -> Result<Arc<dyn Node>, NodeError> {
        let placed = self.places().get(&sandbox).copied();
        if let Some(id) = placed {
            let gone = || NodeError::Unavailable(format!("the node {id} is not there"));
            return self.of(id).map(|member| member.node).ok_or_else(gone);
        }
        if let Some(only) = self.only() {
            return Ok(only.node);
        }
        let has = |member: &Member| member.node.sandboxes().iter().any(|seen| seen.id == sandbox);
        let found = self.members().into_iter().find(has).map(|member| member.node);
        found.ok_or_else(|| NodeError::NotFound(format!("sandbox {sandbox}")))
    }

    /// The node that a sandbox is on. One that this process has not heard yet, because it came to lead a moment ago, is waited for;
    /// one that has fallen silent is not.
    pub(super) async fn reach(&self, sandbox: SandboxId) -> Result<Arc<dyn Node>, NodeError> {
        let node = self.with(sandbox)?;
        let mut presence = node.presence();
        if *presence.borrow_and_update() == Presence::Unheard {
            let comes = presence.wait_for(|presence| *presence == Presence::Here);
            // Late is no error here: the node itself says what is wrong.
            let _ = tokio::time::timeout(self.arrival_wait, comes).await;
        }
        Ok(node)
    }

    /// Where a slot waits, else where least is going on, of those that take anything.
    pub(super) fn quickest(&self, image: &str, language: Option<&str>) -> Result<Member, NodeError> {
        if let Some(only) = self.only().filter(Member::is_open) {
            return Ok(only);
        }
        let pool = format!("{image}/{}", language.unwrap_or_default());
        let open = self.members().into_iter().filter(Member::is_open);
        let best = open.min_by_key(|member| {
            let health = member.node.health();
            let waiting = health.pool_ready.get(&pool).copied().unwrap_or(0);
            (waiting == 0, health.sandboxes, member.id)
        });
        best.ok_or_else(|| NodeError::Capacity("no node takes anything now".into()))
    }

    fn places(&self) -> MutexGuard<'_, HashMap<SandboxId, NodeId>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on what a node sees, and wakes whoever cares whether it is heard.
async fn watch(node: Arc<dyn Node>, to: broadcast::Sender<SandboxSeen>, told_of: impl Fn()) {
    let (mut seen, mut presence) = (node.watch(), node.presence());
    let mut presence_lasts = true;
    loop {
        tokio::select! {
            change = seen.recv() => match change {
                // Nobody may be listening.
                Ok(seen) => drop(to.send(seen)),
                Err(RecvError::Lagged(_)) => told_of(),
                Err(RecvError::Closed) => return,
            },
            told = presence.changed(), if presence_lasts => {
                presence_lasts = told.is_ok();
                told_of();
            }
        }
    }
}
