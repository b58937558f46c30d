//! What the whole service takes, and announcements.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_ids::AnnouncementId;
use madang_model::{Audience, retention::Retention};
use madang_public_api::{
    AnnouncementCreate, AnnouncementView, Page, ProblemKind, RetentionView, ServiceStateChange, ServiceStateView,
    bounds,
};
use madang_store::AnnouncementPage;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiJson, ApiQuery},
};
use crate::{app::Failure, clock::now_ms};

/// Whether anything new is taken, and why not.
#[utoipa::path(get, path = "/api/v1/service/state", tag = "house", responses((status = 200, body = ServiceStateView)))]
pub(super) async fn service_state_get(State(app): State<Shared>) -> Json<ServiceStateView> {
    Json(app.service_view())
}

/// Freezes, drains or runs the whole service, every process of it.
#[utoipa::path(put, path = "/api/v1/service/state", tag = "house", request_body = ServiceStateChange,
    responses((status = 200, body = ServiceStateView)))]
pub(super) async fn service_state_put(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(change): ApiJson<ServiceStateChange>,
) -> Result<Json<ServiceStateView>, Failure> {
    Ok(Json(app.service_change(change, &asker.name).await?))
}

/// How long things are kept.
#[utoipa::path(get, path = "/api/v1/service/retention", tag = "house", responses((status = 200, body = RetentionView)))]
pub(super) async fn retention_get(State(app): State<Shared>) -> Result<Json<RetentionView>, Failure> {
    Ok(Json(app.retention_view().await?))
}

/// Says how long things are kept. What is left out is as the configuration says; what is too old by then goes with the next run of the task `prune`.
#[utoipa::path(put, path = "/api/v1/service/retention", tag = "house", request_body = Retention,
    responses((status = 200, body = RetentionView)))]
pub(super) async fn retention_put(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(settings): ApiJson<Retention>,
) -> Result<Json<RetentionView>, Failure> {
    Ok(Json(app.retention_set(settings, &asker.name).await?))
}

/// What everybody is told now.
#[utoipa::path(get, path = "/api/v1/announcements", tag = "house",
    responses((status = 200, body = Page<AnnouncementView>)))]
pub(super) async fn announcement_list(State(app): State<Shared>) -> Result<Json<Page<AnnouncementView>>, Failure> {
    let limit = bounds::ANNOUNCEMENTS_MAX as u64;
    let page = AnnouncementPage { at_ms: Some(now_ms()), limit, ..AnnouncementPage::default() };
    Ok(Json(app.announcement_list(page).await?))
}

/// What is told on the sign-in page now; needs no identity.
#[utoipa::path(get, path = "/api/v1/announcements/public", tag = "house",
    responses((status = 200, body = Page<AnnouncementView>)))]
pub(super) async fn announcement_list_public(
    State(app): State<Shared>,
) -> Result<Json<Page<AnnouncementView>>, Failure> {
    let (at_ms, audience) = (Some(now_ms()), Some(Audience::Everybody));
    let limit = bounds::ANNOUNCEMENTS_MAX as u64;
    Ok(Json(app.announcement_list(AnnouncementPage { at_ms, audience, limit, after: None }).await?))
}

/// How many, and after which.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AnnouncementQuery {
    /// Items of a page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Every announcement, over or yet to come, newest first.
#[utoipa::path(get, path = "/api/v1/announcements/all", tag = "house", params(AnnouncementQuery),
    responses((status = 200, body = Page<AnnouncementView>)))]
pub(super) async fn announcement_list_all(
    State(app): State<Shared>,
    ApiQuery(query): ApiQuery<AnnouncementQuery>,
) -> Result<Json<Page<AnnouncementView>>, Failure> {
    let limit = query.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let after = query.cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| Failure {
        field: Some("cursor".into()),
        ..Failure::new(ProblemKind::Malformed, "`cursor` is not one that a page gave")
    })?;
    let page = AnnouncementPage { after, limit: u64::from(limit), ..AnnouncementPage::default() };
    Ok(Json(app.announcement_list(page).await?))
}

/// Tells everybody something.
#[utoipa::path(post, path = "/api/v1/announcements", tag = "house", request_body = AnnouncementCreate,
    responses((status = 201, body = AnnouncementView)))]
pub(super) async fn announcement_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(create): ApiJson<AnnouncementCreate>,
) -> Result<Response, Failure> {
    let view = app.announcement_create(create, &asker.name).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Ends an announcement now.
#[utoipa::path(delete, path = "/api/v1/announcements/{id}", tag = "house", params(("id" = String, Path)),
    responses((status = 200, body = AnnouncementView)))]
pub(super) async fn announcement_end(
    State(app): State<Shared>,
    ApiId(id): ApiId<AnnouncementId>,
) -> Result<Json<AnnouncementView>, Failure> {
    Ok(Json(app.announcement_end(id).await?))
}
