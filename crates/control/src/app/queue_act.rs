//! What the scheduler decides, done; and sessions on their way between two places.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use madang_ids::{NodeId, SandboxId, SessionId};
use madang_model::{OnNodeLoss, SessionEvent, SessionKind, SessionState};
use madang_public_api::{QueueView, SessionView, Timestamp};
use madang_schedule::{Amount, Decision, HALF_LIFE_MS, HeldBefore, Place, Reason};
use madang_store::{HeldQuery, SessionRecord, SessionsHeld};
use tracing::Instrument as _;

use super::{
    App, Failure, Stage, accelerator,
    fleet::MemberState,
    live_session::{LiveSession, Observed, session_view},
};
use crate::clock::now_ms;

/// Between two tries to close the sandbox that a session leaves.
const CLOSE_AGAIN: Duration = Duration::from_millis(500);

/// Why a session leaves its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its node answers, or will: the sandbox is closed before the session starts elsewhere.
    Drained,
    Preempted,
    /// Its node has ended the sandbox by itself, because it has heard nobody for too long.
    Fenced,
}

impl Leaving {
    fn why(self) -> &'static str {
        match self {
            Self::Drained => "its node is drained",
            Self::Preempted => "something more important needs its place",
            Self::Fenced => "its node was not heard for longer than its lease",
        }
    }
}

impl App {
    /// Does what the scheduler decides, until it decides nothing more; returns how much that was.
    pub async fn queue_decide(self: &Arc<Self>) -> usize {
        let mut count = 0;
        loop {
            let decisions = self.queue.decide(&self.fleet);
            if decisions.is_empty() {
                return count;
            }
            count += decisions.len();
            join_all(decisions.into_iter().map(|decision| self.queue_do(decision))).await;
        }
    }

    async fn queue_do(self: &Arc<Self>, decision: Decision) {
        let (id, event) = match decision {
            Decision::Place(place) => return self.queue_place(place).await,
            Decision::Preempt { session, in_favour_of } => {
                tracing::info!(%session, %in_favour_of, "a session of lower priority makes room");
                return self.session_move(session, Leaving::Preempted).await;
            }
            Decision::Refuse { session, why } => (session, SessionEvent::Refused { limit: why }),
        };
        let Some(session) = self.session_live(id) else { return };
        if let Err(failure) = self.session_apply(&session, &event, Observed::default()).await {
            // It is still queued: the next look lines it up again.
            tracing::warn!(session = %id, error = ?failure, "a session could not be refused yet");
        }
    }

    async fn queue_place(self: &Arc<Self>, place: Place) {
        let id = place.session;
        let node = place.placements.first().map(|placement| placement.node);
        let (Some(session), Some(node)) = (self.session_live(id), node) else {
            return self.queue.leave(id);
        };
        let (created_ms, now) = (session.record.borrow().created_ms, now_ms());
        let span = madang_trace::span!(
            root "placement",
            madang.session.id = %id,
            madang.node.id = %node,
            madang.waited_ms = now.saturating_sub(created_ms),
        );
        let span = session.trace.begin(span);
        let events = [SessionEvent::Placed { node: Some(node) }, SessionEvent::StartAsked];
        let places = accelerator::places(&place.placements);
        self.sandboxes_place(&session.record(), &places);
        let observed = Observed { held: accelerator::given(&place.placements), places, ..Observed::default() };
        if let Err(failure) = self.session_apply_all(&session, &events, observed).instrument(span).await {
            tracing::warn!(session = %id, error = ?failure, "a session could not be placed yet");
        }
        let placed = session.record.borrow().life.state.node() == Some(node);
        if !placed {
            self.queue.leave(id);
        }
    }

    /// Lines a session up: what it waits for that has ended well already is not named any more.
    pub async fn session_line_up(&self, record: &SessionRecord) -> Result<(), Failure> {
        let mut waits_for = BTreeSet::new();
        let mut over = Vec::new();
        for id in &record.spec.queueing.depends_on {
            match self.session_live(*id) {
                Some(_) => drop(waits_for.insert(*id)),
                None => over.push(*id),
            }
        }
        waits_for.extend(over.iter().copied());
        self.queue.line_up(record, waits_for);
        self.dependencies_ended(&over).await
    }

    async fn dependencies_ended(&self, over: &[SessionId]) -> Result<(), Failure> {
        for id in over {
            // One that was forgotten long ago cannot be said to have ended well.
            if let Some(record) = self.store.session_get(*id).await?
                && !record.life.is_live()
            {
                self.queue.dependency_ended(&record);
            }
        }
        Ok(())
    }

    /// Compares the scheduler's memory with the sessions that live, and mends what differs; moves what is on nodes that drain.
    pub async fn queue_look(self: &Arc<Self>) -> Result<(), Failure> {
        // Before what lives is known to the queue: what ends from then on it counts by itself.
        self.histories_read().await?;
        let live: Vec<_> = self.sessions_live().iter().map(|session| session.record()).collect();
        for record in self.queue.compare(&self.fleet, &live) {
            self.session_line_up(&record).await?;
        }
        for (_, on) in self.queue.dependencies(&live) {
            let over: Vec<_> = on.into_iter().filter(|id| self.session_live(*id).is_none()).collect();
            self.dependencies_ended(&over).await?;
        }
        let members = self.fleet.members().into_iter();
        let draining: BTreeSet<NodeId> =
            members.filter(|member| member.state == MemberState::Draining).map(|member| member.id).collect();
        let there = |record: &&SessionRecord| draining.iter().any(|node| record.is_on(*node));
        for record in live.iter().filter(there).filter(|record| may_move(record)) {
            self.session_move(record.id, Leaving::Drained).await;
        }
        Ok(())
    }

