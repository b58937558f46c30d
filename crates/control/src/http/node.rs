//! Machines and the tokens that let them join.

use axum::{Extension, Json, extract::State, http::StatusCode};
use madang_ids::{NodeId, TokenId};
use madang_public_api::{
    Page, Problem,
    node::{NodeChange, NodeTokenCreate, NodeTokenMade, NodeTokenView, NodeView},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiJson, ApiQuery},
    others::Others,
};
use crate::app::{Failure, WithSessions};

/// Nodes, for those who run the service.
pub(super) fn node_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(node_list))
        .routes(routes!(node_get, node_change, node_remove))
        .routes(routes!(node_token_list, node_token_create))
        .routes(routes!(node_token_remove))
}

/// Machines that run sandboxes, by name.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "node", responses((status = 200, body = Page<NodeView>)))]
async fn node_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Result<Json<Page<NodeView>>, Failure> {
    let mut items = app.node_views().await?;
    others.complete((&app, &asker), &mut items, |node| Some(&node.resource_group), |node| node.id).await;
    Ok(Json(Page { items, next_cursor: None }))
}

/// A machine.
#[utoipa::path(get, path = "/api/v1/nodes/{id}", tag = "node", params(("id" = String, Path)),
    responses((status = 200, body = NodeView)))]
async fn node_get(State(app): State<Shared>, ApiId(id): ApiId<NodeId>) -> Result<Json<NodeView>, Failure> {
    Ok(Json(app.node_get(id).await?))
}

/// Cordons or drains a node, or opens it again.
#[utoipa::path(patch, path = "/api/v1/nodes/{id}", tag = "node", params(("id" = String, Path)),
    request_body = NodeChange, responses((status = 200, body = NodeView)))]
async fn node_change(
    State(app): State<Shared>,
    ApiId(id): ApiId<NodeId>,
    ApiJson(change): ApiJson<NodeChange>,
) -> Result<Json<NodeView>, Failure> {
    Ok(Json(app.node_change(id, change).await?))
}

/// What may be lost.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// Also while sessions are on it: they end as lost, or start elsewhere.
    force: bool,
}

/// Removes a node: its certificates are worth nothing from now on, and it ends what it runs.
#[utoipa::path(delete, path = "/api/v1/nodes/{id}", tag = "node", params(("id" = String, Path), RemoveQuery), responses(
    (status = 200, body = NodeView, description = "The node as it was"),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "Sessions are on it, or it is the server's own"),
))]
async fn node_remove(
    State(app): State<Shared>,
    ApiId(id): ApiId<NodeId>,
    ApiQuery(query): ApiQuery<RemoveQuery>,
) -> Result<Json<NodeView>, Failure> {
    let with_sessions = if query.force { WithSessions::GiveUp } else { WithSessions::Refuse };
    Ok(Json(app.node_remove(id, with_sessions).await?))
}

/// Tokens that still let somebody in.
#[utoipa::path(get, path = "/api/v1/node-tokens", tag = "node", responses((status = 200, body = Page<NodeTokenView>)))]
async fn node_token_list(State(app): State<Shared>) -> Result<Json<Page<NodeTokenView>>, Failure> {
    Ok(Json(Page { items: app.node_token_views().await?, next_cursor: None }))
}

/// Makes a token by which machines may join. It is shown once.
#[utoipa::path(post, path = "/api/v1/node-tokens", tag = "node", request_body = NodeTokenCreate, responses(
    (status = 201, body = NodeTokenMade),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "This server takes no nodes from elsewhere"),
))]
async fn node_token_create(
    State(app): State<Shared>,
    ApiJson(request): ApiJson<NodeTokenCreate>,
) -> Result<(StatusCode, Json<NodeTokenMade>), Failure> {
    Ok((StatusCode::CREATED, Json(app.node_token_create(request).await?)))
}

/// Takes a token back: nobody joins by it any more; who has joined stays.
#[utoipa::path(delete, path = "/api/v1/node-tokens/{id}", tag = "node", params(("id" = String, Path)),
    responses((status = 200, body = NodeTokenView, description = "The token as it was")))]
async fn node_token_remove(
    State(app): State<Shared>,
    ApiId(id): ApiId<TokenId>,
) -> Result<Json<NodeTokenView>, Failure> {
    Ok(Json(app.node_token_remove(id).await?))
}
