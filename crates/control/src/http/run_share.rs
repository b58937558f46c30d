//! A session's runs as a list, what a run was given, and links to one run.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use madang_ids::{RunId, ShareId};
use madang_public_api::{
    Page, ProblemKind, RunGiven, RunMode, RunShareCreate, RunShareView, RunSummary, SharedRun, Timestamp, bounds,
};
use madang_store::{RunListQuery, RunShareRecord};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    audit::Noted,
    auth::Asking,
    body::{ApiId, ApiJson, ApiQuery},
    origin::origin_of,
};
use crate::app::{Failure, runs::mode_name};

/// Carries a link's secret: in no address, so in no log.
const SECRET: &str = "x-share";
/// Where the page is that shows a shared run.
const PAGE: &str = "/shared";

pub(super) fn run_share_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(run_given))
        .routes(routes!(run_share_list, run_share_create))
        .routes(routes!(run_share_remove))
}

/// Which runs, and how many.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct RunListAsked {
    /// Items of a page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only runs of this mode.
    #[param(inline)]
    mode: Option<RunMode>,
}

/// The runs of a session, newest first; those that wait for their result are there once they have ended.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/runs", tag = "session", params(("id" = String, Path), RunListAsked),
    responses((status = 200, body = Page<RunSummary>)))]
pub(super) async fn session_run_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(asked): ApiQuery<RunListAsked>,
) -> Result<Json<Page<RunSummary>>, Failure> {
    let limit = asked.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let wrong = || Failure {
        field: Some("cursor".into()),
        ..Failure::new(ProblemKind::Malformed, "`cursor` is not one that a page gave")
    };
    let before = asked.cursor.as_deref().map(|cursor| cursor.parse::<RunId>().map_err(|_| wrong())).transpose()?;
    let session = app.run_list_of(&asker, &id).await?;
    // One more says whether there is another page.
    let query = RunListQuery { session, before, mode: asked.mode.map(mode_name), limit: u64::from(limit) + 1 };
    let mut items = app.run_list(&query).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Page { items, next_cursor }))
}

/// What a run of a session was given, as far as it is kept.
#[utoipa::path(get, path = "/api/v1/runs/{id}/given", tag = "run", params(("id" = String, Path)),
    responses((status = 200, body = RunGiven)))]
pub(super) async fn run_given(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
) -> Result<Json<RunGiven>, Failure> {
    Ok(Json(app.run_given(&asker, id).await?))
}

/// The links to a run that are good now; their secrets were told once.
#[utoipa::path(get, path = "/api/v1/runs/{id}/shares", tag = "run", params(("id" = String, Path)),
    responses((status = 200, body = Page<RunShareView>)))]
pub(super) async fn run_share_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
) -> Result<Json<Page<RunShareView>>, Failure> {
    let items = app.run_share_list(&asker, id).await?.iter().map(view).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Makes a link that shows the run to whoever has it: what it was given, what it wrote and how it ended, and nothing else.
#[utoipa::path(post, path = "/api/v1/runs/{id}/shares", tag = "run", params(("id" = String, Path)),
    request_body = RunShareCreate, responses((status = 201, body = RunShareView)))]
pub(super) async fn run_share_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
    parts: Parts,
    ApiJson(create): ApiJson<RunShareCreate>,
) -> Result<Response, Failure> {
    let (record, secret) = app.run_share_create(&asker, id, &create).await?;
    let base = app.base_url(&parts.headers, origin_of(&parts.extensions));
    // What stands behind `#` is sent to no server and stands in no log.
    let url = format!("{}{PAGE}#{secret}", base.trim_end_matches('/'));
    let made = RunShareView { url: Some(url), secret: Some(secret), ..view(&record) };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(Noted { subject: Some(record.id.to_string()), actor: None });
    Ok(response)
}

/// Takes a link to a run back. One that is not there is good no more.
#[utoipa::path(delete, path = "/api/v1/runs/{id}/shares/{share}", tag = "run",
    params(("id" = String, Path), ("share" = String, Path)), responses((status = 204, description = "It is good no more")))]
pub(super) async fn run_share_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, share)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let run: RunId = id.parse().map_err(|_| Failure::not_found(format!("run {id}")))?;
    let share: ShareId = share.parse().map_err(|_| Failure::not_found("share"))?;
    app.run_share_remove(&asker, run, share).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The run that a link shows, for whoever has its secret.
#[utoipa::path(get, path = "/api/v1/shared-run", tag = "run",
    params(("X-Share" = String, Header, description = "What stands behind `#` in the link")),
    responses((status = 200, body = SharedRun),
        (status = 404, body = madang_public_api::Problem, content_type = "application/problem+json",
            description = "Taken back, expired, or never was")))]
pub(super) async fn shared_run_get(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Failure> {
    let missing = || Failure::new(ProblemKind::Malformed, "`X-Share` is to say what stands behind `#` in the link");
    let secret = headers.get(SECRET).and_then(|secret| secret.to_str().ok()).ok_or_else(missing)?;
    let shared = app.shared_run(secret).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shared)).into_response())
}

fn view(record: &RunShareRecord) -> RunShareView {
    RunShareView {
        id: record.id,
        created_at: Timestamp(record.created_ms),
        expires_at: Timestamp(record.expires_ms),
        url: None,
        secret: None,
    }
}
