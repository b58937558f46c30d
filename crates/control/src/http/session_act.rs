//! What is done in a session.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use madang_model::Usage;
use madang_public_api::{
    CompleteRequest, CompletionsView, Page, RunRequest, RunView, SessionExtend, SessionView, StreamEvent, bounds,
    session::{LogEntry, SessionSuspend, SessionSuspended},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    auth::Asking,
    body::{ApiJson, ApiQuery, Creating},
    run::{Answer, answer_run},
};
use crate::app::{App, Asker, Failure, live_session::LiveSession};

pub(super) async fn usable(app: &Arc<App>, asker: &Asker, id: &str) -> Result<Arc<LiveSession>, Failure> {
    let id = app.session_id(asker, id).await?;
    let session = app.session_usable(id).await?;
    // Whoever uses it need not know that it was suspended.
    app.session_awake(&session).await?;
    Ok(session)
}

/// Which of a session's sandboxes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SandboxQuery {
    /// The sandbox, where the session has several: `main1` where left out.
    #[param(max_length = 64)]
    pub sandbox: Option<String>,
}

/// Ends every program in the session and starts its interpreter anew; files stay.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/restart", tag = "session", params(("id" = String, Path), SandboxQuery),
    responses((status = 200, body = SessionView)))]
pub(super) async fn session_restart(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
) -> Result<Json<SessionView>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    app.node.sandbox_restart(session.sandbox(query.sandbox.as_deref())?).await?;
    session.touch();
    Ok(Json(session.view()))
}

/// Suspends the session: its programs stand still, and its memory is given back as far as its node can. It keeps its place and its time goes
/// on. The next run, file or terminal resumes it by itself.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/suspend", tag = "session", params(("id" = String, Path)),
    request_body = SessionSuspend, responses((status = 200, body = SessionSuspended)))]
pub(super) async fn session_suspend(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(suspend): ApiJson<SessionSuspend>,
) -> Result<Json<SessionSuspended>, Failure> {
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(app.session_suspend(id, suspend.when).await?))
}

/// Resumes a session that is suspended. One that runs is left so; that counts as use of it.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/resume", tag = "session", params(("id" = String, Path)),
    responses((status = 200, body = SessionView)))]
pub(super) async fn session_resume(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    // It ran, and somebody else may have suspended it since.
    session.up()?;
    session.touch();
    Ok(Json(session.view()))
}

/// Lets the session live longer, within its policies. That counts as use of it.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/extend", tag = "session", params(("id" = String, Path)),
    request_body = SessionExtend, responses((status = 200, body = SessionView)))]
pub(super) async fn session_extend(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(extend): ApiJson<SessionExtend>,
) -> Result<Json<SessionView>, Failure> {
    if extend.by_ms == 0 {
        return Err(Failure::invalid("by_ms", "`by_ms` is at least 1"));
    }
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(app.session_extend(&asker, id, &extend).await?))
}

/// Interrupts what the session's interpreter is doing, as Ctrl-C does.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/interrupt", tag = "session", params(("id" = String, Path), SandboxQuery),
    responses((status = 200, body = SessionView)))]
pub(super) async fn session_interrupt(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
) -> Result<Json<SessionView>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    app.node.sandbox_interrupt(session.sandbox(query.sandbox.as_deref())?).await?;
    session.touch();
    Ok(Json(session.view()))
}

/// Completes code in the session's interpreter.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/complete", tag = "session", params(("id" = String, Path), SandboxQuery),
    request_body = CompleteRequest, responses((status = 200, body = CompletionsView)))]
pub(super) async fn session_complete(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
    ApiJson(request): ApiJson<CompleteRequest>,
) -> Result<Json<CompletionsView>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let cursor = usize::try_from(request.cursor).ok().filter(|cursor| request.code.is_char_boundary(*cursor));
    let cursor = cursor.ok_or_else(|| Failure::invalid("cursor", "`cursor` is a byte offset into `code`"))?;
    let found = app.node.complete(session.sandbox(query.sandbox.as_deref())?, request.code, cursor).await?;
    session.touch();
    Ok(Json(CompletionsView { start: found.start as u64, items: found.items }))
}

/// Runs something in the session. Answers like `POST /run`.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/runs", tag = "session", request_body = RunRequest,
    params(
        ("id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one run"),
    ),
    responses(
        (status = 200, description = "The finished result, or a stream of events", content(
            (RunView = "application/json"), (StreamEvent = "text/event-stream"), (StreamEvent = "application/x-ndjson"),
        )),
        (status = 201, body = RunView, description = "The run has begun"),
    ))]
pub(super) async fn session_run(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    headers: HeaderMap,
    Creating { request, key }: Creating<RunRequest>,
) -> Result<Response, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let answer = Answer::asked(&headers, request.wait);
    let begun = app.run_in_session(&session, request, answer.start(), key.as_ref()).await?;
    answer_run((&app, &asker), begun, answer, key.as_ref()).await
}

/// How much of the log.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Entries from the end, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What the session's latest programs wrote, oldest first.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/logs", tag = "session", params(("id" = String, Path), LogQuery),
    responses((status = 200, body = Page<LogEntry>)))]
pub(super) async fn session_logs(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<LogQuery>,
) -> Result<Json<Page<LogEntry>>, Failure> {
    let limit = query.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let id = app.session_id(&asker, &id).await?;
    let items = app.session_logs(id, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    Ok(Json(Page { items, next_cursor: None }))
}

/// What the session has used so far.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/usage", tag = "session", params(("id" = String, Path)),
    responses((status = 200, body = Usage)))]
pub(super) async fn session_usage(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<Usage>, Failure> {
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(app.session_usage(id).await?))
}
