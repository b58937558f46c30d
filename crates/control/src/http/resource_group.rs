//! Resource groups and their queues.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use madang_public_api::{Page, ResourceGroupSettings, ResourceGroupView, SessionView};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiJson, ApiQuery},
    others::Others,
};
use crate::app::Failure;

/// Nodes that are scheduled together, and who waits for them.
pub(super) fn resource_group_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(resource_group_list))
        .routes(routes!(resource_group_get, resource_group_set))
        .routes(routes!(queue_list))
}

/// Every resource group, by name.
#[utoipa::path(get, path = "/api/v1/resource-groups", tag = "queue",
    responses((status = 200, body = Page<ResourceGroupView>)))]
async fn resource_group_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Json<Page<ResourceGroupView>> {
    let mut items = app.resource_groups();
    others.complete((&app, &asker), &mut items, |group| Some(&group.name), |group| group.name.clone()).await;
    Json(Page { items, next_cursor: None })
}

/// A resource group.
#[utoipa::path(get, path = "/api/v1/resource-groups/{name}", tag = "queue", params(("name" = String, Path)),
    responses((status = 200, body = ResourceGroupView)))]
async fn resource_group_get(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<ResourceGroupView>, Failure> {
    Ok(Json(app.resource_group(&name)?))
}

/// Makes a resource group, or changes how it schedules. What is placed stays where it is.
#[utoipa::path(put, path = "/api/v1/resource-groups/{name}", tag = "queue", params(("name" = String, Path)),
    request_body = ResourceGroupSettings, responses((status = 200, body = ResourceGroupView)))]
async fn resource_group_set(
    State(app): State<Shared>,
    Path(name): Path<String>,
    ApiJson(settings): ApiJson<ResourceGroupSettings>,
) -> Result<Json<ResourceGroupView>, Failure> {
    Ok(Json(app.resource_group_set(&name, settings).await?))
}

/// Whose queue.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct QueueQuery {
    /// Its name: `default` where left out.
    resource_group: Option<String>,
}

/// Sessions that wait for room in a resource group, as far as the asker may see them, the next one first; 200 at most. Those that
/// wait for other sessions are not in it.
#[utoipa::path(get, path = "/api/v1/queue", tag = "queue", params(QueueQuery), responses(
    (status = 200, body = Page<SessionView>),
    (status = 404, body = madang_public_api::Problem, content_type = "application/problem+json", description = "There is no such group"),
))]
async fn queue_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(query): ApiQuery<QueueQuery>,
) -> Result<Json<Page<SessionView>>, Failure> {
    let items = app.queue_list(&asker, query.resource_group.as_deref())?;
    Ok(Json(Page { items, next_cursor: None }))
}
