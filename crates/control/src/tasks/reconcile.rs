//! The reconciler: looks, plans, does. Takes no input but the world, so running it twice is the same as once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::plan::{Look, Orphans, Step, Wanted, plan};
use crate::{
    app::{App, Failure, Stage, live_session::Observed},
    clock::now_ms,
};

/// Least time between two looks: each costs as much as there are sessions.
const PAUSE: Duration = Duration::from_millis(200);

/// Once, before the first request: what a server before this one left behind.
pub(crate) async fn recover(app: &Arc<App>) -> Result<(), Failure> {
    let runs = app.runs_close_left().await?;
    let keys = app.store.idempotency_release_unused().await?;
    let sessions = app.sessions_live();
    tracing::info!(
        runs_lost = runs,
        keys_unused = keys,
        sessions = sessions.len(),
        "records of the last server are read"
    );
    for session in sessions {
        app.session_recover(&session).await?;
    }
    look_and_do(app, &mut Orphans::new()).await;
    Ok(())
}

/// For as long as the server lives.
pub(crate) async fn reconcile(app: Arc<App>) {
    let mut changes = app.node.watch();
    let mut watching = true;
    let mut orphans = Orphans::new();
    let period = Duration::from_millis(app.config.reconcile_ms.max(1));
    loop {
        tokio::select! {
            () = app.reached(Stage::Stopping) => return,
            () = app.reconcile_soon.notified() => {}
            () = tokio::time::sleep(period) => {}
            // Lagging is a change too; a closed channel leaves the period.
            change = changes.recv(), if watching => watching = !matches!(change, Err(RecvError::Closed)),
        }
        // Many changes in a row are looked at once.
        tokio::time::sleep(PAUSE.min(period)).await;
        while !matches!(changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
        look_and_do(&app, &mut orphans).await;
    }
}

async fn look_and_do(app: &Arc<App>, orphans: &mut Orphans) {
    let running: Vec<_> = app
        .sessions_live()
        .iter()
        .map(|session| {
            let record = session.record();
            Wanted { record, runs_live: session.runs_live(), active_ms: session.active_ms() }
        })
        .collect();
    let seen = app.node.sandboxes();
    let mut wanted: BTreeSet<_> = app.sessions_live().iter().map(|session| session.record().sandbox).collect();
    wanted.extend(app.runs_live().iter().map(|run| run.facts.sandbox));
    let look = Look { running: &running, seen: &seen, wanted: &wanted };
    for step in plan(&look, orphans, now_ms()) {
        do_step(app, step).await;
    }
}

async fn do_step(app: &Arc<App>, step: Step) {
    match step {
        Step::Close(id) => {
            tracing::warn!(sandbox = %id, "closing a sandbox that nobody wants");
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
        Step::Tell(id, event) => {
            let Some(session) = app.session_live(id) else { return };
            tracing::info!(session = %id, event = event.name(), "a session does not stay as it is");
            if let Err(failure) = app.session_apply(&session, &event, Observed::default()).await {
                tracing::error!(session = %id, error = ?failure, "a session's change could not be kept");
            }
        }
    }
}
