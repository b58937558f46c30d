//! A session that has not ended: the present record, and what only memory knows of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use madang_ids::{Millis, SandboxId};
use madang_model::{
    Activity, DevicesHeld, Limits, ProjectedEnd, SessionLife, SessionState, Usage,
    utilization::{Underused, Utilization, UtilizationRule},
};
use madang_public_api::{
    OnNodeLoss, Resources, SessionKind, SessionState as StateView, SessionView, Timestamp, bounds,
};
use madang_store::SessionRecord;
use madang_trace::Context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{
    Failure, accelerator,
    cluster::{cluster_view, sandbox_of},
    folder_mount::mounts_view,
    network,
};
use crate::clock::now_ms;

#[derive(Debug)]
pub(crate) struct LiveSession {
    /// As the store has it; changed only by [`App::session_apply`](super::App::session_apply).
    pub(crate) record: watch::Sender<SessionRecord>,
    /// One change at a time.
    pub(super) change: tokio::sync::Mutex<()>,
    /// Held while its sandboxes are frozen or thawed and the record is made to say so. Taken before `change`.
    pub(super) freezing: tokio::sync::Mutex<()>,
    /// It is not suspended for being idle before this time: it was tried, and could not be.
    suspend_from_ms: AtomicU64,
    /// How long it was suspended in all, up to the last time it was resumed, as far as this process knows.
    suspended_ms: AtomicU64,
    /// Why its sandbox could not be made, for whoever waits for it.
    pub(super) refusal: OnceLock<Failure>,
    /// What its budget has come to.
    budgeted: Mutex<Budgeted>,
    /// What those of its sandboxes used that are closed while others are not.
    closed: Mutex<BTreeMap<SandboxId, Usage>>,
    runs: AtomicU64,
    active_ms: AtomicU64,
    /// What connections to its apps had carried when that was last looked at.
    app_bytes: AtomicU64,
    /// A place for each language server that may be in use.
    services: Arc<Semaphore>,
    utilization: Mutex<Watched>,
    /// Of whoever made it: it may wait for long, and start much later.
    pub(super) trace: Context,
}

/// What is known of how much of the session its programs use.
#[derive(Debug, Default)]
struct Watched {
    seen: Utilization,
    /// That they use too little, and which rule says so.
    low: Option<(Underused, UtilizationRule)>,
}

/// What its node was told because of its budget, and what people are.
#[derive(Debug, Clone, Default)]
pub(super) struct Budgeted {
    pub every_ms: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub note: Option<String>,
}

impl LiveSession {
    pub fn new(record: SessionRecord) -> Arc<Self> {
        Arc::new(Self {
            record: watch::Sender::new(record),
            change: tokio::sync::Mutex::new(()),
            freezing: tokio::sync::Mutex::new(()),
            suspend_from_ms: AtomicU64::new(0),
            suspended_ms: AtomicU64::new(0),
            refusal: OnceLock::new(),
            budgeted: Mutex::default(),
            closed: Mutex::default(),
            runs: AtomicU64::new(0),
            active_ms: AtomicU64::new(now_ms()),
            app_bytes: AtomicU64::new(0),
            services: Arc::new(Semaphore::new(bounds::LANGUAGE_SERVICES_MAX)),
            utilization: Mutex::default(),
            trace: Context::here(),
        })
    }

    pub fn record(&self) -> SessionRecord {
        self.record.borrow().clone()
    }

    /// The record, if programs can run in the session now.
    pub fn running(&self) -> Result<SessionRecord, Failure> {
        let record = self.record();
        match record.life.state {
            SessionState::Running { .. } => Ok(record),
            ref state => Err(Failure::conflict(format!("the session is {}, not running", state.name()))),
        }
    }

    /// The record, if the session has its sandboxes: it runs or is suspended.
    pub fn up(&self) -> Result<SessionRecord, Failure> {
        let record = self.record();
        if record.life.is_suspended() { Ok(record) } else { self.running() }
    }

    /// When it is to be suspended, if nobody uses it until then.
    pub fn suspend_at_ms(&self) -> Option<u64> {
        let after = self.record.borrow().spec.suspend_idle_ms.filter(|_| self.runs_live() == 0)?;
        Some(self.active_ms().saturating_add(after).max(self.suspend_from_ms.load(Ordering::Relaxed)))
    }

    /// How long it was suspended, before it was resumed last.
    pub fn suspended_before_ms(&self) -> u64 {
        self.suspended_ms.load(Ordering::Relaxed)
    }

