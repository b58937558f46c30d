//! Forgetting: finished runs, ended sessions and used idempotency keys after their time.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::{app::App, clock::now_ms};

pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "prune",
    period: Duration::from_secs(60),
    jitter: Duration::from_secs(5),
    pause: Duration::ZERO,
    deadline: Duration::from_secs(600),
};
const DAY_MS: u64 = 86_400_000;
/// An idempotency key stands for its request this long.
const KEYS_MS: u64 = DAY_MS;

pub(super) async fn prune(app: Arc<App>) -> Done {
    let now = now_ms();
    let oldest = now.saturating_sub(app.config.keep_days.saturating_mul(DAY_MS));
    let runs = app.store.run_prune(oldest, app.config.keep_runs).await?;
    let sessions = app.store.session_prune(oldest).await?;
    let keys = app.store.idempotency_prune(now.saturating_sub(KEYS_MS)).await?;
    Ok(format!("forgot {runs} runs, {sessions} sessions, {keys} idempotency keys"))
}
