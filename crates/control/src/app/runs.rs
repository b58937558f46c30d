//! Runs: beginning, finding, cancelling.

use std::{future::Future, sync::Arc};

use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{Actor, Owner, RunEvent, RunSpec, Work, service::New};
use madang_node_api::{NodeError, RunHandle};
use madang_public_api::{OneShotRequest, RunFold, RunMode, RunRequest, RunView, ServerEventBody};
use madang_store::{RunGivenRecord, RunRecord};
use madang_trace::Context;
use tokio::sync::watch;
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    App, Asker, Claimed, Failure, IdempotencyKey,
    image::node_name,
    live_run::{LiveRun, RunFacts, ViewEnd, Wish, view},
    live_session::LiveSession,
    run_collect::collect,
    run_given, run_plan,
};
use crate::clock::now_us;

/// How much somebody already knows of a run when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nobody knows its id before its result: nothing is stored before.
    Silent,
    /// Its id is told at once, so it is kept from the start.
    Told,
    /// Its id was known before, and it is kept from the start.
    KnownAs(RunId),
}

/// Where and for whom a run begins.
struct Beginning<'a> {
    session: Option<&'a Arc<LiveSession>>,
    start: Start,
    key: Option<&'a IdempotencyKey>,
    given: Option<RunGivenRecord>,
}

/// Where a run's events come from.
#[derive(Debug, Clone)]
pub(crate) enum RunSource {
    Live(Arc<LiveRun>),
    Kept(Arc<Vec<RunEvent>>),
}

/// What a request has begun, or had begun before by the same key. It is at hand whatever becomes of it: one that its node refuses is
/// forgotten at once.
#[derive(Debug, Clone)]
pub(crate) struct RunBegun {
    pub id: RunId,
    pub source: RunSource,
}

impl App {
    /// A run in a fresh sandbox. An idempotency key may lead to one that is there already.
    pub async fn run_one_shot(
        self: &Arc<Self>,
        actor: &Actor,
        request: OneShotRequest,
        start: Start,
        key: Option<&IdempotencyKey>,
    ) -> Result<RunBegun, Failure> {
        let language = self.language_wanted(request.language.as_deref()).await?;
        let owner = self.people.now().owner(actor, request.project.as_deref())?;
        let mut plan = run_plan::one_shot(request, language.as_ref(), &self.config.limits_max)?;
        let made = self.image_asked(actor, &plan.sandbox.image).await?;
        if let Some(image) = &made {
            plan.sandbox.image = node_name(image.id);
        }
        madang_trace::span!("admission").in_scope(|| self.check_run_policy(actor, &owner, &plan.sandbox))?;
        let (image, language) = (plan.sandbox.image.clone(), plan.sandbox.language.clone());
        let facts =
            RunFacts { group: self.one_shot_group(), ..facts(&plan.run, owner, plan.sandbox.id, (image, language)) };
        let node = Arc::clone(&self.node);
        let wish = Beginning { session: None, start, key, given: None };
        let (app, sandbox) = (Arc::clone(self), plan.sandbox.id);
        let run = async move {
            if let Some(image) = made {
                app.fleet.place(sandbox, app.image_node(&image, None));
            }
            node.run_once(plan.sandbox, plan.run).await
        };
        self.run_begin(facts, wish, run).await
    }

    /// A run in a live session.
    pub async fn run_in_session(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        request: RunRequest,
        start: Start,
        key: Option<&IdempotencyKey>,
    ) -> Result<RunBegun, Failure> {
        let record = session.up()?;
        self.node_awaited(record.sandbox).await;
        let language = match (&record.spec.language, request.mode) {
            (Some(id), RunMode::Query | RunMode::Batch) => Some(self.languages.find(&*self.node, id)?),
            _ => None,
        };
        if request.mode == RunMode::Query && language.is_none() {
            return Err(Failure::invalid("mode", "this session has no language to query; use `command` or `batch`"));
        }
        let sandbox = session.sandbox(request.sandbox.as_deref())?;
        let run = run_plan::in_session(request, &record.spec, language.as_ref(), &self.config.limits_max)?;
        let run = match start {
            Start::KnownAs(id) => RunSpec { id, ..run },
            Start::Silent | Start::Told => run,
        };
        let what = (record.spec.image.clone(), record.spec.language.clone());
        let facts = facts(&run, record.owner, sandbox, what);
        let facts = RunFacts { session: Some(record.id), group: record.group().to_owned(), ..facts };
        let node = Arc::clone(&self.node);
        let wish = Beginning { session: Some(session), start, key, given: run_given::kept(&run) };
        self.run_begin(facts, wish, async move { node.run_start(sandbox, run).await }).await
    }

