//! Every change of a session's state, and what follows from it.

use std::sync::Arc;

use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{
    OnNodeLoss, SessionEvent, SessionKind, SessionLife, SessionState, Verdict,
    session::{SessionEffect, SessionRejected},
};
use madang_public_api::{RunMode, RunRequest, ServerEventBody};
use madang_store::{SessionRecord, StoreError};
use tracing::Instrument as _;

use super::{
    App, Failure, LiveRun, RunBegun, RunSource, Start, Wish,
    live_session::{LiveSession, Observed, session_view, state_view},
};
use crate::clock::now_ms;

/// A change that met another change reads the record again and tries once more, so often.
const CHANGE_TRIES_MAX: usize = 3;

impl App {
    /// Applies an event to the session, stores it, and does what follows. An event that comes too late changes nothing and is no error.
    pub async fn session_apply(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        event: &SessionEvent,
        observed: Observed,
    ) -> Result<(), Failure> {
        self.session_apply_all(session, std::slice::from_ref(event), observed).await
    }

    /// The same for several events at once: they are one change, or none.
    pub async fn session_apply_all(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        events: &[SessionEvent],
        observed: Observed,
    ) -> Result<(), Failure> {
        let effects = self.session_change(session, events, observed).await?;
        for effect in effects {
            match effect {
                SessionEffect::SandboxOpen => self.session_open(session),
                SessionEffect::SandboxClose => {
                    self.runs_cancel(session.record.borrow().id);
                    self.session_close(session);
                }
                SessionEffect::RunsAbandon => {
                    self.runs_abandon(session.record.borrow().id, "its session is gone");
                }
                SessionEffect::StartupCommandRun => self.session_startup(session),
            }
        }
        Ok(())
    }

    /// What runs in a session that ends is cancelled, not broken.
    fn runs_cancel(&self, session: SessionId) {
        for run in self.runs_live().into_iter().filter(|run| run.facts.session == Some(session)) {
            run.wish(Wish::Cancel);
        }
    }

    /// After a server that died: a start that was interrupted is done again, a start-up command is followed to its end.
    pub async fn session_recover(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), Failure> {
        let record = session.record();
        match (&record.life.state, record.spec.kind) {
            // Making a sandbox is idempotent under its id.
            (SessionState::Starting { .. }, _) => self.session_open(session),
            (SessionState::Running { .. } | SessionState::Suspended { .. }, SessionKind::Batch) => {
                self.session_startup_again(session).await?
            }
            _ => {}
        }
        Ok(())
    }

