//! Prices and budgets.

use axum::{Extension, Json, extract::State, http::StatusCode};
use madang_ids::{BudgetId, PriceId};
use madang_public_api::{BudgetCreate, BudgetView, Page, PriceCreate, PriceView};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiJson},
};
use crate::app::Failure;

pub(super) fn money_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(price_list, price_create))
        .routes(routes!(price_remove))
        .routes(routes!(budget_list, budget_create))
        .routes(routes!(budget_remove))
}

/// Every price there has been and will be, by unit and then by when it begins.
#[utoipa::path(get, path = "/api/v1/prices", tag = "usage", responses((status = 200, body = Page<PriceView>)))]
async fn price_list(State(app): State<Shared>) -> Json<Page<PriceView>> {
    Json(Page { items: app.price_list(), next_cursor: None })
}

/// Sets a price of a unit from now or later on. What was used before is paid by the price of its time.
#[utoipa::path(post, path = "/api/v1/prices", tag = "usage", request_body = PriceCreate,
    responses((status = 201, body = PriceView)))]
async fn price_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<PriceCreate>,
) -> Result<(StatusCode, Json<PriceView>), Failure> {
    Ok((StatusCode::CREATED, Json(app.price_create(&asker, request).await?)))
}

/// Takes a price back that has not begun.
#[utoipa::path(delete, path = "/api/v1/prices/{id}", tag = "usage", params(("id" = String, Path)),
    responses((status = 200, body = PriceView)))]
async fn price_remove(State(app): State<Shared>, ApiId(id): ApiId<PriceId>) -> Result<Json<PriceView>, Failure> {
    Ok(Json(app.price_remove(id).await?))
}

/// Budgets of the asker, of the asker's projects and of whomever the asker administers, and how far they have come.
#[utoipa::path(get, path = "/api/v1/budgets", tag = "usage", responses((status = 200, body = Page<BudgetView>)))]
async fn budget_list(State(app): State<Shared>, Extension(asker): Asking) -> Json<Page<BudgetView>> {
    Json(Page { items: app.budget_list(&asker), next_cursor: None })
}

/// Says what a user or a project may spend. Everybody may do so for themselves; administrators for their organization.
#[utoipa::path(post, path = "/api/v1/budgets", tag = "usage", request_body = BudgetCreate,
    responses((status = 201, body = BudgetView)))]
async fn budget_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<BudgetCreate>,
) -> Result<(StatusCode, Json<BudgetView>), Failure> {
    Ok((StatusCode::CREATED, Json(app.budget_create(&asker, request).await?)))
}

/// Ends a budget. What others have set for somebody only administrators end.
#[utoipa::path(delete, path = "/api/v1/budgets/{id}", tag = "usage", params(("id" = String, Path)),
    responses((status = 200, body = BudgetView)))]
async fn budget_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<BudgetId>,
) -> Result<Json<BudgetView>, Failure> {
    Ok(Json(app.budget_remove(&asker, id).await?))
}
