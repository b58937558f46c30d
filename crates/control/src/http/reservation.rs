//! Reservations.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_ids::ReservationId;
use madang_public_api::{Page, Problem, ReservationCreate, ReservationView};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiJson},
    others::Others,
};
use crate::app::Failure;

/// Slots promised for a time.
pub(super) fn reservation_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(reservation_list, reservation_create)).routes(routes!(reservation_end))
}

/// Reservations that are not over, of the asker's projects, the first to begin first.
#[utoipa::path(get, path = "/api/v1/reservations", tag = "queue",
    responses((status = 200, body = Page<ReservationView>)))]
async fn reservation_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Result<Json<Page<ReservationView>>, Failure> {
    let mut items = app.reservation_list(&asker).await?;
    others.complete((&app, &asker), &mut items, |view| Some(&view.resource_group), |view| view.id).await;
    Ok(Json(Page { items, next_cursor: None }))
}

/// Promises slots for a time, or says how many could be promised, and when all could. Sessions of the project that are like them use them.
#[utoipa::path(post, path = "/api/v1/reservations", tag = "queue", request_body = ReservationCreate, responses(
    (status = 201, body = ReservationView),
    (status = 409, body = Problem, content_type = "application/problem+json",
        description = "It could not be kept: `possible` says what could be"),
))]
async fn reservation_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<ReservationCreate>,
) -> Result<Response, Failure> {
    let view = app.reservation_create(&asker, request).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Takes a reservation back. Sessions that use it stay.
#[utoipa::path(delete, path = "/api/v1/reservations/{id}", tag = "queue", params(("id" = String, Path)),
    responses((status = 200, body = ReservationView)))]
async fn reservation_end(
    State(app): State<Shared>,
    ApiId(id): ApiId<ReservationId>,
) -> Result<Json<ReservationView>, Failure> {
    Ok(Json(app.reservation_end(id).await?))
}
