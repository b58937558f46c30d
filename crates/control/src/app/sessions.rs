//! Sessions: making, finding, ending, and every change of their state.

use std::{sync::Arc, time::Duration};

use madang_ids::{SandboxId, SessionId};
use madang_model::{
    SessionEvent, SessionKind, SessionLife, SessionState, TerminalSize, Usage, Verdict,
    session::{SessionEffect, SessionOutcome},
};
use madang_node_api::{Network, SandboxSpec};
use madang_public_api::{ProblemKind, RunMode, RunRequest, ServerEventBody, SessionCreate, SessionView};
use madang_store::{SessionPage, SessionRecord, StoreError};

use super::{
    App, Claimed, Failure, IdempotencyKey, Start,
    live_session::{LiveSession, Observed, session_view, state_view},
    session_plan::session_spec,
};
use crate::clock::now_ms;

/// A change that met another change reads the record again and tries once more, so often.
const CHANGE_TRIES_MAX: usize = 3;

impl App {
    /// Makes a session, or finds the one that the name or the key stands for.
    pub async fn session_create(
        self: &Arc<Self>,
        request: SessionCreate,
        key: Option<&IdempotencyKey>,
    ) -> Result<SessionView, Failure> {
        let language = match request.language.as_deref() {
            Some(id) => Some(self.languages.find(&*self.node, id)?),
            None => None,
        };
        let spec = session_spec(&request, language.as_ref(), &self.config)?;
        if let (true, Some(name)) = (request.reuse_if_exists, &request.name)
            && let Some(session) = self.session_named(name)
        {
            return Ok(session.view());
        }
        self.check_serving()?;
        let id = SessionId::new();
        if let Claimed::Before(known) = self.claim(key, id).await? {
            let known = known.parse().map_err(|_| Failure::conflict("the key made no session"))?;
            return self.session_view(known).await;
        }
        let made = self.session_begin(id, request.name, spec).await;
        if made.is_err() {
            self.unclaim(key).await;
        }
        made
    }

    async fn session_begin(
        self: &Arc<Self>,
        id: SessionId,
        name: Option<String>,
        spec: madang_model::SessionSpec,
    ) -> Result<SessionView, Failure> {
        if self.sessions().len() >= self.config.sessions_max {
            return Err(Failure::too_many("sessions_max", self.config.sessions_max));
        }
        let now = now_ms();
        let name = name.unwrap_or_else(|| default_name(id));
        let record = SessionRecord {
            id,
            name,
            generation: 0,
            sandbox: SandboxId::new(),
            spec,
            life: admitted(now)?,
            created_ms: now,
            started_ms: None,
            ended_ms: None,
            usage: None,
        };
        self.store.session_insert(&record).await?;
        let session = LiveSession::new(record);
        self.sessions().insert(id, Arc::clone(&session));
        self.session_told(&session.record());
        self.session_open(&session);
        self.session_started(&session).await
    }

    /// Waits a while for the session to run; one that takes longer is answered as it is.
    async fn session_started(&self, session: &LiveSession) -> Result<SessionView, Failure> {
        let mut changes = session.record.subscribe();
        let settled = |record: &SessionRecord| !matches!(record.life.state, SessionState::Starting { .. });
        let wait = Duration::from_millis(self.config.session_start_wait_ms);
        // Late is no error: the client sees `starting`.
        let _ = tokio::time::timeout(wait, changes.wait_for(settled)).await;
        if let Some(refusal) = session.refusal.get() {
            return Err(refusal.clone());
        }
        let record = session.record();
        match &record.life.state {
            SessionState::Draining { ending } | SessionState::Ended { ending }
                if ending.outcome == SessionOutcome::Failed =>
            {
                let detail = format!("the session could not start: {}", ending.why);
                Err(Failure { retry_after_ms: Some(1_000), ..Failure::new(ProblemKind::Unavailable, detail) })
            }
            _ => Ok(session.view()),
        }
    }

