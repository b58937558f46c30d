//! Forgetting: finished runs, ended sessions and used idempotency keys after their time.

use std::{sync::Arc, time::Duration};

use madang_store::{Horizon, StoreError};

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
/// A token that has expired is listed so much longer, so that its owner sees why it is refused.
const TOKENS_MS: u64 = DAY_MS;

pub(super) async fn prune(app: Arc<App>) -> Done {
    let now = now_ms();
    let kept = app.retention().await?;
    let before = |days: u64| now.saturating_sub(days.saturating_mul(DAY_MS));
    let oldest = before(kept.runs_days);
    let horizon = Horizon { before_ms: oldest, batch_before_ms: before(kept.batch_days) };
    // Runs first: that they are of a batch session only the session says.
    let runs = app.store.run_prune(horizon, kept.runs_max).await?;
    let sessions = app.store.session_prune(horizon).await?;
    let keys = app.store.idempotency_prune(now.saturating_sub(KEYS_MS)).await?;
    let signins = forget_signins(&app, now).await?;
    let audit = app.store.audit_prune(days_before(now, kept.audit_days), now).await?;
    let tokens = app.store.token_prune(now.saturating_sub(TOKENS_MS)).await?;
    let announcements = app.store.announcement_prune(oldest).await?;
    app.store.reservation_prune(oldest).await?;
    let records = app.store.usage_prune(days_before(now, app.config.keep_usage_days), oldest).await?;
    app.signin.rates.sweep();
    // Last: the store that they are in may be away.
    let results = app.store.results_collect().await?;
    Ok(format!(
        "forgot {runs} runs, {results} large results, {sessions} sessions, {keys} idempotency keys, {announcements} announcements, {tokens} tokens, {signins} of signing in, {audit} of the audit log, {records} records of use"
    ))
}

/// Nonces, browsers, links and failures that are past their time.
async fn forget_signins(app: &App, now_ms: u64) -> Result<u64, StoreError> {
    let nonces = app.store.nonce_prune(now_ms).await?;
    let browsers = app.store.signin_prune(now_ms).await?;
    let links = app.store.link_prune(now_ms).await? + app.store.run_share_prune(now_ms).await?;
    Ok(nonces + browsers + links)
}

/// Whole days, so that the log says once a day at most that it was pruned.
fn days_before(now_ms: u64, days: u64) -> u64 {
    now_ms.saturating_sub(days.saturating_mul(DAY_MS)) / DAY_MS * DAY_MS
}
