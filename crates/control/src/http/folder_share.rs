//! Who else may reach a folder: shares, invitations, tickets.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use madang_ids::InvitationId;
use madang_public_api::{
    FolderShareSet, FolderShareView, FolderTicketCreate, FolderTicketView, InvitationCreate, InvitationView, Page,
};
use madang_store::InvitationState;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiJson},
};
use crate::app::Failure;

type Answer<T> = Result<Json<T>, Failure>;
type Made<T> = Result<(StatusCode, Json<T>), Failure>;

pub(super) fn folder_share_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(folder_share_list, folder_share_set))
        .routes(routes!(folder_share_remove))
        .routes(routes!(folder_leave))
        .routes(routes!(folder_ticket_create))
        .routes(routes!(folder_invite))
        .routes(routes!(folder_invitation_withdraw))
        .routes(routes!(invitation_list))
        .routes(routes!(invitation_accept))
        .routes(routes!(invitation_decline))
}

/// Whom a folder is shared with.
#[utoipa::path(get, path = "/api/v1/folders/{id}/shares", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = Page<FolderShareView>)))]
async fn folder_share_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<Page<FolderShareView>> {
    Ok(Json(Page { items: app.folder_share_list(&asker, &id).await?, next_cursor: None }))
}

/// Shares a folder with the members of a project, a project's folder with a user; or changes what a share allows.
#[utoipa::path(post, path = "/api/v1/folders/{id}/shares", tag = "folder", params(("id" = String, Path)),
    request_body = FolderShareSet, responses((status = 201, body = FolderShareView)))]
async fn folder_share_set(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<FolderShareSet>,
) -> Made<FolderShareView> {
    Ok((StatusCode::CREATED, Json(app.folder_share_set(&asker, &id, request).await?)))
}

/// Ends a share. Sessions that mount the folder keep it until they end; no other will have it.
#[utoipa::path(delete, path = "/api/v1/folders/{id}/shares/{name}", tag = "folder",
    params(("id" = String, Path), ("name" = String, Path, description = "Id or name of the user or project")),
    responses((status = 200, body = FolderShareView)))]
async fn folder_share_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, name)): Path<(String, String)>,
) -> Answer<FolderShareView> {
    Ok(Json(app.folder_share_remove(&asker, &id, &name).await?))
}

/// Gives up one's own share of a folder.
#[utoipa::path(post, path = "/api/v1/folders/{id}/leave", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = FolderShareView)))]
async fn folder_leave(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<FolderShareView> {
    Ok(Json(app.folder_leave(&asker, &id).await?))
}

/// Gives the right to reach a part of a folder's files for a short time: bytes go to and from where they are.
#[utoipa::path(post, path = "/api/v1/folders/{id}/tickets", tag = "folder", params(("id" = String, Path)),
    request_body = FolderTicketCreate, responses((status = 201, body = FolderTicketView)))]
async fn folder_ticket_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<FolderTicketCreate>,
) -> Made<FolderTicketView> {
    Ok((StatusCode::CREATED, Json(app.folder_ticket(&asker, &id, request).await?)))
}

/// Invites a user to a folder of one's own.
#[utoipa::path(post, path = "/api/v1/folders/{id}/invitations", tag = "folder", params(("id" = String, Path)),
    request_body = InvitationCreate, responses((status = 201, body = InvitationView)))]
async fn folder_invite(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<InvitationCreate>,
) -> Made<InvitationView> {
    Ok((StatusCode::CREATED, Json(app.folder_invite(&asker, &id, request).await?)))
}

/// Takes an invitation back that nobody has answered.
#[utoipa::path(delete, path = "/api/v1/folders/{id}/invitations/{name}", tag = "folder",
    params(("id" = String, Path), ("name" = String, Path, description = "Id of the invitation")),
    responses((status = 200, body = InvitationView)))]
async fn folder_invitation_withdraw(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, invitation)): Path<(String, String)>,
) -> Answer<InvitationView> {
    Ok(Json(app.folder_invitation_withdraw(&asker, &id, &invitation).await?))
}

/// Invitations that the asker was sent and has sent, the newest first.
#[utoipa::path(get, path = "/api/v1/invitations", tag = "folder",
    responses((status = 200, body = Page<InvitationView>)))]
async fn invitation_list(State(app): State<Shared>, Extension(asker): Asking) -> Answer<Page<InvitationView>> {
    Ok(Json(Page { items: app.invitation_list(&asker).await?, next_cursor: None }))
}

/// Accepts an invitation: the folder is shared with the asker from now on.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/accept", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = InvitationView)))]
async fn invitation_accept(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<InvitationId>,
) -> Answer<InvitationView> {
    Ok(Json(app.invitation_answer(&asker, id, InvitationState::Accepted).await?))
}

/// Declines an invitation.
#[utoipa::path(post, path = "/api/v1/invitations/{id}/decline", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = InvitationView)))]
async fn invitation_decline(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<InvitationId>,
) -> Answer<InvitationView> {
    Ok(Json(app.invitation_answer(&asker, id, InvitationState::Declined).await?))
}