    /// Registers the run, claims the key, and leaves the rest to the collector. Returns as soon as that has begun.
    async fn run_begin<F>(
        self: &Arc<Self>,
        mut facts: RunFacts,
        wish: Beginning<'_>,
        begin: F,
    ) -> Result<RunBegun, Failure>
    where
        F: Future<Output = Result<RunHandle, NodeError>> + Send + 'static,
    {
        let Beginning { session, start, key, given } = wish;
        self.check_takes(if session.is_some() { New::InSession } else { New::Admission })?;
        let id = facts.id;
        match self.claim(key, id).await? {
            Claimed::Ours => {}
            Claimed::Before(known) => {
                let id = known.parse().map_err(|_| Failure::conflict("the key made no run"))?;
                return Ok(RunBegun { id, source: self.run_source(id).await? });
            }
        }
        facts.kept_from_start = start != Start::Silent || key.is_some();
        let kept_from_start = facts.kept_from_start;
        let (owner, session_id) = (facts.owner, facts.session);
        let (run, wishes) = LiveRun::new(facts);
        if let Err(full) = self.run_register(&run) {
            self.unclaim(key).await;
            return Err(full);
        }
        if kept_from_start && let Err(error) = self.run_keep(&run.facts.record(), given.as_ref()).await {
            self.run_forget(&run);
            self.unclaim(key).await;
            return Err(error);
        }
        if let Some(session) = session {
            session.run_began();
        }
        self.events.push(Some(owner), ServerEventBody::RunStarted { run: id, session: session_id });
        let (span, source) = (run.facts.span(), RunSource::Live(Arc::clone(&run)));
        tokio::spawn(collect(Arc::clone(self), run, wishes, begin).instrument(span));
        Ok(RunBegun { id, source })
    }

    async fn run_keep(&self, record: &RunRecord, given: Option<&RunGivenRecord>) -> Result<(), Failure> {
        match given {
            Some(given) => self.store.run_insert_given(record, given).await?,
            None => self.store.run_insert(record).await?,
        }
        Ok(())
    }

    pub(super) fn run_register(&self, run: &Arc<LiveRun>) -> Result<(), Failure> {
        let mut runs = self.runs();
        if runs.len() >= self.config.runs_max {
            return Err(Failure::too_many("runs_max", self.config.runs_max));
        }
        runs.insert(run.facts.id, Arc::clone(run));
        self.runs_count.send_replace(runs.len());
        Ok(())
    }

    /// Called by the collector once the store knows the rest.
    pub(super) fn run_forget(&self, run: &LiveRun) {
        if let Some(session) = run.facts.session.and_then(|id| self.session_live(id)) {
            session.run_ended();
        }
        if run.facts.session.is_none() {
            self.fleet.forget(run.facts.sandbox);
        }
        let mut runs = self.runs();
        runs.remove(&run.facts.id);
        self.runs_count.send_replace(runs.len());
    }

    /// Whether the asker may do with the run what is asked for.
    pub async fn run_check(&self, asker: &Asker, id: RunId) -> Result<(), Failure> {
        let not_found = || Failure::not_found(format!("run {id}"));
        let owner = match self.run_live(id) {
            Some(run) => run.facts.owner,
            None => self.store.run_owner(id).await?.ok_or_else(not_found)?,
        };
        asker.check(owner, not_found)
    }

    pub fn run_live(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.runs().get(&id).cloned()
    }

    pub fn runs_live(&self) -> Vec<Arc<LiveRun>> {
        self.runs().values().cloned().collect()
    }

    pub fn runs_live_count(&self) -> watch::Receiver<usize> {
        self.runs_count.subscribe()
    }

    /// The run as it is now, live or kept.
    pub async fn run_view(&self, id: RunId) -> Result<RunView, Failure> {
        if let Some(run) = self.run_live(id) {
            return Ok(run.view());
        }
        Ok(kept_view(self.run_kept(id).await?))
    }

