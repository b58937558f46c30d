//! Brings to its end what is under way with folders, and tells nodes what owners may hold.

use std::{sync::Arc, time::Duration};

use super::{Done, TaskPlan};
use crate::app::App;

pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "folders",
    period: Duration::from_secs(10),
    jitter: Duration::from_secs(1),
    pause: Duration::from_millis(200),
    // What takes long goes on behind and is not waited for.
    deadline: Duration::from_secs(120),
};

pub(super) async fn look(app: Arc<App>) -> Done {
    let untold = app.folder_quotas_tell().await.map_err(|failure| failure.detail)?;
    let left = app.folders_act().await.map_err(|failure| failure.detail)?;
    Ok(format!("{left} folders are under way, {untold} quotas are not told yet"))
}
