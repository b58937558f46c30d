//! Where time here is outlives the server.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::{app::App, clock};

/// A server that is killed goes on from at most so long ago: time here is off by a tenth of it at most.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "clock",
    period: Duration::from_secs(60),
    jitter: Duration::from_secs(5),
    pause: Duration::ZERO,
    deadline: Duration::from_secs(60),
};

pub(super) async fn keep(app: Arc<App>) -> Done {
    let home = app.config.home.clone();
    tokio::task::spawn_blocking(move || clock::keep(&home)).await??;
    Ok("the time is kept".to_owned())
}
