//! Who leads: for each resource group one control process holds the group's live sessions in memory, and everybody else sends to it.
//!
//! On SQLite there is one process and it leads everything. On PostgreSQL a lease decides; [`tasks::lease`](crate::tasks) takes it again
//! in time. What is believed here is never longer than what the database has granted: the time counts from before the question.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use madang_ids::{ControlId, SandboxId};
use madang_model::SessionState;
use madang_store::{Fence, Hint, Lease, LeaseView, Store, StoreError};
use tokio::sync::watch;

use super::{App, Failure, GROUP_DEFAULT, Wish, fleet::Member, live_places, live_session::LiveSession};

/// Bytes of the secret between processes.
const SECRET_BYTES: usize = 32;
/// What the lease of a group is called.
const LEASE_PREFIX: &str = "group/";

/// Who leads a group, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leader {
    Us,
    /// Another process, at this address.
    At(String),
    /// Nobody yet, or somebody who cannot be reached.
    Nobody,
}

/// What this process knows of who leads.
#[derive(Debug)]
pub(crate) struct Leadership {
    us: ControlId,
    /// How long a lease lasts if it is not taken again.
    lease: Duration,
    /// None: there is no other process.
    seats: Option<Mutex<BTreeMap<String, Seat>>>,
    /// Counts changes, for whoever waits for a leader.
    changes: watch::Sender<u64>,
    /// By which the processes of this installation know each other; empty where there is one.
    secret: Vec<u8>,
    /// One group at a time is taken up.
    taking_up: tokio::sync::Mutex<()>,
    /// Since when this process knows of the nodes of a group: when it began to lead it, else its own start. Milliseconds since 1970.
    knows_since: (Instant, Mutex<BTreeMap<String, Instant>>),
    /// As they were when it was last looked.
    groups_with_nodes: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Clone)]
enum Seat {
    /// Taken by this process; it leads until then.
    Ours {
        lease: Lease,
        /// The term since which nobody else has led: what began under it or later is in memory still.
        began: u64,
        until: Instant,
        /// Its sessions are in memory.
        ready: bool,
    },
    Theirs {
        /// The last one that was ours, so that what is still to be written then names it.
        lease: Option<Lease>,
        address: Option<String>,
        /// Where nodes reach it.
        nodes_address: Option<String>,
        until: Instant,
    },
}

/// What taking a lease again meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// We lead from now on, and did not before.
    Gained,
    Lost,
}

