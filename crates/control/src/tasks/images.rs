//! Takes images away that nobody can use any more.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "images",
    period: Duration::from_secs(600),
    jitter: Duration::from_secs(60),
    pause: Duration::ZERO,
    deadline: Duration::from_secs(300),
};

pub(super) async fn collect(app: Arc<App>) -> Done {
    let gone = app.images_collect().await.map_err(|failure| failure.detail)?;
    Ok(format!(
        "{} images that were never made are forgotten, {} that nobody knows are removed",
        gone.cut, gone.unknown
    ))
}
