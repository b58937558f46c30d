//! Sessions: making, finding, ending, and every change of their state.

use std::{sync::Arc, time::Duration};

use madang_ids::{NodeId, SandboxId, SessionId};
use madang_model::{
    Actor, Owner, SessionEvent, SessionLife, SessionState, SignedInBy, TerminalSize, Usage, price::NANO_PER_MICRO,
    service::New, session::SessionOutcome,
};
use madang_public_api::{MountCreate, ProblemKind, RunMode, RunRequest, SessionCreate, SessionExplained, SessionView};
use madang_store::{Admit, SessionPage, SessionRecord, SubSandbox};
use tracing::{Instrument as _, field::Empty};

use super::{
    App, Asker, Claimed, Failure, IdempotencyKey,
    live_session::{Budgeted, LiveSession, Observed, session_view},
    policy::refused,
    session_plan::session_spec,
};
use crate::clock::now_ms;

/// Sessions come with this priority at most while their budget is nearly spent.
const PRIORITY_THROTTLED: i64 = -100;

impl App {
    /// Makes a session, or finds the one that the name or the key stands for.
    pub async fn session_create(
        self: &Arc<Self>,
        actor: &Actor,
        request: SessionCreate,
        key: Option<&IdempotencyKey>,
    ) -> Result<SessionView, Failure> {
        let language = self.language_wanted(request.language.as_deref()).await?;
        let owner = self.people.now().owner(actor, request.project.as_deref())?;
        let app = self.app_wanted(request.app.as_deref())?;
        let spec = session_spec(&request, (language.as_ref(), app.as_ref()), &self.config)?;
        self.queueing_known(actor, &spec.queueing).await?;
        if let (true, Some(name)) = (request.reuse_if_exists, &request.name)
            && let Some(session) = self.session_named(actor, name)
        {
            return Ok(session.view());
        }
        self.check_takes(New::Admission)?;
        let id = SessionId::new();
        if let Claimed::Before(known) = self.claim(key, id).await? {
            let known = known.parse().map_err(|_| Failure::conflict("the key made no session"))?;
            return self.session_view(known).await;
        }
        let record = session_record(id, owner, request.name, spec)?;
        let made = self.session_begin(actor, record, &request.mounts).await;
        if made.is_err() {
            self.unclaim(key).await;
        }
        made
    }

    /// What would come of it, and why; nothing is done.
    pub async fn session_explain(&self, actor: &Actor, request: SessionCreate) -> Result<SessionExplained, Failure> {
        let language = self.language_wanted(request.language.as_deref()).await?;
        let people = self.people.now();
        let owner = people.owner(actor, request.project.as_deref())?;
        let app = self.app_wanted(request.app.as_deref())?;
        let mut spec = session_spec(&request, (language.as_ref(), app.as_ref()), &self.config)?;
        self.queueing_known(actor, &spec.queueing).await?;
        drop(self.session_mounts(actor, owner, &request.mounts, &mut spec).await?);
        self.image_settle(actor, &mut spec).await?;
        let record = session_record(SessionId::new(), owner, request.name, spec)?;
        let refusals = self.store.session_admit(&record, &people.bounds(&owner, &actor.by), Admit::Try).await?;
        let budget = self.check_budget(&owner);
        let view = session_view(&record, 0);
        let impossible = self.impossible(&record).await;
        let waits_for = self.queue.why_not(&self.fleet, &record).filter(|_| impossible.is_none());
        Ok(SessionExplained {
            admitted: refusals.is_empty() && budget.is_ok() && impossible.is_none(),
            refusals,
            project: view.project,
            image: view.image,
            resources: view.resources,
            timeout_ms: view.timeout_ms,
            idle_timeout_ms: view.idle_timeout_ms,
            cost: self.cost_estimate(&record.spec),
            budget: budget.unwrap_or_else(|failure| Some(failure.detail)),
            waits_for,
            impossible,
        })
    }

