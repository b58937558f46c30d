//! Resource policies.

use axum::{
    Json,
    extract::{Path, State},
};
use madang_model::policy::PolicyLimits;
use madang_public_api::{Page, PolicyView};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, body::ApiJson};
use crate::app::Failure;

/// What people may hold.
pub(super) fn policy_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(policy_list)).routes(routes!(policy_get, policy_set, policy_remove))
}

/// Every policy, by name.
#[utoipa::path(get, path = "/api/v1/policies", tag = "policy", responses((status = 200, body = Page<PolicyView>)))]
async fn policy_list(State(app): State<Shared>) -> Json<Page<PolicyView>> {
    Json(Page { items: app.policies_all(), next_cursor: None })
}

/// A policy.
#[utoipa::path(get, path = "/api/v1/policies/{name}", tag = "policy", params(("name" = String, Path)),
    responses((status = 200, body = PolicyView)))]
async fn policy_get(State(app): State<Shared>, Path(name): Path<String>) -> Result<Json<PolicyView>, Failure> {
    Ok(Json(app.policy_view(&name)?))
}

/// Makes a policy, or replaces what it allows. It holds for what begins from then on.
#[utoipa::path(put, path = "/api/v1/policies/{name}", tag = "policy", params(("name" = String, Path)),
    request_body = PolicyLimits, responses((status = 200, body = PolicyView)))]
async fn policy_set(
    State(app): State<Shared>,
    Path(name): Path<String>,
    ApiJson(limits): ApiJson<PolicyLimits>,
) -> Result<Json<PolicyView>, Failure> {
    Ok(Json(app.policy_set(name, limits).await?))
}

/// Removes a policy that nobody has.
#[utoipa::path(delete, path = "/api/v1/policies/{name}", tag = "policy", params(("name" = String, Path)),
    responses((status = 200, body = PolicyView)))]
async fn policy_remove(State(app): State<Shared>, Path(name): Path<String>) -> Result<Json<PolicyView>, Failure> {
    Ok(Json(app.policy_remove(&name).await?))
}
