//! Organizations, projects, users, tokens, and oneself.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use madang_public_api::{
    MeView, MembershipSet, MembershipView, NamedChange, OrganizationCreate, OrganizationView, Page, ProjectCreate,
    ProjectView, TokenCreate, TokenMade, TokenView, UserChange, UserCreate, UserView,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, auth::Asking, body::ApiJson};
use crate::app::{
    Failure,
    people_view::{organization_view, project_view},
};

type Answer<T> = Result<Json<T>, Failure>;
type Made<T> = Result<(StatusCode, Json<T>), Failure>;

/// What people are called and what they may do.
pub(super) fn people_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(me_get))
        .routes(routes!(organization_list, organization_create))
        .routes(routes!(organization_get, organization_change, organization_archive))
        .routes(routes!(project_list, project_create))
        .routes(routes!(project_get, project_change, project_archive))
        .routes(routes!(member_list))
        .routes(routes!(member_set, member_remove))
        .routes(routes!(user_list, user_create))
        .routes(routes!(user_get, user_change, user_archive))
        .routes(routes!(token_list, token_create))
        .routes(routes!(token_revoke))
}

fn whole<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next_cursor: None })
}

fn made<T>(view: T) -> (StatusCode, Json<T>) {
    (StatusCode::CREATED, Json(view))
}

/// Who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "people", responses((status = 200, body = MeView)))]
async fn me_get(State(app): State<Shared>, Extension(asker): Asking) -> Answer<MeView> {
    let has_password = app.store.password_get(asker.user).await?.is_some();
    let me = app.people.now().me_view(&asker).ok_or_else(|| Failure::not_found("your account"))?;
    Ok(Json(MeView { has_password, ..me }))
}

/// Organizations that the asker may see.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "people",
    responses((status = 200, body = Page<OrganizationView>)))]
async fn organization_list(State(app): State<Shared>, Extension(asker): Asking) -> Json<Page<OrganizationView>> {
    whole(app.organizations_seen(&asker))
}

/// Makes an organization.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "people", request_body = OrganizationCreate,
    responses((status = 201, body = OrganizationView)))]
async fn organization_create(
    State(app): State<Shared>,
    ApiJson(request): ApiJson<OrganizationCreate>,
) -> Made<OrganizationView> {
    Ok(made(app.organization_create(request).await?))
}

/// An organization, by id or name.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = OrganizationView)))]
async fn organization_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<OrganizationView> {
    Ok(Json(organization_view(&app.organization_find(&asker, &id)?)))
}

/// Changes an organization.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}", tag = "people", params(("id" = String, Path)),
    request_body = NamedChange, responses((status = 200, body = OrganizationView)))]
async fn organization_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(change): ApiJson<NamedChange>,
) -> Answer<OrganizationView> {
    let record = app.organization_find(&asker, &id)?;
    Ok(Json(app.organization_change(record, change).await?))
}

/// Archives an organization: nobody of it may sign in any more.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = OrganizationView)))]
async fn organization_archive(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<OrganizationView> {
    let record = app.organization_find(&asker, &id)?;
    Ok(Json(app.organization_archive(record).await?))
}

/// Projects that the asker may see.
#[utoipa::path(get, path = "/api/v1/projects", tag = "people", responses((status = 200, body = Page<ProjectView>)))]
async fn project_list(State(app): State<Shared>, Extension(asker): Asking) -> Json<Page<ProjectView>> {
    whole(app.projects_seen(&asker))
}

/// Makes a project.
#[utoipa::path(post, path = "/api/v1/projects", tag = "people", request_body = ProjectCreate,
    responses((status = 201, body = ProjectView)))]
async fn project_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<ProjectCreate>,
) -> Made<ProjectView> {
    Ok(made(app.project_create(&asker, request).await?))
}

/// A project, by id, or by name in the asker's organization.
#[utoipa::path(get, path = "/api/v1/projects/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = ProjectView)))]
async fn project_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<ProjectView> {
    Ok(Json(project_view(&app.project_find(&asker, &id)?)))
}

