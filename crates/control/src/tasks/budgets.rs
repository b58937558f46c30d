//! Keeps spending within its budgets.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

/// Work is to end within two seconds of its budget's limit; whatever is counted wakes this before its time.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "budgets",
    period: Duration::from_millis(500),
    jitter: Duration::ZERO,
    pause: Duration::from_millis(20),
    deadline: Duration::from_secs(30),
};

pub(super) async fn look(app: Arc<App>) -> Done {
    Ok(app.budgets_look().await.map_err(|failure| failure.detail)?)
}
