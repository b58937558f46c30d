//! The collector: one task per run that reads what the node says, keeps it, and ends the run when nobody else does.
//!
//! It owns the run's life cycle. It always drains the node's events, whoever else listens or not; it stores the result before anyone
//! may read it.

use std::{future::Future, sync::Arc, time::Duration};

use madang_model::{
    Outcome, RunEvent, RunEventBody, RunLife, RunState, RunStateEvent, Verdict,
    run_state::{RunEffect, broken},
};
use madang_node_api::{NodeError, RunControl, RunHandle};
use madang_public_api::{RunFold, ServerEventBody};
use madang_store::{Fence, StoreError};
use tokio::{sync::mpsc, time::Instant};
use tracing::{Instrument as _, Span};

use super::{
    App, Failure,
    live_run::{LiveRun, Phase, ViewEnd, Wish, view},
    run_node::RunNode,
};
use crate::clock::{now_ms, now_us};

/// A run of a session that is suspended is looked at this often.
const SUSPENDED_AGAIN_MS: u64 = 1_000;

struct Collector {
    app: Arc<App>,
    run: Arc<LiveRun>,
    life: RunLife,
    fold: RunFold,
    control: Option<mpsc::Sender<RunControl>>,
    node: RunNode,
    /// What of the time that its session was suspended was before it.
    suspended_before_ms: u64,
    /// Another process follows it.
    left: bool,
}

/// Starts the run and follows it to its end.
pub(crate) async fn collect<F>(app: Arc<App>, run: Arc<LiveRun>, wishes: mpsc::Receiver<Wish>, start: F)
where
    F: Future<Output = Result<RunHandle, NodeError>> + Send,
{
    let life = RunLife::starting(run.facts.created_us / 1_000);
    collect_from(life, app, run, wishes, start).await;
}

/// As [`collect`], for one that runs already and has to be heard again: how long ago it began, and how long its node stays silent, does
/// not end it.
pub(crate) async fn collect_on<F>(app: Arc<App>, run: Arc<LiveRun>, wishes: mpsc::Receiver<Wish>, start: F)
where
    F: Future<Output = Result<RunHandle, NodeError>> + Send,
{
    let life = RunLife { state: RunState::Running, since_ms: now_ms() };
    collect_from(life, app, run, wishes, start).await;
}

async fn collect_from<F>(life: RunLife, app: Arc<App>, run: Arc<LiveRun>, mut wishes: mpsc::Receiver<Wish>, start: F)
where
    F: Future<Output = Result<RunHandle, NodeError>> + Send,
{
    let node = RunNode::new(&app.fleet, run.facts.sandbox);
    let session = run.facts.session.and_then(|session| app.session_live(session));
    let suspended_before_ms = session.map_or(0, |session| session.suspended_before_ms());
    let fold = RunFold::default();
    let mut collector = Collector { app, run, life, fold, control: None, node, suspended_before_ms, left: false };
    match collector.start(&mut wishes, start).await {
        Ok(Some(handle)) => collector.follow(handle, wishes).await,
        Ok(None) => collector.finish().await,
        Err(failure) => collector.refuse(failure).await,
    }
}

impl Collector {
    /// None: it was over before it began.
    async fn start<F>(&mut self, wishes: &mut mpsc::Receiver<Wish>, start: F) -> Result<Option<RunHandle>, Failure>
    where
        F: Future<Output = Result<RunHandle, NodeError>> + Send,
    {
        tokio::pin!(start);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                started = &mut start => {
                    let handle = started?;
                    // Nobody else sets it.
                    let _ = self.run.control.set(handle.control.clone());
                    self.control = Some(handle.control.clone());
                    self.apply(&RunStateEvent::Accepted);
                    self.run.phase_set(Phase::Accepted);
                    return Ok(Some(handle));
                }
                Some(wish) = wishes.recv() => self.wished(wish),
                () = self.node.changed() => {}
                () = tokio::time::sleep_until(deadline) => self.passed(),
            }
            if self.is_over() {
                return Ok(None);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.left || matches!(self.life.state, RunState::Finished { .. })
    }