/// Changes a project.
#[utoipa::path(patch, path = "/api/v1/projects/{id}", tag = "people", params(("id" = String, Path)),
    request_body = NamedChange, responses((status = 200, body = ProjectView)))]
async fn project_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(change): ApiJson<NamedChange>,
) -> Answer<ProjectView> {
    let record = app.project_find(&asker, &id)?;
    Ok(Json(app.project_change(record, change).await?))
}

/// Archives a project: nothing new is done for it.
#[utoipa::path(delete, path = "/api/v1/projects/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = ProjectView)))]
async fn project_archive(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<ProjectView> {
    let record = app.project_find(&asker, &id)?;
    Ok(Json(app.project_archive(record).await?))
}

/// Who works in a project.
#[utoipa::path(get, path = "/api/v1/projects/{id}/members", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = Page<MembershipView>)))]
async fn member_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<Page<MembershipView>> {
    let project = app.project_find(&asker, &id)?;
    Ok(whole(app.members_of(project.id)))
}

/// Makes a user a member of a project, or gives a member another role.
#[utoipa::path(put, path = "/api/v1/projects/{id}/members/{user}", tag = "people",
    params(("id" = String, Path), ("user" = String, Path)), request_body = MembershipSet,
    responses((status = 200, body = MembershipView)))]
async fn member_set(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, user)): Path<(String, String)>,
    ApiJson(request): ApiJson<MembershipSet>,
) -> Answer<MembershipView> {
    let project = app.project_find(&asker, &id)?;
    Ok(Json(app.member_set(&project, &user, request).await?))
}

/// Ends a membership.
#[utoipa::path(delete, path = "/api/v1/projects/{id}/members/{user}", tag = "people",
    params(("id" = String, Path), ("user" = String, Path)), responses((status = 200, body = MembershipView)))]
async fn member_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, user)): Path<(String, String)>,
) -> Answer<MembershipView> {
    let project = app.project_find(&asker, &id)?;
    Ok(Json(app.member_remove(&project, &user).await?))
}

/// Users that the asker may see.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", responses((status = 200, body = Page<UserView>)))]
async fn user_list(State(app): State<Shared>, Extension(asker): Asking) -> Json<Page<UserView>> {
    whole(app.users_seen(&asker))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", request_body = UserCreate,
    responses((status = 201, body = UserView)))]
async fn user_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<UserCreate>,
) -> Made<UserView> {
    Ok(made(app.user_create(&asker, request).await?))
}

/// A user, by id or name.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = UserView)))]
async fn user_get(State(app): State<Shared>, Extension(asker): Asking, Path(id): Path<String>) -> Answer<UserView> {
    let record = app.user_find(&asker, &id)?;
    Ok(Json(app.people.now().user_view(&record)))
}

/// Changes, suspends or resumes a user.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "people", params(("id" = String, Path)),
    request_body = UserChange, responses((status = 200, body = UserView)))]
async fn user_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(change): ApiJson<UserChange>,
) -> Answer<UserView> {
    let record = app.user_find(&asker, &id)?;
    Ok(Json(app.user_change(&asker, record, change).await?))
}

/// Archives a user, who may do nothing ever again.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = UserView)))]
async fn user_archive(State(app): State<Shared>, Extension(asker): Asking, Path(id): Path<String>) -> Answer<UserView> {
    let record = app.user_find(&asker, &id)?;
    Ok(Json(app.user_archive(&asker, record).await?))
}

/// The asker's own tokens.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "people", responses((status = 200, body = Page<TokenView>)))]
async fn token_list(State(app): State<Shared>, Extension(asker): Asking) -> Json<Page<TokenView>> {
    whole(app.tokens_seen(&asker))
}

/// Makes a token of the asker's own. Its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "people", request_body = TokenCreate,
    responses((status = 201, body = TokenMade)))]
async fn token_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<TokenCreate>,
) -> Made<TokenMade> {
    Ok(made(app.token_create(&asker, request).await?))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, body = TokenView)))]
async fn token_revoke(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<TokenView> {
    let record = app.token_find(&asker, &id)?;
    Ok(Json(app.token_revoke(record).await?))
}
