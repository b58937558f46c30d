//! A node as control sees it over the link: what it said last, and what it was asked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use madang_ids::{NodeId, SandboxId};
use madang_node_api::{
    ByteStream, LanguageSeen, NodeError, NodeFacts, NodeHealth, Presence, RunSeen, SandboxSeen, SandboxState,
};
use madang_trace::Context;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::Instant,
};
use tonic::Status;

use super::{
    HubConfig,
    link::to,
    run::{self, RunSlot},
};
use crate::pipe::{FarEnd, Pipes};
use crate::{
    check::Refused,
    now_ms,
    order::{Ask, Told},
    wire::{Order, ToNode, to_node},
};

/// Changes that a slow watcher may lag behind before it has to list.
const WATCH_MAX: usize = 128;
/// Orders of one node that wait for an answer.
const ORDERS_MAX: usize = 4_096;
/// Runs of one node in progress.
pub(super) const RUNS_MAX: usize = 16_384;

/// A node on another machine. It is there from the first time that control hears of it, whether its link stands or not.
pub struct RemoteNode {
    id: NodeId,
    pub(super) control: String,
    silent: Duration,
    lost: Duration,
    order_wait: Duration,
    state: Mutex<State>,
    /// Milliseconds after `made`.
    heard_ms: AtomicU64,
    made: Instant,
    numbers: AtomicU64,
    pending: Mutex<BTreeMap<u64, Pending>>,
    reads: Mutex<HashMap<u64, mpsc::Sender<Bytes>>>,
    writes: Mutex<HashMap<u64, ByteStream>>,
    pub(super) pipes: Pipes,
    pub(super) runs: Mutex<HashMap<u64, Arc<RunSlot>>>,
    pub(super) changes: broadcast::Sender<SandboxSeen>,
    pub(super) presence: watch::Sender<Presence>,
    /// The number of the link that counts; 0 for none.
    link: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// For good: a node that joins anew is another one.
    removed: bool,
    links: u64,
    out: Option<mpsc::Sender<Result<ToNode, Status>>>,
    boot: String,
    facts: NodeFacts,
    languages: Vec<LanguageSeen>,
    health: NodeHealth,
    sandboxes: BTreeMap<SandboxId, SandboxSeen>,
    runs: Vec<RunSeen>,
}

/// What a node says of itself when its link begins.
pub(super) struct Greeting {
    pub boot: String,
    pub facts: NodeFacts,
    pub languages: Vec<LanguageSeen>,
    pub health: NodeHealth,
    pub runs: Vec<RunSeen>,
    pub sandboxes: Vec<SandboxSeen>,
}

/// What came of a greeting.
pub(super) struct Connected {
    /// Of the link, among those of the node.
    pub number: u64,
    /// Shows another number when the link does not count any more.
    pub replaced: watch::Receiver<u64>,
    /// Runs that nobody carries and that the node may still have.
    pub orphans: Vec<Arc<RunSlot>>,
}

struct Pending {
    document: Bytes,
    trace: Context,
    may_repeat: bool,
    /// What is true from the moment the answer is here.
    then: Then,
    answer: oneshot::Sender<Result<Told, NodeError>>,
}

impl Pending {
    fn message(&self, number: u64) -> Order {
        let (traceparent, tracestate) = (self.trace.parent().to_owned(), self.trace.state().to_owned());
        Order { order: number, document: self.document.clone(), traceparent, tracestate }
    }
}

/// What an order that was done has changed.
pub(super) enum Then {
    Nothing,
    Opened(SandboxSeen),
    Closed(SandboxId),
}