    async fn follow(mut self, mut handle: RunHandle, mut wishes: mpsc::Receiver<Wish>) {
        self.node.placed();
        let mut deadline = Box::pin(tokio::time::sleep_until(self.deadline()));
        while !self.is_over() {
            let since = self.life.since_ms;
            tokio::select! {
                biased;
                // Wishes first: a session that ends cancels its runs before its sandbox goes away.
                Some(wish) = wishes.recv() => self.wished(wish),
                event = handle.events.recv() => match event {
                    Some(event) => self.heard(event),
                    None => self.apply(&RunStateEvent::Abandoned { why: "the sandbox went away".into() }),
                },
                () = self.node.changed() => deadline.as_mut().reset(self.deadline()),
                () = &mut deadline => {
                    self.passed();
                    deadline.as_mut().reset(self.deadline());
                }
            }
            if since != self.life.since_ms {
                deadline.as_mut().reset(self.deadline());
            }
        }
        self.finish().await;
    }

    fn heard(&mut self, event: RunEvent) {
        match &event.body {
            RunEventBody::Finished { outcome } => {
                let event = RunStateEvent::Finished { outcome: outcome.clone() };
                self.apply(&event);
                return;
            }
            RunEventBody::Started => {
                self.app.metrics.run_started(now_us().saturating_sub(self.run.facts.created_us));
            }
            _ => {}
        }
        self.fold.push(&event.body);
        self.run.push(event);
    }

    fn wished(&mut self, wish: Wish) {
        match wish {
            Wish::Cancel => self.apply(&RunStateEvent::CancelAsked),
            Wish::Abandon(why) => self.apply(&RunStateEvent::Abandoned { why }),
            Wish::Leave => self.left = true,
        }
    }

    fn apply(&mut self, event: &RunStateEvent) {
        match self.life.apply(event, now_ms()) {
            Ok((life, effects)) => {
                self.life = life;
                self.run.life_set(self.life.clone());
                if let (true, Some(control)) = (effects.contains(&RunEffect::Cancel), &self.control) {
                    // A full queue: the program does not read its input. The deadline of `Cancelling` ends it then.
                    let _ = control.try_send(RunControl::Cancel);
                }
            }
            Err(rejected) => tracing::debug!(run = %self.run.facts.id, %rejected, "event without effect"),
        }
    }

    /// A deadline has come, unless it has moved on while its session was suspended.
    fn passed(&mut self) {
        if self.deadline() <= Instant::now() {
            self.apply(&RunStateEvent::DeadlinePassed);
        }
    }

    fn deadline(&self) -> Instant {
        let after = |ms: u64| Instant::now() + Duration::from_millis(ms);
        let mut at = self.life.deadline_ms(self.run.facts.wall_ms).unwrap_or(u64::MAX);
        // Time that stands still is none of the run's.
        if let Some(session) = self.run.facts.session.and_then(|session| self.app.session_live(session)) {
            at = at.saturating_add(session.suspended_for_ms().saturating_sub(self.suspended_before_ms));
            if session.record.borrow().life.is_suspended() {
                at = at.max(now_ms().saturating_add(SUSPENDED_AGAIN_MS));
            }
        }
        let ours = after(at.saturating_sub(now_ms()).min(DEADLINE_MS_MAX));
        self.node.deadline(ours).unwrap_or_else(|| after(DEADLINE_MS_MAX))
    }

