//! Tasks: how they do, in every control process, and running one now.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::Method,
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use madang_ids::ControlId;
use madang_public_api::{BASE_PATH, Page, ProcessView, TaskView, Timestamp};
use madang_store::ControlProcess;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, auth::Asking, body::ApiQuery, forward};
use crate::app::{App, Asker, Failure};

/// What this process does by itself: last run, result, next run of each task.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "house", responses((status = 200, body = Page<TaskView>)))]
pub(super) async fn task_list(State(app): State<Shared>) -> Json<Page<TaskView>> {
    Json(Page { items: app.tasks.views(), next_cursor: None })
}

/// The control processes of this installation, each with its tasks, oldest first.
#[utoipa::path(get, path = "/api/v1/processes", tag = "house", responses((status = 200, body = Page<ProcessView>)))]
pub(super) async fn process_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
) -> Result<Json<Page<ProcessView>>, Failure> {
    let us = app.leadership.us();
    let known = app.store.control_process_list().await?;
    let others = known.iter().filter(|process| process.id != us);
    let mut items = join_all(others.map(|process| other_view(&app, &asker, process))).await;
    items.push(our_view(&app, known.iter().find(|process| process.id == us)));
    items.sort_by_key(|process| process.id);
    let leaders = app.group_leaders().await?;
    for process in &mut items {
        let led = leaders.iter().filter(|(_, leader)| *leader == process.id);
        process.leads = led.map(|(group, _)| group.clone()).collect();
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// In which process.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct TaskQuery {
    /// Id of a control process; the one that answers where left out.
    #[param(value_type = Option<String>)]
    process: Option<ControlId>,
}

/// Runs a task now, and waits a while for its end.
#[utoipa::path(post, path = "/api/v1/tasks/{name}/run", tag = "house", params(("name" = String, Path), TaskQuery), responses(
    (status = 200, body = TaskView, description = "The task; `running_since` if the run takes longer"),
    (status = 503, body = madang_public_api::Problem, content_type = "application/problem+json", description = "The process does not answer"),
))]
pub(super) async fn task_run(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(name): Path<String>,
    ApiQuery(query): ApiQuery<TaskQuery>,
) -> Result<Response, Failure> {
    if let Some(id) = query.process.filter(|id| *id != app.leadership.us()) {
        let known = app.store.control_process_list().await?;
        let process = known.iter().find(|process| process.id == id).ok_or_else(|| Failure::not_found("the process"))?;
        let target = format!("{BASE_PATH}/tasks/{name}/run");
        return forward::ask(&app, address(process)?, &asker, (Method::POST, &target)).await;
    }
    let task = app.tasks.find(&name).ok_or_else(|| Failure::not_found("the task"))?;
    Ok(Json(task.run_now(Duration::from_millis(app.config.task_wait_ms)).await).into_response())
}

fn address(process: &ControlProcess) -> Result<&str, Failure> {
    process.address.as_deref().ok_or_else(|| forward::unavailable("the process told nobody its address"))
}

fn our_view(app: &App, known: Option<&ControlProcess>) -> ProcessView {
    let us = ProcessView {
        id: app.leadership.us(),
        address: app.config.advertise.clone(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        started_at: None,
        seen_at: None,
        answers: true,
        leads: Vec::new(),
        tasks: app.tasks.views(),
        unknown: None,
    };
    match known {
        None => us,
        Some(known) => ProcessView { answers: true, tasks: us.tasks, unknown: None, ..kept_view(known) },
    }
}

/// As another process says itself, or why it does not.
async fn other_view(app: &Shared, asker: &Arc<Asker>, process: &ControlProcess) -> ProcessView {
    let target = format!("{BASE_PATH}/tasks");
    let asked = async { forward::ask_json::<Page<TaskView>>(app, address(process)?, asker, &target).await };
    let wait = Duration::from_millis(app.config.process_wait_ms);
    let tasks = match tokio::time::timeout(wait, asked).await {
        Ok(Ok(page)) => Ok(page.items),
        Ok(Err(failure)) => Err(failure.detail),
        Err(_) => Err(format!("it did not answer within {wait:?}")),
    };
    let view = kept_view(process);
    match tasks {
        Ok(tasks) => ProcessView { tasks, ..view },
        Err(why) => ProcessView { unknown: Some(why), ..view },
    }
}

fn kept_view(process: &ControlProcess) -> ProcessView {
    ProcessView {
        id: process.id,
        address: process.address.clone(),
        version: Some(process.version.clone()),
        started_at: Some(Timestamp(process.started_ms)),
        seen_at: Some(Timestamp(process.seen_ms)),
        answers: false,
        leads: Vec::new(),
        tasks: Vec::new(),
        unknown: None,
    }
}