    /// The same with the time since it was suspended, if it is.
    pub fn suspended_for_ms(&self) -> u64 {
        let record = self.record.borrow();
        let since = record.life.is_suspended().then_some(record.life.since_ms);
        self.suspended_before_ms().saturating_add(since.map_or(0, |since| now_ms().saturating_sub(since)))
    }

    /// Counts the time that ends with the change to `next`, if it was suspended.
    pub(super) fn stood_still(&self, next: &SessionLife) {
        let record = self.record.borrow();
        if record.life.is_suspended() && !next.is_suspended() {
            let stood_ms = now_ms().saturating_sub(record.life.since_ms);
            self.suspended_ms.fetch_add(stood_ms, Ordering::Relaxed);
        }
    }

    pub(super) fn suspend_not_before(&self, at_ms: u64) {
        self.suspend_from_ms.store(at_ms, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, sandbox: SandboxId) -> Option<Usage> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).get(&sandbox).copied()
    }

    pub(super) fn closed_set(&self, sandbox: SandboxId, usage: Usage) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).entry(sandbox).or_insert(usage);
    }

    /// The sandbox that a request names, if programs can run in it now; the first where it names none.
    pub fn sandbox(&self, name: Option<&str>) -> Result<SandboxId, Failure> {
        sandbox_of(&self.up()?, name)
    }

    pub(super) fn budgeted(&self) -> Budgeted {
        self.budgeted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn budgeted_set(&self, budgeted: Budgeted) {
        *self.budgeted.lock().unwrap_or_else(PoisonError::into_inner) = budgeted;
    }

    pub fn run_began(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    pub fn run_ended(&self) {
        // A run that was refused before it counted must not make the number wrap.
        let _ = self.runs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |runs| runs.checked_sub(1));
        self.touch();
    }

    /// Somebody used the session just now.
    pub fn touch(&self) {
        self.active_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// Connections to its apps have carried so much in all; whoever uses an app uses the session. An agent that was started anew begins
    /// at nothing.
    pub fn apps_carried(&self, bytes: u64) {
        if self.app_bytes.swap(bytes, Ordering::Relaxed) != bytes && bytes > 0 {
            self.touch();
        }
    }

    /// Returns once it neither runs nor is suspended any more.
    pub async fn over(&self) {
        let mut changes = self.record.subscribe();
        let stands = |life: &SessionLife| matches!(life.state, SessionState::Running { .. }) || life.is_suspended();
        // An error means that the session is gone.
        let _ = changes.wait_for(|record| !stands(&record.life)).await;
    }

    /// A place for one more language server, for as long as it is held.
    pub(super) fn service_place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.services).try_acquire_owned().map_err(|_| {
            let most = bounds::LANGUAGE_SERVICES_MAX;
            Failure::conflict(format!("{most} language servers are in use in this session; it has no more"))
        })
    }

    pub fn runs_live(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    pub fn active_ms(&self) -> u64 {
        self.active_ms.load(Ordering::Relaxed)
    }

    /// Takes what the session's programs have used so far; without a rule nothing is wanted of them. Says whether they have just come to use too little.
    pub fn used(&self, rule: Option<UtilizationRule>, cpu_us: u64) -> Option<Underused> {
        let (held_millis, size) = {
            let spec = &self.record.borrow().spec;
            (spec.whole().cpu_millis, u64::from(spec.cluster.size))
        };
        // One that may use less for its budget's sake is not to blame for it.
        let may_millis = self.budgeted.lock().unwrap_or_else(PoisonError::into_inner).cpu_millis;
        let may_millis = may_millis.map(|each| each.saturating_mul(size));
        let cpu_millis = may_millis.map_or(held_millis, |may_millis| may_millis.min(held_millis));
        let mut watched = self.watched();
        let Some(rule) = rule else {
            *watched = Watched::default();
            return None;
        };
        let low = watched.seen.look(&rule, cpu_millis, cpu_us, now_ms());
        let new = low.clone().filter(|_| watched.low.is_none());
        watched.low = low.map(|low| (low, rule));
        new
    }

    /// When it ends because its programs use too little, if they do.
    pub fn underused_ends_ms(&self) -> Option<u64> {
        self.watched().low.as_ref().map(|(low, _)| low.ends_ms)
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.utilization.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its owner should know.
    fn warning(&self) -> Option<String> {
        let watched = self.watched();
        let (low, rule) = watched.low.as_ref()?;
        let (whole, tenth, window) = (low.permille / 10, low.permille % 10, Millis(rule.window_ms));
        Some(format!(
            "its programs used {whole}.{tenth} % of its processors over the last {window}; the policy `{}` ends it at {} unless they use {} %",
            rule.policy,
            Timestamp(low.ends_ms),
            rule.percent_min
        ))
    }

    pub fn view(&self) -> SessionView {
        let record = self.record();
        self.project(&record, session_view(&record, self.runs_live()))
    }

    /// The view with the end that is to be expected.
    pub fn project(&self, record: &SessionRecord, mut view: SessionView) -> SessionView {
        let up = matches!(record.life.state, SessionState::Running { .. } | SessionState::Suspended { .. });
        if let (true, Some(started_ms)) = (up, record.started_ms) {
            let activity = Activity {
                started_ms,
                active_ms: self.active_ms(),
                runs_live: self.runs_live(),
                underused_ends_ms: self.underused_ends_ms(),
            };
            view.warning = self.warning();
            let end = ProjectedEnd::of(&record.spec, &activity);
            view.ends_at = Some(Timestamp(end.at_ms));
            view.ends_because = Some(end.because.name().to_owned());
        }
        view.throttled = self.budgeted().note;
        view
    }
}

pub(crate) fn session_view(record: &SessionRecord, runs_live: u64) -> SessionView {
    let (outcome, why) = match &record.life.state {
        SessionState::Draining { ending } => (None, Some(ending.why.clone())),
        SessionState::Ended { ending } => (Some(ending.outcome.name().to_owned()), Some(ending.why.clone())),
        SessionState::Refused { limit } => (None, Some(limit.clone())),
        _ => (None, None),
    };
    let spec = &record.spec;
    SessionView {
        id: record.id,
        name: record.name.clone(),
        owner: record.owner.user,
        project: record.owner.project,
        organization: record.owner.organization,
        state: state_view(&record.life.state),
        outcome,
        why,
        kind: match spec.kind {
            madang_model::SessionKind::Interactive => SessionKind::Interactive,
            madang_model::SessionKind::Batch => SessionKind::Batch,
        },
        image: spec.image.clone(),
        language: spec.language.clone(),
        resources: accelerator::resources(record),
        env: spec.env.clone(),
        env_hidden: false,
        tags: spec.tags.clone(),
        mounts: mounts_view(spec),
        startup_command: spec.startup_command.clone(),
        network: network::view(&spec.network),
        timeout_ms: spec.timeout_ms,
        idle_timeout_ms: spec.idle_timeout_ms,
        suspend_idle_ms: spec.suspend_idle_ms,
        created_at: Timestamp(record.created_ms),
        started_at: record.started_ms.map(Timestamp),
        ended_at: record.ended_ms.map(Timestamp),
        suspended_at: record.life.is_suspended().then_some(Timestamp(record.life.since_ms)),
        ends_at: None,
        ends_because: None,
        warning: None,
        usage: record.usage,
        cost_micro: None,
        throttled: None,
        resource_group: spec.queueing.resource_group.clone(),
        labels: spec.queueing.labels.clone(),
        devices: accelerator::devices_view(record),
        priority: spec.queueing.priority,
        depends_on: spec.queueing.depends_on.iter().copied().collect(),
        on_node_loss: match spec.queueing.on_node_loss {
            madang_model::OnNodeLoss::End => OnNodeLoss::End,
            madang_model::OnNodeLoss::Restart => OnNodeLoss::Restart,
        },
        cluster: cluster_view(record),
        node: record.life.state.node(),
        queue: None,
        runs_live,
        allowed_actions: record.life.allowed_actions().iter().map(|action| (*action).to_owned()).collect(),
    }
}

/// Limits as people ask for them.
pub(super) fn resources_view(limits: &Limits) -> Resources {
    Resources {
        cpu: Some(limits.cpu_millis as f64 / 1_000.0),
        memory_bytes: Some(limits.memory_bytes),
        disk_bytes: Some(limits.disk_bytes),
        pids: Some(limits.pids),
        accelerators: Default::default(),
    }
}

pub(crate) fn state_view(state: &SessionState) -> StateView {
    match state {
        SessionState::Requested => StateView::Requested,
        SessionState::Queued => StateView::Queued,
        SessionState::Placed { .. } => StateView::Placed,
        SessionState::Starting { .. } => StateView::Starting,
        SessionState::Running { .. } => StateView::Running,
        SessionState::Suspended { .. } => StateView::Suspended,
        SessionState::Draining { .. } => StateView::Draining,
        SessionState::Ended { .. } => StateView::Ended,
        SessionState::Refused { .. } => StateView::Refused,
    }
}

/// What comes with an event and belongs into the record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    pub usage: Option<Usage>,
    /// With its place it was given these.
    pub held: Option<DevicesHeld>,
    /// Where its sandboxes go, `main1` first, and what they are given there.
    pub places: Vec<DevicesHeld>,
}