impl Leadership {
    /// `lease` is how long a lease lasts if it is not taken again.
    pub async fn load(store: &Store, lease: Duration) -> Result<Self, StoreError> {
        if !store.is_shared() {
            return Ok(Self::new(lease, None, Vec::new()));
        }
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|_| StoreError::Closed { doing: "making a secret" })?;
        Ok(Self::new(lease, Some(Mutex::default()), store.secret_ensure("forward", &secret).await?))
    }

    fn new(lease: Duration, seats: Option<Mutex<BTreeMap<String, Seat>>>, secret: Vec<u8>) -> Self {
        let (changes, taking_up, knows, groups_with_nodes) = Default::default();
        let knows_since = (Instant::now(), knows);
        Self { us: ControlId::new(), lease, seats, changes, secret, taking_up, knows_since, groups_with_nodes }
    }

    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    pub fn us(&self) -> ControlId {
        self.us
    }

    pub fn is_alone(&self) -> bool {
        self.seats.is_none()
    }

    /// Whether this process leads the group now, with its sessions in memory.
    pub fn leads(&self, group: &str) -> bool {
        self.leader(group) == Leader::Us
    }

    /// Whether this process leads any group now.
    pub fn leads_any(&self) -> bool {
        let Some(seats) = self.seats() else { return true };
        let now = Instant::now();
        seats.values().any(|seat| matches!(seat, Seat::Ours { until, ready: true, .. } if *until > now))
    }

    /// Whether the lease of the group is this process's own as far as it knows, even if it has run out.
    pub fn holds(&self, group: &str) -> bool {
        self.seats().is_some_and(|seats| matches!(seats.get(group), Some(Seat::Ours { .. })))
    }

    /// Where the other processes are that lead something.
    pub fn others(&self) -> Vec<String> {
        let Some(seats) = self.seats() else { return Vec::new() };
        let now = Instant::now();
        let theirs = seats.values().filter_map(|seat| match seat {
            Seat::Theirs { address: Some(address), until, .. } if *until > now => Some(address.clone()),
            _ => None,
        });
        BTreeSet::from_iter(theirs).into_iter().collect()
    }

    pub fn leader(&self, group: &str) -> Leader {
        let Some(seats) = self.seats() else { return Leader::Us };
        let now = Instant::now();
        match seats.get(group) {
            Some(Seat::Ours { until, ready: true, .. }) if *until > now => Leader::Us,
            Some(Seat::Theirs { address: Some(address), until, .. }) if *until > now => Leader::At(address.clone()),
            _ => Leader::Nobody,
        }
    }

    /// Where nodes of the group should dial, if another process leads it.
    pub fn nodes_address(&self, group: &str) -> Option<String> {
        match self.seats()?.get(group) {
            Some(Seat::Theirs { nodes_address, until, .. }) if *until > Instant::now() => nodes_address.clone(),
            _ => None,
        }
    }

    /// Waits a while for somebody to lead: between two leaders there is nobody for some seconds.
    pub async fn leader_within(&self, group: &str, wait: Duration) -> Leader {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                match self.leader(group) {
                    Leader::Nobody => {}
                    leader => return leader,
                }
                if changes.changed().await.is_err() {
                    return Leader::Nobody;
                }
            }
        };
        tokio::time::timeout(wait, found).await.unwrap_or(Leader::Nobody)
    }

    /// What a write about the group must carry. None where nobody else could lead; what never led gets a fence that never stands.
    pub fn fence(&self, group: &str) -> Option<Fence> {
        let seats = self.seats()?;
        let lease = match seats.get(group) {
            Some(Seat::Ours { lease, .. }) => Some(lease),
            Some(Seat::Theirs { lease, .. }) => lease.as_ref(),
            None => None,
        };
        Some(lease.map_or_else(|| Fence { lease: lease_name(group), term: 0 }, Lease::fence))
    }

    /// The lease was taken at `asked` or later. Whoever takes it anew under the very next term was alone meanwhile: nothing in memory is old.
    pub fn taken(&self, group: &str, lease: Lease, asked: Instant) -> Change {
        let Some(mut seats) = self.seats() else { return Change::None };
        let until = asked + self.lease;
        let goes_on = match seats.get(group) {
            Some(Seat::Ours { lease: known, began, ready, .. }) if lease.term == known.term => Some((*began, *ready)),
            Some(Seat::Ours { lease: known, began, ready: true, .. }) if lease.term == known.term + 1 => {
                Some((*began, true))
            }
            _ => None,
        };
        let (began, ready) = goes_on.unwrap_or((lease.term, false));
        seats.insert(group.to_owned(), Seat::Ours { lease, began, until, ready });
        drop(seats);
        self.changed();
        if goes_on.is_some() { Change::None } else { Change::Gained }
    }

    /// Of a write whose fence stood no more: whether this process has led before and since, with nobody else between. It has then
    /// taken its lease too late, which is known here only once the database has said so.
    pub async fn goes_on(&self, group: &str, stale: &Fence) -> bool {
        let mut changes = self.changes.subscribe();
        let told = async {
            loop {
                if let Some(goes_on) = self.went_on(group, stale.term) {
                    return goes_on;
                }
                if changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(self.lease, told).await.unwrap_or(false)
    }

    /// None: no other term is known here yet.
    fn went_on(&self, group: &str, term: u64) -> Option<bool> {
        match self.seats()?.get(group) {
            Some(Seat::Ours { lease, .. }) if lease.term == term => None,
            Some(Seat::Ours { lease, began, ready: true, .. }) => Some((*began..lease.term).contains(&term)),
            _ => Some(false),
        }
    }

    /// Another process has the lease.
    pub fn not_taken(&self, group: &str, theirs: &LeaseView) -> Change {
        let Some(mut seats) = self.seats() else { return Change::None };
        let (lease, ours) = match seats.remove(group) {
            Some(Seat::Ours { lease, .. }) => (Some(lease), true),
            Some(Seat::Theirs { lease, .. }) => (lease, false),
            None => (None, false),
        };
        let process = theirs.process.as_ref();
        let address = process.and_then(|process| process.address.clone());
        let nodes_address = process.and_then(|process| process.nodes_address.clone());
        let until = Instant::now() + Duration::from_millis(theirs.left_ms);
        seats.insert(group.to_owned(), Seat::Theirs { lease, address, nodes_address, until });
        drop(seats);
        self.changed();
        if ours { Change::Lost } else { Change::None }
    }

    /// From now on this process does not lead these groups. Returns the leases that were held.
    pub fn resign(&self, which: impl Fn(&str) -> bool) -> Vec<Lease> {
        let Some(mut seats) = self.seats() else { return Vec::new() };
        let mut held = Vec::new();
        for (_, seat) in seats.iter_mut().filter(|(group, _)| which(group)) {
            if let Seat::Ours { lease, until, .. } = seat {
                held.push(lease.clone());
                let (lease, until) = (Some(lease.clone()), *until);
                *seat = Seat::Theirs { lease, address: None, nodes_address: None, until };
            }
        }
        drop(seats);
        self.changed();
        held
    }

    /// Whether this process had the lease and has resigned; the database may not have been told.
    pub fn gives_back(&self, group: &str, lease: &Lease) -> bool {
        let given = |known: &Lease| (known.holder, known.term) == (lease.holder, lease.term);
        self.seats().is_some_and(
            |seats| matches!(seats.get(group), Some(Seat::Theirs { lease: Some(known), .. }) if given(known)),
        )
    }

    /// Its sessions are in memory now; does nothing if it is led under another term meanwhile.
    pub fn ready(&self, group: &str, term: u64) {
        if let Some(mut seats) = self.seats()
            && let Some(Seat::Ours { lease, ready, .. }) = seats.get_mut(group)
            && lease.term == term
        {
            *ready = true;
        }
        self.changed();
    }

    /// Whether this process is to lead and still reads what there is.
    pub fn is_taking_up(&self, group: &str) -> bool {
        self.seats().is_some_and(|seats| matches!(seats.get(group), Some(Seat::Ours { ready: false, .. })))
    }

    /// Since when this process could have heard a node of the group.
    pub fn knows_since(&self, group: &str) -> Instant {
        let (start, groups) = &self.knows_since;
        groups.lock().unwrap_or_else(PoisonError::into_inner).get(group).copied().unwrap_or(*start)
    }

    /// When this process last began to lead something: before that it could not have heard its nodes.
    pub fn began_to_know(&self) -> Instant {
        let (start, groups) = &self.knows_since;
        let latest = groups.lock().unwrap_or_else(PoisonError::into_inner).values().max().copied();
        latest.map_or(*start, |latest| latest.max(*start))
    }

    fn knows_from_now_on(&self, group: &str) {
        let mut groups = self.knows_since.1.lock().unwrap_or_else(PoisonError::into_inner);
        groups.insert(group.to_owned(), Instant::now());
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn seats(&self) -> Option<MutexGuard<'_, BTreeMap<String, Seat>>> {
        Some(self.seats.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn lease_name(group: &str) -> String {
    format!("{LEASE_PREFIX}{group}")
}

impl App {
    /// Whether this process leads the group now, with its sessions in memory.
    pub fn leads(&self, group: &str) -> bool {
        self.leadership.leads(group)
    }

    /// Whether this process leads every group there is.
    pub fn leads_all(&self) -> bool {
        self.queue.group_names().iter().all(|group| self.leads(group))
    }

    /// Who leads each group now.
    pub async fn group_leaders(&self) -> Result<Vec<(String, ControlId)>, Failure> {
        if self.leadership.is_alone() {
            return Ok(self.queue.group_names().into_iter().map(|group| (group, self.leadership.us())).collect());
        }
        let held = self.store.lease_list().await?.into_iter().filter(|view| view.left_ms > 0);
        let leader =
            |view: LeaseView| Some((view.lease.name.strip_prefix(LEASE_PREFIX)?.to_owned(), view.lease.holder));
        Ok(held.filter_map(leader).collect())
    }

    /// Whether nothing is in progress in the group that would notice another leader: no run, and no session on its way in or out.
    pub fn group_rests(&self, group: &str) -> bool {
        let settled = |state: &SessionState| {
            matches!(state, SessionState::Running { .. } | SessionState::Suspended { .. } | SessionState::Queued)
        };
        let moves = |session: &Arc<LiveSession>| {
            let record = session.record.borrow();
            record.group() == group && !settled(&record.life.state)
        };
        !self.runs_live().iter().any(|run| run.facts.group == group) && !self.sessions_live().iter().any(moves)
    }

    /// Whether nodes of the group belong here, now or in a moment.
    pub fn takes_nodes_of(&self, group: &str) -> bool {
        self.leads(group) || self.leadership.is_taking_up(group)
    }

    /// Whether a sandbox is on a node of a group that this process leads.
    pub fn sandbox_is_led(&self, sandbox: SandboxId) -> bool {
        let has = |member: &Member| member.node.sandboxes().iter().any(|seen| seen.id == sandbox);
        self.fleet.members().iter().filter(|member| self.leads(&member.group)).any(has)
    }

    /// The resource group whose leader answers for one-shot runs: the default one, or if it has no nodes the first that has some.
    pub fn one_shot_group(&self) -> String {
        let with_nodes = self.leadership.groups_with_nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = with_nodes.first().filter(|_| !with_nodes.contains(GROUP_DEFAULT));
        first.cloned().unwrap_or_else(|| GROUP_DEFAULT.to_owned())
    }

    /// Every resource group there is, as the store has them now.
    pub async fn groups_look(&self) -> Result<BTreeSet<String>, Failure> {
        self.resource_groups_refresh().await?;
        let with_nodes = self.store.node_groups().await?;
        *self.leadership.groups_with_nodes.lock().unwrap_or_else(PoisonError::into_inner) = with_nodes;
        Ok(self.queue.group_names())
    }

    /// Reads the sessions of a group that this process leads from now on, and goes on where its leader before stopped.
    pub async fn group_take_up(self: &Arc<Self>, group: &str, term: u64) -> Result<(), Failure> {
        let _one_at_a_time = self.leadership.taking_up.lock().await;
        self.people_refresh().await?;
        self.people.ended.store(0, Ordering::Relaxed);
        self.leadership.knows_from_now_on(group);
        self.queue.history_forget(group);
        self.nodes_take_in(|led| led == group).await?;
        let mut live = self.store.session_list_live().await?;
        live.retain(|record| record.group() == group);
        let count = live.len();
        for (sandbox, node) in live_places(&live) {
            self.fleet.place(sandbox, node);
        }
        for record in live {
            self.sessions().entry(record.id).or_insert_with(|| LiveSession::new(record));
        }
        crate::tasks::recover(self, |led| led == group).await?;
        self.leadership.ready(group, term);
        self.store.hint(Hint::Group(group.to_owned()));
        self.reconcile_soon.notify_one();
        tracing::info!(group, term, sessions = count, "this process leads");
        Ok(())
    }

    /// Forgets what only a leader may hold. Sandboxes and runs stay where they are: another process leads them now.
    pub fn group_let_go(&self, group: &str) {
        tracing::warn!(group, "another process leads now");
        self.queue.forget(|led| led != group);
        self.nodes_let_go(|led| led == group);
        let of_group = |session: &LiveSession| session.record.borrow().group() == group;
        let let_go: Vec<_> = self.sessions().extract_if(|_, session| of_group(session)).collect();
        for (_, session) in let_go {
            self.sandboxes_forget(&session.record());
        }
        for run in self.runs_live().into_iter().filter(|run| run.facts.group == group) {
            run.wish(Wish::Leave);
        }
    }

    /// The others need not wait for the leases of these groups to end.
    pub async fn groups_resign(&self, which: impl Fn(&str) -> bool) {
        for lease in self.leadership.resign(which) {
            let group = lease.name.strip_prefix(LEASE_PREFIX);
            // First: this may be given up while the database does not answer.
            if let Some(group) = group {
                self.group_let_go(group);
            }
            if let Err(error) = self.store.lease_release(&lease).await {
                tracing::warn!(%error, lease = lease.name, "a lease could not be let go; it runs out by itself");
            }
            if let Some(group) = group {
                self.store.hint(Hint::Group(group.to_owned()));
            }
        }
    }

    /// On the way out.
    pub async fn leadership_end(&self) {
        if self.leadership.is_alone() {
            return;
        }
        self.groups_resign(|_| true).await;
        // Who has not said goodbye is forgotten by the others after a while.
        let _ = self.store.control_process_forget(u64::from(u32::MAX), Some(self.leadership.us())).await;
    }
}

#[cfg(test)]
mod tests;
