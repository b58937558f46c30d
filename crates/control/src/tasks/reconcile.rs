//! The reconciler: looks, plans, does. Takes no input but the world, so running it twice is the same as once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use madang_ids::SandboxId;
use madang_model::SessionEvent;
use tokio::sync::{Mutex, broadcast::error::RecvError};

use super::{
    Done, TaskPlan,
    plan::{Look, Orphans, Step, Wanted, plan},
};
use crate::{
    app::{App, DriftKind, Failure, Leaving, Stage, live_session::Observed},
    clock::now_ms,
};

/// Least time between two looks: each costs as much as there are sessions.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest that one look and what it leads to may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Once, before the first request about these groups: what whoever led them before left behind.
pub(crate) async fn recover(app: &Arc<App>, leads: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let runs = app.runs_take_up(&leads).await?;
    // Where there are other processes, keys may be in use that have made nothing yet.
    let alone = app.leadership.is_alone();
    let keys = if alone { app.store.idempotency_release_unused().await? } else { 0 };
    let mut sessions = app.sessions_live();
    sessions.retain(|session| leads(session.record.borrow().group()));
    tracing::info!(
        runs_going_on = runs.going_on,
        runs_lost = runs.lost,
        keys_unused = keys,
        sessions = sessions.len(),
        "records of the last server are read"
    );
    for session in sessions {
        app.session_recover(&session).await?;
    }
    look_and_do(app, &mut Orphans::new(), &leads).await;
    // Before anybody new comes in.
    app.resource_groups_refresh().await?;
    app.reservations_refresh().await?;
    app.queue_look().await
}

/// How often to look; also whenever the node reports a change.
pub(super) fn plan_of(app: &App) -> TaskPlan {
    let period = Duration::from_millis(app.config.reconcile_ms.max(1));
    TaskPlan { name: "reconcile", period, jitter: Duration::ZERO, pause: PAUSE.min(period), deadline: DEADLINE }
}

/// What one look leaves for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Reconciler {
    orphans: Arc<Mutex<Orphans>>,
}

impl Reconciler {
    pub async fn run(self, app: Arc<App>) -> Done {
        if !app.leadership.leads_any() {
            return Ok("another process leads".into());
        }
        let steps = look_and_do(&app, &mut *self.orphans.lock().await, &|group: &str| app.leads(group)).await;
        let runs = app.runs_sweep().await.map_err(|failure| failure.detail)?;
        Ok(format!("{steps} steps, {runs} runs forgotten"))
    }
}

/// Wakes the reconciler when something changes at the node.
pub(super) async fn watch_node(app: Arc<App>) {
    let mut changes = app.node.watch();
    loop {
        tokio::select! {
            () = app.reached(Stage::Stopping) => return,
            change = changes.recv() => match change {
                // Lagging is a change too.
                Ok(_) | Err(RecvError::Lagged(_)) => app.reconcile_soon.notify_one(),
                // The period is left.
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Looks at the nodes of the groups that are led, and at nobody else's. Returns how many steps it took.
async fn look_and_do(app: &Arc<App>, orphans: &mut Orphans, leads: &impl Fn(&str) -> bool) -> usize {
    let mut sessions = app.sessions_live();
    sessions.retain(|session| leads(session.record.borrow().group()));
    let mut running: Vec<_> = sessions
        .iter()
        .map(|session| {
            let record = session.record();
            let heard = app.heard(&record);
            let (active_ms, suspend_at_ms) = Default::default();
            let (runs_live, underused_ends_ms) = (session.runs_live(), session.underused_ends_ms());
            Wanted { record, runs_live, active_ms, underused_ends_ms, suspend_at_ms, heard }
        })
        .collect();
    let members = app.fleet.members();
    let seen: Vec<_> =
        members.iter().filter(|member| leads(&member.group)).flat_map(|member| member.node.sandboxes()).collect();
    let carried: HashMap<_, _> = seen.iter().map(|seen| (seen.id, seen.app_bytes)).collect();
    for (session, running) in sessions.iter().zip(&mut running) {
        let carried = running.record.sandboxes().filter_map(|(sandbox, _)| carried.get(&sandbox));
        session.apps_carried(carried.fold(0, |sum, bytes| sum.saturating_add(*bytes)));
        // Use that is seen counts at once.
        running.active_ms = session.active_ms();
        running.suspend_at_ms = session.suspend_at_ms();
    }
    let mut wanted: BTreeSet<SandboxId> = Default::default();
    for session in app.sessions_live() {
        wanted.extend(session.record().sandboxes().map(|(sandbox, _)| sandbox));
    }
    wanted.extend(app.runs_live().iter().map(|run| run.facts.sandbox));
    let look = Look { running: &running, seen: &seen, wanted: &wanted };
    let steps = plan(&look, orphans, now_ms());
    let count = steps.len();
    for step in steps {
        do_step(app, step).await;
    }
    count
}

async fn do_step(app: &Arc<App>, step: Step) {
    match step {
        // Whoever leads no more has forgotten what is wanted.
        Step::Close(id) if !app.sandbox_is_led(id) => {}
        Step::Close(id) => {
            app.metrics.drift.found(DriftKind::SandboxUnwanted);
            tracing::warn!(
                kind = DriftKind::SandboxUnwanted.name(),
                sandbox = %id,
                expected = "no sandbox: no session and no run has it",
                seen = "a sandbox that runs",
                "drift: it is closed"
            );
            let app = Arc::clone(app);
            tokio::spawn(async move {
                if let Err(error) = app.node.sandbox_close(id).await {
                    tracing::warn!(sandbox = %id, %error, "a sandbox could not be closed yet");
                }
            });
        }
        Step::CloseAgain(id) => {
            if let Some(session) = app.session_live(id) {
                app.session_close(&session);
            }
        }
        Step::Suspend(id) => {
            let app = Arc::clone(app);
            tokio::spawn(async move { app.session_suspend_idle(id).await });
        }
        Step::Thaw(id) => {
            let app = Arc::clone(app);
            tokio::spawn(async move { app.session_thaw_again(id).await });
        }
        Step::Move(id) => app.session_move(id, Leaving::Fenced).await,
        Step::Tell(id, event) => {
            let Some(session) = app.session_live(id) else { return };
            match &event {
                SessionEvent::SandboxLost { why } | SessionEvent::ClusterBroken { why } => {
                    app.metrics.drift.found(DriftKind::SandboxMissing);
                    let sandbox = session.record.borrow().sandbox;
                    tracing::warn!(
                        kind = DriftKind::SandboxMissing.name(),
                        session = %id,
                        %sandbox,
                        expected = "a session that runs in its sandbox",
                        seen = why,
                        "drift: the session ends"
                    );
                }
                event => tracing::info!(session = %id, event = event.name(), "a session does not stay as it is"),
            }
            if let Err(failure) = app.session_apply(&session, &event, Observed::default()).await {
                tracing::error!(session = %id, error = ?failure, "a session's change could not be kept");
            }
        }
    }
}
