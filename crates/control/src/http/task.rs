//! Tasks: how they do, and running one now.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
};
use madang_public_api::{Page, TaskView};

use super::Shared;
use crate::app::Failure;

/// How long an answer waits for the run that it started.
const RUN_WAIT: Duration = Duration::from_secs(10);

/// What this process does by itself: last run, result, next run of each task.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "house", responses((status = 200, body = Page<TaskView>)))]
pub(super) async fn task_list(State(app): State<Shared>) -> Json<Page<TaskView>> {
    Json(Page { items: app.tasks.views(), next_cursor: None })
}

/// Runs a task now, and waits a while for its end.
#[utoipa::path(post, path = "/api/v1/tasks/{name}/run", tag = "house", params(("name" = String, Path)),
    responses((status = 200, body = TaskView, description = "The task; `running_since` if the run takes longer")))]
pub(super) async fn task_run(State(app): State<Shared>, Path(name): Path<String>) -> Result<Json<TaskView>, Failure> {
    let task = app.tasks.find(&name).ok_or_else(|| Failure::not_found("the task"))?;
    Ok(Json(task.run_now(RUN_WAIT).await))
}
