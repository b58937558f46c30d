//! Sessions: making, listing, ending.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ids::SessionId;
use madang_public_api::{BASE_PATH, Page, ProblemKind, SessionCreate, SessionExplained, SessionView, bounds};
use madang_store::SessionPage;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    auth::Asking,
    body::{ApiQuery, Creating},
};
use crate::app::Failure;

/// Whether to do it or to say what would happen.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct CreateQuery {
    /// Say what would happen and why, and do nothing.
    explain: bool,
}

/// Makes a session and waits a while for its start; with `explain` says what would happen.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "session", request_body = SessionCreate,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one session"), CreateQuery),
    responses(
        (status = 200, body = SessionExplained, description = "What would happen, where that was asked"),
        (status = 201, body = SessionView, description = "The session, made now or found by name or key"),
    ))]
pub(super) async fn session_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(query): ApiQuery<CreateQuery>,
    Creating { request, key }: Creating<SessionCreate>,
) -> Result<Response, Failure> {
    if query.explain {
        return Ok(Json(app.session_explain(&asker, request).await?).into_response());
    }
    let view = app.session_create(&asker, request, key.as_ref()).await?;
    let location = HeaderValue::from_str(&format!("{BASE_PATH}/sessions/{}", view.id));
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.headers_mut().extend(location.map(|value| (header::LOCATION, value)));
    Ok(response)
}

/// Which order a list is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// Which sessions, and how many.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionQuery {
    /// Items of a page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(inline)]
    order: Order,
    /// `live`, or a state: `running`, `ended`, …
    filter: Option<String>,
}

/// Sessions, newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "session", params(SessionQuery),
    responses((status = 200, body = Page<SessionView>)))]
pub(super) async fn session_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(query): ApiQuery<SessionQuery>,
) -> Result<Json<Page<SessionView>>, Failure> {
    let limit = query.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let bad_cursor = |_| Failure {
        field: Some("cursor".into()),
        ..Failure::new(ProblemKind::Malformed, "`cursor` is not one that a page gave")
    };
    let after = query.cursor.map(|cursor| cursor.parse::<SessionId>()).transpose().map_err(bad_cursor)?;
    let (live_only, state) = filter(query.filter)?;
    let limit = u64::from(limit);
    let oldest_first = query.order == Order::Asc;
    let page = SessionPage { after, oldest_first, state, live_only, sight: asker.sight(), limit: limit + 1 };
    let mut items = app.session_list(&page).await?;
    let more = items.len() as u64 > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Page { items, next_cursor }))
}

fn filter(filter: Option<String>) -> Result<(bool, Option<String>), Failure> {
    const STATES: [&str; 8] = ["requested", "queued", "placed", "starting", "running", "draining", "ended", "refused"];
    match filter.as_deref() {
        None | Some("") => Ok((false, None)),
        Some("live") => Ok((true, None)),
        Some(state) if STATES.contains(&state) => Ok((false, filter)),
        Some(_) => Err(Failure::invalid("filter", format!("`filter` is `live` or one of {}", STATES.join(" ")))),
    }
}

/// A session, by id or by the name of a live one.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "session", params(("id" = String, Path)),
    responses((status = 200, body = SessionView)))]
pub(super) async fn session_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Failure> {
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(app.session_view(id).await?))
}

/// Ends a session and everything in it. One that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "session", params(("id" = String, Path)), responses(
    (status = 200, body = SessionView, description = "The session as it is now; its end follows"),
))]
pub(super) async fn session_end(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Failure> {
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(app.session_end(id, "asked for by a client").await?))
}