impl std::fmt::Debug for RemoteNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteNode")
            .field("id", &self.id)
            .field("presence", &*self.presence.borrow())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RemoteNode {
    pub(super) fn new(id: NodeId, control: String, config: &HubConfig) -> Arc<Self> {
        Arc::new(Self {
            id,
            control,
            silent: Duration::from_millis(config.silent_ms),
            lost: Duration::from_millis(config.lost_ms),
            order_wait: Duration::from_millis(config.order_ms),
            state: Mutex::default(),
            heard_ms: AtomicU64::new(0),
            made: Instant::now(),
            numbers: AtomicU64::new(0),
            pending: Mutex::default(),
            reads: Mutex::default(),
            writes: Mutex::default(),
            pipes: Pipes::default(),
            runs: Mutex::default(),
            changes: broadcast::Sender::new(WATCH_MAX),
            presence: watch::Sender::new(Presence::Unheard),
            link: watch::Sender::new(0),
        })
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    pub(super) fn heard(&self) {
        self.heard_ms.store(self.made.elapsed().as_millis() as u64, Ordering::Release);
        let state = lock(&self.state);
        if state.removed {
            return;
        }
        self.presence.send_if_modified(|presence| {
            let news = *presence != Presence::Here;
            *presence = Presence::Here;
            news
        });
    }

    /// Looks at the clock. Says so once when the node has fallen silent.
    pub(super) fn look(&self) -> Presence {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Acquire));
        let quiet = self.made.elapsed().saturating_sub(heard);
        let before = *self.presence.borrow();
        if before == Presence::Here && quiet > self.silent {
            let since_ms = now_ms().saturating_sub(quiet.as_millis() as u64);
            let now = std::time::Instant::now();
            let now = Presence::Silent { since_ms, since: now.checked_sub(quiet).unwrap_or(now) };
            self.presence.send_replace(now);
            self.fail_pending("the node does not answer");
            return now;
        }
        if matches!(before, Presence::Silent { .. }) && quiet > self.lost {
            // A one-shot run has nowhere to come back to.
            lock(&self.runs).retain(|_, run| !run.once);
        }
        // Only news is returned as silence.
        if before == Presence::Here { Presence::Here } else { Presence::Unheard }
    }

    /// A link stands: what was known before is replaced by what the node says now. None for a node that was removed meanwhile.
    pub(super) fn connected(&self, greeting: Greeting, out: mpsc::Sender<Result<ToNode, Status>>) -> Option<Connected> {
        let replaced = self.link.subscribe();
        let (number, restarted) = {
            let mut state = lock(&self.state);
            if state.removed {
                return None;
            }
            let restarted = !state.boot.is_empty() && state.boot != greeting.boot;
            state.links += 1;
            state.out = Some(out);
            state.boot = greeting.boot;
            state.facts = greeting.facts;
            state.languages = greeting.languages;
            state.health = greeting.health;
            state.runs = greeting.runs;
            // Under the lock: a cut comes before all this or after it.
            self.link.send_replace(state.links);
            (state.links, restarted)
        };
        let orphans = if restarted { self.forget_unrepeatable() } else { Vec::new() };
        self.sandboxes_are(greeting.sandboxes);
        self.heard();
        Some(Connected { number, replaced, orphans })
    }

    /// The agent was started anew: it knows nothing of what it was asked before, and its runs are not carried any more. Those of
    /// sessions, which outlive it, are returned.
    fn forget_unrepeatable(&self) -> Vec<Arc<RunSlot>> {
        // Before anybody hears that the node is here again: what is given from then on is for the new agent.
        let orphans = run::orphans(self);
        let mut pending = lock(&self.pending);
        let numbers: Vec<_> =
            pending.iter().filter(|(_, order)| !order.may_repeat).map(|(number, _)| *number).collect();
        for order in numbers.into_iter().filter_map(|number| pending.remove(&number)) {
            let _ = order.answer.send(Err(NodeError::Unavailable("the node was started anew meanwhile".to_owned())));
        }
        orphans
    }

    /// Orders whose answer was not heard, to be sent again.
    pub(super) fn unanswered(&self) -> Vec<Order> {
        lock(&self.pending).iter().map(|(number, order)| order.message(*number)).collect()
    }

    pub(super) fn disconnected(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.links == number {
            state.out = None;
        }
    }

    /// Ends the link and everything that waits for it.
    pub(super) fn cut(&self) {
        {
            let mut state = lock(&self.state);
            state.removed = true;
            state.out = None;
            self.link.send_replace(0);
            self.presence.send_replace(Presence::Unheard);
        }
        self.fail_pending("the node was removed");
        lock(&self.runs).clear();
    }

    fn fail_pending(&self, why: &str) {
        for (_, order) in std::mem::take(&mut *lock(&self.pending)) {
            let _ = order.answer.send(Err(NodeError::Unavailable(why.to_owned())));
        }
    }

    pub(super) fn health_is(&self, health: NodeHealth) {
        lock(&self.state).health = health;
    }

    pub(super) fn runs_are(&self, runs: Vec<RunSeen>) {
        lock(&self.state).runs = runs;
    }

    pub(super) fn runs_seen(&self) -> Vec<RunSeen> {
        lock(&self.state).runs.clone()
    }

    /// What the node counted; those that were there before and are not any more have ended.
    pub(super) fn sandboxes_are(&self, sandboxes: Vec<SandboxSeen>) {
        let now: BTreeMap<_, _> = sandboxes
            .into_iter()
            .filter(|seen| seen.state == SandboxState::Running)
            .map(|seen| (seen.id, seen))
            .collect();
        let before = std::mem::replace(&mut lock(&self.state).sandboxes, now.clone());
        for mut gone in before.into_values().filter(|seen| !now.contains_key(&seen.id)) {
            gone.state = SandboxState::Ended { why: "it was gone when the node was heard again".to_owned() };
            // Nobody may be watching.
            let _ = self.changes.send(gone);
        }
    }

    pub(super) fn sandbox_is(&self, seen: SandboxSeen) {
        let mut state = lock(&self.state);
        let before = match seen.state {
            SandboxState::Running => state.sandboxes.insert(seen.id, seen.clone()),
            SandboxState::Ended { .. } => state.sandboxes.remove(&seen.id),
        };
        drop(state);
        // That it is used is heard at the next look: nobody has to look for it.
        if before.is_none_or(|before| SandboxSeen { app_bytes: seen.app_bytes, ..before } != seen) {
            let _ = self.changes.send(seen);
        }
    }

    /// An answer came: what it changes is true before whoever asked hears it, and before anything the node said later.
    pub(super) fn answered(&self, number: u64, told: Result<Told, Refused>) {
        // One that nobody waits for, or that came twice.
        let Some(order) = lock(&self.pending).remove(&number) else { return };
        let told = match told {
            Ok(Told::Failed { kind, text }) => Err(kind.with(text)),
            Ok(told) => Ok(told),
            Err(refused) => Err(NodeError::Internal(refused.to_string())),
        };
        if told.is_ok() {
            let mut state = lock(&self.state);
            match order.then {
                Then::Nothing => {}
                Then::Opened(seen) => drop(state.sandboxes.insert(seen.id, seen)),
                Then::Closed(id) => drop(state.sandboxes.remove(&id)),
            }
        }
        let _ = order.answer.send(told);
    }

    /// A number for an order that is about to be given.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Orders, and waits for the answer; not for a node that is silent.
    pub(super) async fn order(&self, number: u64, ask: &Ask, then: Then) -> Result<Told, NodeError> {
        if *self.presence.borrow() != Presence::Here {
            return Err(NodeError::Unavailable("the node does not answer".to_owned()));
        }
        let document: Bytes =
            serde_json::to_vec(ask).map_err(|error| NodeError::Internal(format!("writing an order: {error}")))?.into();
        let (answer, answered) = oneshot::channel();
        let order = Pending { document, trace: Context::here(), may_repeat: ask.may_repeat(), then, answer };
        let message = order.message(number);
        {
            let mut pending = lock(&self.pending);
            if pending.len() >= ORDERS_MAX {
                return Err(NodeError::Capacity("too many orders wait for this node".to_owned()));
            }
            pending.insert(number, order);
        }
        let _given_up = GivenUp { node: self, number };
        let out = lock(&self.state).out.clone();
        if let Some(out) = out {
            // A link that is gone meanwhile is no loss: the next one begins with what is unanswered.
            let _ = out.send(Ok(to(to_node::Body::Order(message)))).await;
        }
        match tokio::time::timeout(self.order_wait, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(NodeError::Unavailable("the node was removed".to_owned())),
            Err(_) => Err(NodeError::Unavailable("the node did not answer in time".to_owned())),
        }
    }

    pub(super) fn read_expect(&self, number: u64, chunks: mpsc::Sender<Bytes>) {
        let mut reads = lock(&self.reads);
        // A node that never brought what it promised.
        reads.retain(|_, chunks| !chunks.is_closed());
        reads.insert(number, chunks);
    }

    pub(super) fn read_forget(&self, number: u64) {
        lock(&self.reads).remove(&number);
    }

    pub(super) fn read_take(&self, control: &str, number: u64) -> Option<mpsc::Sender<Bytes>> {
        if control == self.control { lock(&self.reads).remove(&number) } else { None }
    }

    pub(super) fn write_expect(&self, number: u64, source: ByteStream) {
        lock(&self.writes).insert(number, source);
    }

    pub(super) fn write_take(&self, control: &str, number: u64) -> Option<ByteStream> {
        if control == self.control { lock(&self.writes).remove(&number) } else { None }
    }

    pub(super) fn pipe_take(&self, control: &str, number: u64) -> Option<FarEnd> {
        if control == self.control { self.pipes.take(number) } else { None }
    }

    pub(super) fn facts_seen(&self) -> NodeFacts {
        lock(&self.state).facts.clone()
    }

    pub(super) fn languages_seen(&self) -> Vec<LanguageSeen> {
        lock(&self.state).languages.clone()
    }

    pub(super) fn health_seen(&self) -> NodeHealth {
        lock(&self.state).health.clone()
    }

    pub(super) fn sandboxes_seen(&self) -> Vec<SandboxSeen> {
        lock(&self.state).sandboxes.values().cloned().collect()
    }
}

/// Forgets an order that nobody waits for any more.
struct GivenUp<'a> {
    node: &'a RemoteNode,
    number: u64,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        lock(&self.node.pending).remove(&self.number);
        lock(&self.node.writes).remove(&self.number);
    }
}