    /// What was held in the groups that this process leads before it did.
    async fn histories_read(&self) -> Result<(), Failure> {
        for group in self.queue.without_history().into_iter().filter(|group| self.takes_nodes_of(group)) {
            let query = HeldQuery { resource_group: &group, now_ms: now_ms(), half_life_ms: HALF_LIFE_MS };
            let history = self.store.sessions_held(query).await?;
            tracing::info!(group, sums = history.len(), "what was held before is known to fair share");
            self.queue.history_set(&group, history.into_iter().map(held_before).collect());
        }
        Ok(())
    }

    /// Gives up the session's sandbox and queues it again; it starts elsewhere when nothing of it is left where it was.
    pub async fn session_move(self: &Arc<Self>, id: SessionId, leaving: Leaving) {
        let Some(session) = self.session_live(id) else { return self.queue.leave(id) };
        let before = session.record();
        self.queue.busy(id);
        let event = SessionEvent::Moved { why: leaving.why().to_owned() };
        let moved = self.session_apply(&session, &event, Observed::default()).await;
        let record = session.record();
        if moved.is_err() || record.sandbox == before.sandbox {
            tracing::warn!(session = %id, ?moved, "a session could not be moved");
            return self.queue.busy_no_more(id);
        }
        tracing::info!(session = %id, why = leaving.why(), "a session waits for another place");
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let old: Vec<_> = before.sandboxes().map(|(sandbox, _)| sandbox).collect();
            join_all(old.iter().map(|sandbox| app.sandbox_leave(&session, *sandbox, leaving))).await;
            app.sandboxes_forget(&before);
            app.queue.leave(id);
            app.queue.busy_no_more(id);
            let record = session.record();
            if record.life.state == SessionState::Queued
                && let Err(failure) = app.session_line_up(&record).await
            {
                tracing::warn!(session = %id, error = ?failure, "a moved session is lined up later");
            }
        });
    }

    /// Until it is closed, or nobody waits for that any more. What its node has ended by itself is not waited for; of a cluster others may
    /// be on nodes that answer.
    async fn sandbox_leave(&self, session: &LiveSession, sandbox: SandboxId, leaving: Leaving) {
        let record = session.record();
        let ended = || leaving == Leaving::Fenced && (record.subs.is_empty() || self.given_up(sandbox, record.group()));
        while session.record.borrow().life.state == SessionState::Queued && !ended() {
            match self.node.sandbox_close(sandbox).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(%sandbox, %error, "a sandbox that is left could not be closed yet"),
            }
            tokio::select! {
                () = self.reached(Stage::Stopping) => return,
                () = tokio::time::sleep(CLOSE_AGAIN) => {}
            }
        }
    }

    /// A session with how it waits.
    pub(super) fn session_view_queued(&self, record: &SessionRecord, runs_live: u64) -> SessionView {
        let queue = match record.life.state {
            SessionState::Queued => Some(self.queue_view(record)),
            _ => None,
        };
        SessionView { queue, ..session_view(record, runs_live) }
    }

    fn queue_view(&self, record: &SessionRecord) -> QueueView {
        let refused_at = Timestamp(record.life.since_ms.saturating_add(record.spec.queueing.wait_ms_max));
        let Some(wait) = self.queue.wait(record) else {
            let (position, may_start_at) = (None, None);
            let waits_for = "it is being lined up".to_owned();
            return QueueView { position, reason: "turn".into(), waits_for, may_start_at, refused_at };
        };
        QueueView {
            position: wait.position.map(|position| position as u64),
            reason: reason_name(&wait.reason).to_owned(),
            waits_for: wait.reason.to_string(),
            // What is promised for now is a matter of moments.
            may_start_at: wait.may_start_ms.map(|at| Timestamp(at.max(now_ms()))),
            refused_at,
        }
    }
}

fn held_before(held: SessionsHeld) -> HeldBefore {
    let SessionsHeld { owner, cpu_millis, memory_bytes, disk_bytes, accelerator_millis, held_ms } = held;
    let amount = Amount { cpu_millis, memory_bytes, disk_bytes };
    HeldBefore { owner: owner.to_string(), amount, device_millis: accelerator_millis, held_ms }
}

/// Whether nothing but time is lost when the session starts anew.
fn may_move(record: &SessionRecord) -> bool {
    record.spec.kind == SessionKind::Batch || record.spec.queueing.on_node_loss == OnNodeLoss::Restart
}

fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Dependency { .. } => "dependency",
        Reason::NoNode => "no-node",
        Reason::Room { .. } => "room",
        Reason::Promised => "promised",
        Reason::Preempting => "preempting",
        Reason::Turn => "turn",
    }
}
