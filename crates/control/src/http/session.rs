//! Sessions: making, finding, ending.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_public_api::{BASE_PATH, SessionCreate, SessionExplained, SessionView};
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

/// A session, by id or by the name of a live one.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "session", params(("id" = String, Path)),
    responses((status = 200, body = SessionView)))]
pub(super) async fn session_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Failure> {
    let id = app.session_id(&asker, &id).await?;
    Ok(Json(asker.session_shown(app.session_view(id).await?)))
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
    Ok(Json(asker.session_shown(app.session_end(id, "asked for by a client").await?)))
}
