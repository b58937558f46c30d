//! Forgetting: finished runs, ended sessions and used idempotency keys after their time.

use std::{sync::Arc, time::Duration};

use crate::{
    app::{App, Stage},
    clock::now_ms,
};

const PERIOD: Duration = Duration::from_secs(60);
const DAY_MS: u64 = 86_400_000;
/// An idempotency key stands for its request this long.
const KEYS_MS: u64 = DAY_MS;

pub(crate) async fn prune(app: Arc<App>) {
    loop {
        if let Err(error) = prune_once(&app).await {
            tracing::warn!(%error, "old records could not be forgotten");
        }
        tokio::select! {
            () = app.reached(Stage::Stopping) => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn prune_once(app: &App) -> Result<(), madang_store::StoreError> {
    let now = now_ms();
    let oldest = now.saturating_sub(app.config.keep_days.saturating_mul(DAY_MS));
    let runs = app.store.run_prune(oldest, app.config.keep_runs).await?;
    let sessions = app.store.session_prune(oldest).await?;
    let keys = app.store.idempotency_prune(now.saturating_sub(KEYS_MS)).await?;
    tracing::debug!(runs, sessions, keys, "old records are forgotten");
    Ok(())
}
