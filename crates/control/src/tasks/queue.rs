//! Decides who starts next: woken by whatever may let somebody start, never in the path of a start that finds room.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::{app::App, clock::now_ms};

/// Its period only mends what was lost: every change wakes it.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "schedule",
    period: Duration::from_secs(1),
    jitter: Duration::ZERO,
    pause: Duration::ZERO,
    deadline: Duration::from_secs(60),
};

pub(super) async fn decide(app: Arc<App>) -> Done {
    app.queue.forget(|group| app.leads(group));
    if !app.leadership.leads_any() {
        return Ok("another process leads".into());
    }
    app.resource_groups_refresh().await.map_err(|failure| failure.detail)?;
    app.reservations_refresh().await.map_err(|failure| failure.detail)?;
    app.queue_look().await.map_err(|failure| failure.detail)?;
    let decisions = app.queue_decide().await;
    app.pools_tell().await;
    wake_in_time(&app);
    Ok(format!("{decisions} decisions"))
}

/// A promise begins, or somebody's patience ends, before the next period.
fn wake_in_time(app: &App) {
    let Some(next_ms) = app.queue.next_ms() else { return };
    let wait = Duration::from_millis(next_ms.saturating_sub(now_ms()));
    if wait < PLAN.period {
        let wake = Arc::clone(&app.queue.wake);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            wake.notify_one();
        });
    }
}