    async fn session_change(
        &self,
        session: &LiveSession,
        events: &[SessionEvent],
        observed: Observed,
    ) -> Result<Vec<SessionEffect>, Failure> {
        let _one_at_a_time = session.change.lock().await;
        for _ in 0..CHANGE_TRIES_MAX {
            let mut record = session.record();
            let now = now_ms();
            let (life, effects) = match apply_all(&record.life, events, now) {
                Ok(next) => next,
                Err(rejected) => {
                    tracing::debug!(session = %record.id, %rejected, "event without effect");
                    return Ok(Vec::new());
                }
            };
            let before = std::mem::replace(&mut record.life, life);
            if events.iter().any(|event| matches!(event, SessionEvent::Moved { .. })) {
                // Whatever still comes of the old one is nobody's.
                record.sandboxes_renew();
                record.started_ms = None;
                record.held = None;
            }
            if let Some(held) = &observed.held {
                record.held = Some(held.clone());
            }
            record.subs_place(&observed.places);
            record.usage = observed.usage.or(record.usage);
            if matches!(record.life.state, SessionState::Running { .. }) && !before.is_suspended() {
                record.started_ms = Some(now);
            }
            if !record.life.is_live() {
                record.ended_ms = Some(now);
            }
            let fence = self.leadership.fence(record.group());
            match self.store.session_update_fenced(&record, fence.as_ref()).await {
                Ok(generation) => {
                    record.generation = generation;
                    // What comes with the first is one step.
                    if let Some(event) = events.first() {
                        self.metrics.flow.session_moved(&before, event, &record.life);
                    }
                    if let (false, Some(usage)) = (record.life.is_live(), &record.usage) {
                        self.metrics.flow.used(usage);
                    }
                    self.session_changed(session, record);
                    return Ok(effects);
                }
                Err(StoreError::Stale { .. }) => self.session_reload(session).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::conflict("the session keeps changing; try again"))
    }

    pub(super) fn session_changed(&self, session: &LiveSession, record: SessionRecord) {
        session.stood_still(&record.life);
        if !record.life.is_live() {
            self.sessions().remove(&record.id);
            self.sandboxes_forget(&record);
            self.queue.ended(&record);
        }
        self.session_told(&record);
        session.record.send_replace(record);
    }

    pub(super) async fn session_reload(&self, session: &LiveSession) -> Result<(), Failure> {
        let id = session.record.borrow().id;
        let record = self.store.session_get(id).await?.ok_or_else(|| Failure::not_found(format!("session {id}")))?;
        if record.life.is_live() {
            session.record.send_replace(record);
        } else {
            // Somebody else has ended it: nothing here holds on to its place and its sandbox.
            self.session_changed(session, record);
            self.runs_abandon(id, "its session has ended elsewhere");
            self.reconcile_soon.notify_one();
        }
        Ok(())
    }

    pub(crate) fn session_told(&self, record: &SessionRecord) {
        let why = session_view(record, 0).why;
        let state = state_view(&record.life.state);
        self.events.push(Some(record.owner), ServerEventBody::SessionChanged { session: record.id, state, why });
    }

    /// Makes the sandbox in the background; idempotent under its id.
    pub fn session_open(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        let id = session.record.borrow().id;
        let span = session.trace.begin(madang_trace::span!(root "session start", madang.session.id = %id));
        let start = async move {
            let record = session.record();
            let opened = app.sandboxes_open(&record).await;
            if session.record.borrow().sandbox != record.sandbox {
                // It was given up meanwhile.
                return app.reconcile_soon.notify_one();
            }
            let event = match opened {
                Ok(()) => SessionEvent::SandboxReady,
                Err(error) => {
                    let why = error.to_string();
                    // Of two attempts the first one's reason is told.
                    let _ = session.refusal.set(error.into());
                    SessionEvent::SandboxFailed { why }
                }
            };
            if let Err(failure) = app.session_apply(&session, &event, Observed::default()).await {
                tracing::error!(session = %record.id, error = ?failure, "a session's start could not be kept");
            }
            // It may have been ended meanwhile; then the reconciler finds the sandbox and closes it.
            app.reconcile_soon.notify_one();
        };
        tokio::spawn(start.instrument(span));
    }

    /// Ends what is in the sandbox, in the background; what fails is tried again by the reconciler.
    pub fn session_close(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let Some(usage) = app.sandboxes_close(&session).await else { return };
            let observed = Observed { usage: Some(usage), ..Observed::default() };
            if let Err(failure) = app.session_apply(&session, &SessionEvent::Drained, observed).await {
                let id = session.record.borrow().id;
                tracing::error!(session = %id, error = ?failure, "a session's end could not be kept");
            }
        });
    }

    fn session_startup(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let record = session.record();
        let sandbox = record.sandbox;
        let Some(command) = record.spec.startup_command.clone() else { return };
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            if let Some(event) = app.startup_outcome(&session, command).await {
                app.startup_ended(&session, sandbox, &event).await;
            }
        });
    }

    async fn startup_ended(self: &Arc<Self>, session: &Arc<LiveSession>, sandbox: SandboxId, event: &SessionEvent) {
        let record = session.record();
        let may_restart = record.spec.queueing.on_node_loss == OnNodeLoss::Restart;
        if may_restart && !self.node.sandboxes().iter().any(|seen| seen.id == sandbox) {
            // It went with its sandbox: the session does not end, it starts elsewhere.
            self.reconcile_soon.notify_one();
            return;
        }
        // What ended in a sandbox that was given up says nothing of the session.
        if record.spec.kind == SessionKind::Batch
            && record.sandbox == sandbox
            && let Err(failure) = self.session_apply(session, event, Observed::default()).await
        {
            tracing::error!(session = %record.id, error = ?failure, "a batch session's end could not be kept");
        }
    }

    /// A session's first run is its start-up command: it goes on, has ended, or was never begun.
    async fn session_startup_again(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), Failure> {
        let SessionRecord { id, sandbox, started_ms, .. } = session.record();
        let first = RunId::first_in(sandbox);
        let begun = match self.store.run_verdict(first).await? {
            // Servers before this one gave it another id.
            None => {
                let run = self.store.run_first_of_session(id, started_ms.unwrap_or(0)).await?;
                run.filter(|run| run.verdict.is_none()).map(|run| (run.id, None))
            }
            Some(verdict) => Some((first, verdict)),
        };
        match begun {
            None => self.session_startup(session),
            Some((id, None)) => {
                let (app, session) = (Arc::clone(self), Arc::clone(session));
                tokio::spawn(async move {
                    if let Some(event) = startup_end(app.run_live(id)).await {
                        app.startup_ended(&session, sandbox, &event).await;
                    }
                });
            }
            Some((_, Some(verdict))) => {
                self.startup_ended(session, sandbox, &startup_verdict(verdict)).await;
            }
        }
        Ok(())
    }

    /// None: another process follows it.
    async fn startup_outcome(self: &Arc<Self>, session: &Arc<LiveSession>, command: String) -> Option<SessionEvent> {
        let failed = |why: String| Some(SessionEvent::CommandFinished { well: false, why });
        let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), command];
        let mut request = RunRequest { mode: RunMode::Command, argv, ..RunRequest::default() };
        let record = session.record();
        if record.spec.kind == SessionKind::Batch {
            request.limits.wall_ms = Some(record.spec.timeout_ms.min(self.config.limits_max.wall_ms));
            request.limits.cpu_ms = Some(self.config.limits_max.cpu_ms);
        }
        let known = Start::KnownAs(RunId::first_in(record.sandbox));
        match self.run_in_session(session, request, known, None).await {
            Ok(RunBegun { source: RunSource::Live(run), .. }) => startup_end(Some(run)).await,
            Ok(_) => startup_end(None).await,
            Err(failure) => failed(failure.detail),
        }
    }
}

/// None: another process follows it.
async fn startup_end(run: Option<Arc<LiveRun>>) -> Option<SessionEvent> {
    let failed = |why: String| Some(SessionEvent::CommandFinished { well: false, why });
    let Some(run) = run else { return failed("the start-up command was lost".into()) };
    match run.ended().await {
        Ok(result) => Some(startup_verdict(result.whole.verdict.unwrap_or(Verdict::InternalError))),
        Err(_) if run.is_left() => None,
        Err(failure) => failed(failure.detail),
    }
}

/// One after another, with what follows from all of them.
fn apply_all(
    life: &SessionLife,
    events: &[SessionEvent],
    now_ms: u64,
) -> Result<(SessionLife, Vec<SessionEffect>), SessionRejected> {
    let mut all = (life.clone(), Vec::new());
    for event in events {
        let (life, effects) = all.0.apply(event, now_ms)?;
        all.0 = life;
        all.1.extend(effects);
    }
    Ok(all)
}

fn startup_verdict(verdict: Verdict) -> SessionEvent {
    SessionEvent::CommandFinished { well: verdict == Verdict::Ok, why: format!("start-up command: {verdict}") }
}