    pub async fn run_source(&self, id: RunId) -> Result<RunSource, Failure> {
        if let Some(run) = self.run_live(id) {
            return Ok(RunSource::Live(run));
        }
        Ok(RunSource::Kept(Arc::new(self.run_kept(id).await?.events)))
    }

    /// Ends the run; one that has finished is left as it is.
    pub async fn run_cancel(&self, id: RunId) -> Result<RunView, Failure> {
        let Some(run) = self.run_live(id) else { return self.run_view(id).await };
        run.wish(Wish::Cancel);
        Ok(run.view())
    }

    /// Runs of a session whose sandbox is gone: nobody will report their end.
    pub fn runs_abandon(&self, session: SessionId, why: &str) {
        let theirs = |run: &Arc<LiveRun>| run.facts.session == Some(session);
        for run in self.runs_live().into_iter().filter(theirs) {
            run.wish(Wish::Abandon(why.to_owned()));
        }
    }

    async fn run_kept(&self, id: RunId) -> Result<RunRecord, Failure> {
        self.store.run_get(id).await?.ok_or_else(|| Failure::not_found(format!("run {id}")))
    }
}

/// Of a run outside of any session, with the image and language of its sandbox.
fn facts(run: &RunSpec, owner: Owner, sandbox: SandboxId, (image, language): (String, Option<String>)) -> RunFacts {
    let mode = match run.work {
        Work::Query { .. } => RunMode::Query,
        Work::Batch { .. } => RunMode::Batch,
        Work::Command { .. } => RunMode::Command,
    };
    RunFacts {
        id: run.id,
        owner,
        session: None,
        sandbox,
        group: String::new(),
        mode,
        image,
        language,
        created_us: now_us(),
        wall_ms: run.wall_ms_max(),
        kept_from_start: false,
    }
}

impl RunFacts {
    /// From now to its end, which whoever asked may not wait for.
    fn span(&self) -> Span {
        let span = madang_trace::span!(
            root "run",
            otel.status_code = Empty,
            madang.run.id = %self.id,
            madang.run.mode = mode_name(self.mode),
            madang.language = self.language.as_deref(),
            madang.session.id = Empty,
            madang.verdict = Empty,
        );
        if let Some(session) = self.session {
            span.record("madang.session.id", tracing::field::display(session));
        }
        Context::here().begin(span)
    }

    /// The record of a run that has just begun.
    pub(super) fn record(&self) -> RunRecord {
        RunRecord {
            id: self.id,
            session: self.session,
            owner: self.owner,
            mode: mode_name(self.mode).to_owned(),
            language: self.language.clone(),
            verdict: None,
            truncated: false,
            created_ms: self.created_us / 1_000,
            finished_ms: None,
            events: Vec::new(),
        }
    }
}

pub(crate) fn mode_name(mode: RunMode) -> &'static str {
    match mode {
        RunMode::Query => "query",
        RunMode::Batch => "batch",
        RunMode::Command => "command",
    }
}

/// The mode of that name.
pub(super) fn mode_named(name: &str) -> Option<RunMode> {
    [RunMode::Query, RunMode::Batch, RunMode::Command].into_iter().find(|mode| mode_name(*mode) == name)
}

/// What the record of a run tells of it; where and from what image it ran, and how long it may take, is not in there.
pub(super) fn facts_of(record: &RunRecord) -> RunFacts {
    RunFacts {
        id: record.id,
        session: record.session,
        owner: record.owner,
        sandbox: SandboxId::new(),
        group: String::new(),
        mode: mode_named(&record.mode).unwrap_or(RunMode::Command),
        image: String::new(),
        language: record.language.clone(),
        created_us: record.created_ms.saturating_mul(1_000),
        wall_ms: 0,
        kept_from_start: true,
    }
}

fn kept_view(record: RunRecord) -> RunView {
    let facts = facts_of(&record);
    let mut fold = RunFold::default();
    record.events.iter().for_each(|event| fold.push(&event.body));
    let state = match record.finished_ms {
        Some(_) => madang_public_api::RunState::Finished,
        None => madang_public_api::RunState::Running,
    };
    let end = ViewEnd { finished_ms: record.finished_ms, truncated: record.truncated, actions: &[] };
    view(&facts, fold, state, end)
}