    /// Stores the result, then lets everybody read it.
    async fn finish(mut self) {
        let RunState::Finished { outcome } = self.life.state.clone() else {
            return self.leave();
        };
        if self.left {
            return self.leave();
        }
        Span::current().record("madang.verdict", outcome.verdict.name());
        if outcome.verdict == Verdict::InternalError {
            Span::current().record("otel.status_code", "ERROR");
        }
        let kept = self.store_while_led(&outcome).instrument(madang_trace::span!("store")).await;
        let outcome = match kept {
            Ok(()) => outcome,
            Err(StoreError::Fenced { .. }) => return self.leave(),
            Err(failure) => {
                tracing::error!(run = %self.run.facts.id, error = ?failure, "a result could not be kept");
                broken("the result could not be kept")
            }
        };
        let verdict = outcome.verdict;
        if self.run.facts.session.is_none() {
            self.app.metrics.flow.used(&outcome.usage);
        }
        let last = finished_event(outcome);
        self.fold.push(&last.body);
        let end = ViewEnd { finished_ms: Some(self.life.since_ms), truncated: self.run.is_truncated(), actions: &[] };
        let view = view(&self.run.facts, self.fold, madang_public_api::RunState::Finished, end);
        // Nobody else sets it.
        let _ = self.run.result.set(Arc::new(view));
        self.app.metrics.run_finished(verdict, self.run.facts.language.as_deref());
        self.app.spent_something(std::iter::once(&self.run.facts.owner));
        self.app.run_forget(&self.run);
        self.run.push(last);
        self.run.phase_set(Phase::Finished);
        if self.run.facts.session.is_some() {
            self.app.run_forget_at_node(self.run.facts.id).await;
        }
        let (run, session) = (self.run.facts.id, self.run.facts.session);
        self.app.events.push(Some(self.run.facts.owner), ServerEventBody::RunFinished { run, session, verdict });
    }

    /// Once more where only the term is another one: this process led before and leads since, and nobody else takes the run up.
    async fn store_while_led(&self, outcome: &Outcome) -> Result<(), StoreError> {
        let (leadership, group) = (&self.app.leadership, &self.run.facts.group);
        loop {
            let fence = leadership.fence(group);
            let kept = self.store(outcome.clone(), fence.as_ref()).await;
            let Some(fence) = fence.filter(|_| matches!(kept, Err(StoreError::Fenced { .. }))) else { return kept };
            if !leadership.goes_on(group, &fence).await {
                return kept;
            }
        }
    }

    async fn store(&self, outcome: Outcome, fence: Option<&Fence>) -> Result<(), StoreError> {
        let (mut events, truncated) = self.run.snapshot();
        let verdict = outcome.verdict;
        let used = self.app.usage_of_run(&self.run.facts, outcome.usage, self.life.since_ms);
        events.push(RunEvent { seq: events.len() as u64, ..finished_event(outcome) });
        let mut record = self.run.facts.record();
        record.verdict = Some(verdict);
        record.truncated = truncated;
        record.finished_ms = Some(self.life.since_ms);
        record.events = events;
        self.app.store.run_finish_fenced(&record, used.as_ref(), fence).await
    }

    /// The process that leads now finds it at the node, or owns up to its loss.
    fn leave(self) {
        let _ = self.run.refusal.set(Failure::led_elsewhere());
        self.app.run_forget(&self.run);
        self.run.phase_set(Phase::Left);
    }

    /// The node did not take it: whoever asked gets the reason, and nothing of it stays.
    async fn refuse(self, failure: Failure) {
        Span::current().record("otel.status_code", "ERROR");
        if self.run.facts.kept_from_start {
            let outcome = broken(&failure.detail);
            if let Err(error) = self.store_while_led(&outcome).await {
                tracing::error!(run = %self.run.facts.id, ?error, "a refused run could not be kept");
            }
        }
        let _ = self.run.refusal.set(failure);
        self.app.run_forget(&self.run);
        self.run.phase_set(Phase::Refused);
    }
}

/// Timers beyond a month are as good as none.
const DEADLINE_MS_MAX: u64 = 31 * 86_400_000;

fn finished_event(outcome: Outcome) -> RunEvent {
    RunEvent { seq: 0, at_us: now_us(), body: RunEventBody::Finished { outcome } }
}
