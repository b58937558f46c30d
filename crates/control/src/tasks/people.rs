//! Keeps everybody known: what another process changed is seen here at most one period later.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

/// The period is the most by which what is remembered of people may be behind the store.
pub(super) fn plan_of(app: &App) -> TaskPlan {
    TaskPlan {
        name: "refresh-people",
        period: Duration::from_millis(app.config.refresh_ms.max(1)),
        jitter: Duration::ZERO,
        pause: Duration::ZERO,
        deadline: Duration::from_secs(30),
    }
}

pub(super) async fn refresh_people(app: Arc<App>) -> Done {
    app.people_refresh().await?;
    let ended = app.suspended_end().await.map_err(|failure| failure.detail)?;
    Ok(format!("{} users are known; {ended} sessions and runs of suspended ones ended", app.people.now().users.len()))
}