    /// By id, or by the name of a live session.
    pub async fn session_id(&self, text: &str) -> Result<SessionId, Failure> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let named = self.session_named(text).map(|session| session.record.borrow().id);
        named.ok_or_else(|| Failure::not_found("the session"))
    }

    pub fn session_live(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.sessions().get(&id).cloned()
    }

    pub fn sessions_live(&self) -> Vec<Arc<LiveSession>> {
        self.sessions().values().cloned().collect()
    }

    /// A live session; one that has ended is a conflict, one that never was is not found.
    pub async fn session_usable(&self, id: SessionId) -> Result<Arc<LiveSession>, Failure> {
        if let Some(session) = self.session_live(id) {
            return Ok(session);
        }
        let record = self.session_record(id).await?;
        Err(Failure::conflict(format!("the session is {}, not running", record.life.state.name())))
    }

    pub async fn session_view(&self, id: SessionId) -> Result<SessionView, Failure> {
        match self.session_live(id) {
            Some(session) => Ok(session.view()),
            None => Ok(session_view(&self.session_record(id).await?, 0)),
        }
    }

    pub async fn session_list(&self, page: &SessionPage) -> Result<Vec<SessionView>, Failure> {
        let records = self.store.session_list(page).await?;
        let runs = |record: &SessionRecord| self.session_live(record.id).map_or(0, |session| session.runs_live());
        Ok(records.iter().map(|record| session_view(record, runs(record))).collect())
    }

    pub(super) async fn session_record(&self, id: SessionId) -> Result<SessionRecord, Failure> {
        if let Some(session) = self.session_live(id) {
            return Ok(session.record());
        }
        self.store.session_get(id).await?.ok_or_else(|| Failure::not_found("the session"))
    }

    /// Asks the session to end; it drains. One that drains or has ended is left as it is.
    pub async fn session_end(self: &Arc<Self>, id: SessionId, why: &str) -> Result<SessionView, Failure> {
        if let Some(session) = self.session_live(id) {
            let event = SessionEvent::EndAsked { why: why.to_owned() };
            self.session_apply(&session, &event, Observed::default()).await?;
        }
        self.session_view(id).await
    }

    pub async fn session_usage(&self, id: SessionId) -> Result<Usage, Failure> {
        let record = self.session_record(id).await?;
        if matches!(record.life.state, SessionState::Running { .. }) {
            return Ok(self.node.usage(record.sandbox).await?);
        }
        Ok(record.usage.unwrap_or_default())
    }

    /// A shell on a terminal in the session.
    pub fn terminal_request(size: TerminalSize) -> RunRequest {
        let argv = ["/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi"];
        RunRequest {
            mode: RunMode::Command,
            argv: argv.map(str::to_owned).to_vec(),
            terminal: Some(size),
            ..RunRequest::default()
        }
    }

    /// Applies an event to the session, stores it, and does what follows. An event that comes too late changes nothing and is no error.
    pub async fn session_apply(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        event: &SessionEvent,
        observed: Observed,
    ) -> Result<(), Failure> {
        let effects = self.session_change(session, event, observed).await?;
        for effect in effects {
            match effect {
                SessionEffect::SandboxOpen => self.session_open(session),
                SessionEffect::SandboxClose => self.session_close(session),
                SessionEffect::RunsAbandon => {
                    self.runs_abandon(Some(session.record.borrow().id), "its session is gone");
                }
                SessionEffect::StartupCommandRun => self.session_startup(session),
            }
        }
        Ok(())
    }

    async fn session_change(
        &self,
        session: &LiveSession,
        event: &SessionEvent,
        observed: Observed,
    ) -> Result<Vec<SessionEffect>, Failure> {
        let _one_at_a_time = session.change.lock().await;
        for _ in 0..CHANGE_TRIES_MAX {
            let mut record = session.record();
            let now = now_ms();
            let (life, effects) = match record.life.apply(event, now) {
                Ok(next) => next,
                Err(rejected) => {
                    tracing::debug!(session = %record.id, %rejected, "event without effect");
                    return Ok(Vec::new());
                }
            };
            record.life = life;
            record.usage = observed.usage.or(record.usage);
            if matches!(record.life.state, SessionState::Running { .. }) {
                record.started_ms = Some(now);
            }
            if !record.life.is_live() {
                record.ended_ms = Some(now);
            }
            match self.store.session_update(&record).await {
                Ok(generation) => {
                    record.generation = generation;
                    self.session_changed(session, record);
                    return Ok(effects);
                }
                Err(StoreError::Stale { .. }) => self.session_reload(session).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::conflict("the session keeps changing; try again"))
    }

    fn session_changed(&self, session: &LiveSession, record: SessionRecord) {
        if !record.life.is_live() {
            self.sessions().remove(&record.id);
        }
        self.session_told(&record);
        session.record.send_replace(record);
    }

    async fn session_reload(&self, session: &LiveSession) -> Result<(), Failure> {
        let id = session.record.borrow().id;
        let record = self.store.session_get(id).await?.ok_or_else(|| Failure::not_found("the session"))?;
        session.record.send_replace(record);
        Ok(())
    }

    fn session_told(&self, record: &SessionRecord) {
        let why = session_view(record, 0).why;
        let state = state_view(&record.life.state);
        self.events.push(ServerEventBody::SessionChanged { session: record.id, state, why });
    }

    /// Makes the sandbox in the background; idempotent under its id.
    pub fn session_open(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let record = session.record();
            let spec = SandboxSpec {
                id: record.sandbox,
                session: record.id,
                image: record.spec.image.clone(),
                language: record.spec.language.clone(),
                limits: record.spec.limits,
                env: record.spec.env.clone(),
                network: Network::None,
            };
            let event = match app.node.sandbox_open(spec).await {
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
        });
    }

    /// Ends what is in the sandbox, in the background; what fails is tried again by the reconciler.
    pub fn session_close(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let record = session.record();
            match app.node.sandbox_close(record.sandbox).await {
                Ok(usage) => {
                    let observed = Observed { usage: Some(usage) };
                    if let Err(failure) = app.session_apply(&session, &SessionEvent::Drained, observed).await {
                        tracing::error!(session = %record.id, error = ?failure, "a session's end could not be kept");
                    }
                }
                Err(error) => tracing::warn!(session = %record.id, %error, "a sandbox could not be closed yet"),
            }
        });
    }

    fn session_startup(self: &Arc<Self>, session: &Arc<LiveSession>) {
        let record = session.record();
        let Some(command) = record.spec.startup_command.clone() else { return };
        let (app, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            let event = app.startup_outcome(&session, command).await;
            if record.spec.kind == SessionKind::Batch
                && let Err(failure) = app.session_apply(&session, &event, Observed::default()).await
            {
                tracing::error!(session = %record.id, error = ?failure, "a batch session's end could not be kept");
            }
        });
    }

    async fn startup_outcome(self: &Arc<Self>, session: &Arc<LiveSession>, command: String) -> SessionEvent {
        let failed = |why: String| SessionEvent::CommandFinished { well: false, why };
        let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), command];
        let mut request = RunRequest { mode: RunMode::Command, argv, ..RunRequest::default() };
        let record = session.record();
        if record.spec.kind == SessionKind::Batch {
            request.limits.wall_ms = Some(record.spec.timeout_ms.min(self.config.limits_max.wall_ms));
            request.limits.cpu_ms = Some(self.config.limits_max.cpu_ms);
        }
        let id = match self.run_in_session(session, request, Start::Told, None).await {
            Ok(id) => id,
            Err(failure) => return failed(failure.detail),
        };
        let Some(run) = self.run_live(id) else { return failed("the start-up command was lost".into()) };
        match run.ended().await {
            Ok(result) => {
                let verdict = result.whole.verdict.unwrap_or(Verdict::InternalError);
                SessionEvent::CommandFinished {
                    well: verdict == Verdict::Ok,
                    why: format!("start-up command: {verdict}"),
                }
            }
            Err(failure) => failed(failure.detail),
        }
    }

    fn session_named(&self, name: &str) -> Option<Arc<LiveSession>> {
        self.sessions().values().find(|session| session.record.borrow().name == name).cloned()
    }
}

/// There is one node and no queue yet: what is admitted is placed and told at once.
fn admitted(now: u64) -> Result<SessionLife, Failure> {
    let events = [SessionEvent::Admitted, SessionEvent::Placed { node: None }, SessionEvent::StartAsked];
    let mut life = SessionLife::requested(now);
    for event in events {
        (life, _) = life.apply(&event, now).map_err(|rejected| Failure::internal("admitting a session", rejected))?;
    }
    Ok(life)
}

/// The random end of the id: names need not sort.
fn default_name(id: SessionId) -> String {
    let text = id.to_string();
    format!("session-{}", &text[text.len() - 12..])
}
