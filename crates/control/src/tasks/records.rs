//! Compares live sessions with their rows.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

/// What is changed by hand is to hold within five seconds; the reconciler may need another look of its own after this one.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "records",
    period: Duration::from_secs(2),
    jitter: Duration::ZERO,
    pause: Duration::ZERO,
    deadline: Duration::from_secs(30),
};

pub(super) async fn compare(app: Arc<App>) -> Done {
    if !app.leadership.leads_any() {
        return Ok("another process leads".into());
    }
    let ended = app.sessions_compare().await.map_err(|failure| failure.detail)?;
    Ok(format!("{ended} sessions had ended in the database"))
}