    async fn session_begin(
        self: &Arc<Self>,
        actor: &Actor,
        mut record: SessionRecord,
        mounts: &[MountCreate],
    ) -> Result<SessionView, Failure> {
        let mounting = self.session_mounts(actor, record.owner, mounts, &mut record.spec).await?;
        self.image_settle(actor, &mut record.spec).await?;
        if self.sessions().len() >= self.config.sessions_max {
            return Err(Failure::too_many("sessions_max", self.config.sessions_max));
        }
        if let SignedInBy::Key(key) = &actor.by {
            record.access_key = Some(key.clone());
        }
        let lowered = self.check_budget(&record.owner)?;
        if lowered.is_some() {
            record.spec.queueing.priority = record.spec.queueing.priority.min(PRIORITY_THROTTLED);
        }
        if let Some(why) = self.impossible(&record).await {
            return Err(impossible(&why));
        }
        let bounds = self.people.now().bounds(&record.owner, &actor.by);
        self.queue.reservation_use(&mut record);
        let placement = madang_trace::span!("placement", madang.session.id = %record.id, madang.node.id = Empty);
        let entering = placement.in_scope(|| self.queue.enter(&self.fleet, &record));
        let places = entering.places.clone();
        let node = places.first().map(|place| place.node);
        placement.record("madang.node.id", node.map(tracing::field::display));
        drop(placement);
        record.held = entering.held.clone();
        record.life = admitted(node, record.created_ms)?;
        record.subs_place(&places);
        let fence = self.leadership.fence(record.group());
        let admission = madang_trace::span!("admission", madang.session.id = %record.id);
        let admitted = self.store.session_admit(&record, &bounds, Admit::Keep(fence.as_ref()));
        refused(admitted.instrument(admission).await?)?;
        let id = record.id;
        let waited_ms = now_ms().saturating_sub(record.created_ms);
        let session = LiveSession::new(record);
        session.budgeted_set(Budgeted { note: lowered, ..Budgeted::default() });
        self.sessions().insert(id, Arc::clone(&session));
        drop(mounting);
        if node.is_some() {
            self.metrics.flow.session_placed(waited_ms);
            self.sandboxes_place(&session.record(), &places);
        }
        entering.kept();
        if session.record.borrow().spec.queueing.reservation.is_some() {
            // One slot less has to wait.
            self.queue.wake.notify_one();
        }
        self.session_told(&session.record());
        match node {
            Some(_) => self.session_open(&session),
            None => {
                self.session_line_up(&session.record()).await?;
                self.queue_decide().await;
            }
        }
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
            // Its nodes have gone meanwhile, or what it waits for did not end well.
            SessionState::Refused { limit } => Err(impossible(limit)),
            SessionState::Draining { ending } | SessionState::Ended { ending }
                if ending.outcome == SessionOutcome::Failed =>
            {
                let detail = format!("the session could not start: {}", ending.why);
                Err(Failure { retry_after_ms: Some(1_000), ..Failure::new(ProblemKind::Unavailable, detail) })
            }
            _ => Ok(session.project(&record, self.session_view_queued(&record, session.runs_live()))),
        }
    }

    /// By id, or by the name of a live session of the asker's own; only if the asker may do with it what is asked for.
    pub async fn session_id(&self, asker: &Asker, text: &str) -> Result<SessionId, Failure> {
        let not_found = || Failure::not_found(format!("session {text}"));
        let id = match text.parse() {
            Ok(id) => id,
            Err(_) => self.session_named(asker, text).ok_or_else(not_found)?.record.borrow().id,
        };
        let live = self.session_live(id).map(|session| session.record.borrow().owner);
        let owner = match live {
            Some(owner) => owner,
            None => self.store.session_owner(id).await?.ok_or_else(not_found)?,
        };
        asker.check(owner, not_found)?;
        Ok(id)
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
        let mut view = match self.session_live(id) {
            Some(session) => {
                let record = session.record();
                session.project(&record, self.session_view_queued(&record, session.runs_live()))
            }
            None => session_view(&self.session_record(id).await?, 0),
        };
        if self.people.now().currency().is_some() {
            let spent = self.store.usage_of_session(id).await?;
            view.cost_micro = Some(spent.map_or(0, |(_, cost_nano)| cost_nano / NANO_PER_MICRO));
        }
        Ok(view)
    }

    pub async fn session_list(&self, page: &SessionPage) -> Result<Vec<SessionView>, Failure> {
        let records = self.store.session_list(page).await?;
        let view = |record: &SessionRecord| match self.session_live(record.id) {
            Some(session) => session.project(record, session_view(record, session.runs_live())),
            None => session_view(record, 0),
        };
        Ok(records.iter().map(view).collect())
    }

    pub(super) async fn session_record(&self, id: SessionId) -> Result<SessionRecord, Failure> {
        if let Some(session) = self.session_live(id) {
            return Ok(session.record());
        }
        self.store.session_get(id).await?.ok_or_else(|| Failure::not_found(format!("session {id}")))
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
        if matches!(record.life.state, SessionState::Running { .. } | SessionState::Suspended { .. }) {
            return self.sandboxes_usage(&record).await;
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

    fn session_named(&self, actor: &Actor, name: &str) -> Option<Arc<LiveSession>> {
        let theirs = |session: &&Arc<LiveSession>| {
            let record = session.record.borrow();
            record.owner.user == actor.user && record.name == name
        };
        self.sessions().values().find(theirs).cloned()
    }
}

/// Asking again is of no use as long as the nodes are what they are.
fn impossible(why: &str) -> Failure {
    Failure { limit: Some("resource_group".to_owned()), ..Failure::new(ProblemKind::Limit, why) }
}

fn session_record(
    id: SessionId,
    owner: Owner,
    name: Option<String>,
    spec: madang_model::SessionSpec,
) -> Result<SessionRecord, Failure> {
    let now = now_ms();
    Ok(SessionRecord {
        id,
        name: name.unwrap_or_else(|| default_name(id)),
        generation: 0,
        owner,
        access_key: None,
        sandbox: SandboxId::new(),
        subs: SubSandbox::make(&spec.cluster),
        spec,
        life: admitted(None, now)?,
        created_ms: now,
        started_ms: None,
        ended_ms: None,
        usage: None,
        held: None,
    })
}

/// What finds room is placed and told at once; what does not waits.
fn admitted(node: Option<NodeId>, now: u64) -> Result<SessionLife, Failure> {
    let mut events = vec![SessionEvent::Admitted];
    if node.is_some() {
        events.extend([SessionEvent::Placed { node }, SessionEvent::StartAsked]);
    }
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
