//! Folders: making, finding, changing, the trash, copies, owners, quotas.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ids::FolderId;
use madang_public_api::{
    BASE_PATH, FolderChange, FolderClone, FolderCreate, FolderOwnerChange, FolderQuotaView, FolderView, Page,
    ProblemKind, bounds,
};
use madang_store::FolderQuery;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Shared,
    auth::Asking,
    body::{ApiJson, ApiQuery},
};
use crate::app::{Failure, FolderUsageAsked};

type Answer<T> = Result<Json<T>, Failure>;

pub(super) fn folder_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(folder_list, folder_create))
        .routes(routes!(folder_get, folder_change, folder_trash))
        .routes(routes!(folder_restore))
        .routes(routes!(folder_purge))
        .routes(routes!(folder_clone))
        .routes(routes!(folder_owner_change))
        .routes(routes!(folder_quota_list))
}

/// Which folders, and how many.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Items of a page, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Name or id of a user or a project: all of its folders, for those who may know of them. Where left out, what the asker may reach.
    #[param(max_length = 64)]
    owner: Option<String>,
    /// Only those of this name.
    #[param(max_length = 64)]
    name: Option<String>,
    /// Those in the trash instead.
    trashed: bool,
}

/// Whether to count what is in it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct GetQuery {
    /// Say what the folder holds; takes a while where that is much.
    usage: bool,
}

/// Folders that the asker may reach, oldest first.
#[utoipa::path(get, path = "/api/v1/folders", tag = "folder", params(ListQuery),
    responses((status = 200, body = Page<FolderView>)))]
async fn folder_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Page<FolderView>> {
    let limit = query.limit.unwrap_or(bounds::PAGE_LIMIT_DEFAULT);
    if !(1..=bounds::PAGE_LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid("limit", format!("`limit` is between 1 and {}", bounds::PAGE_LIMIT_MAX)));
    }
    let wrong = || Failure {
        field: Some("cursor".into()),
        ..Failure::new(ProblemKind::Malformed, "`cursor` is not one that a page gave")
    };
    let after = query.cursor.map(|cursor| cursor.parse::<FolderId>()).transpose().map_err(|_| wrong())?;
    let query = FolderQuery {
        reach: app.folder_reach(&asker, query.owner.as_deref())?,
        name: query.name.map(possible_name).transpose()?,
        trashed: query.trashed,
        after,
        // One more says whether there is another page.
        limit: u64::from(limit) + 1,
    };
    let mut items = app.folder_list(&asker, &query).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(Page { items, next_cursor }))
}

/// A name that a folder may have, as far as its length goes and databases care.
fn possible_name(name: String) -> Result<String, Failure> {
    let max = bounds::NAME_CHARS_MAX;
    match name.contains('\0') || name.chars().count() > max {
        true => {
            Err(Failure::invalid("name", format!("no folder has a name of more than {max} characters, or with a NUL")))
        }
        false => Ok(name),
    }
}

/// Makes a folder: one's own, or one of a project.
#[utoipa::path(post, path = "/api/v1/folders", tag = "folder", request_body = FolderCreate,
    responses((status = 201, body = FolderView)))]
async fn folder_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiJson(request): ApiJson<FolderCreate>,
) -> Result<Response, Failure> {
    Ok(made(app.folder_create(&asker, request).await?))
}

/// A folder, by id, or by name among those that the asker may reach.
#[utoipa::path(get, path = "/api/v1/folders/{id}", tag = "folder", params(("id" = String, Path), GetQuery),
    responses((status = 200, body = FolderView)))]
async fn folder_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<GetQuery>,
) -> Answer<FolderView> {
    let usage = if query.usage { FolderUsageAsked::Counted } else { FolderUsageAsked::LeftOut };
    Ok(Json(app.folder_get(&asker, &id, usage).await?))
}

/// Renames a folder, or changes what it is for and what members of its project may do.
#[utoipa::path(patch, path = "/api/v1/folders/{id}", tag = "folder", params(("id" = String, Path)),
    request_body = FolderChange, responses((status = 200, body = FolderView)))]
async fn folder_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(change): ApiJson<FolderChange>,
) -> Answer<FolderView> {
    Ok(Json(app.folder_change(&asker, &id, change).await?))
}

/// Brings a folder to the trash. Refused while a session mounts it.
#[utoipa::path(delete, path = "/api/v1/folders/{id}", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = FolderView)))]
async fn folder_trash(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<FolderView> {
    Ok(Json(app.folder_trash(&asker, &id).await?))
}

/// Brings a folder back from the trash. Refused where its name was taken meanwhile.
#[utoipa::path(post, path = "/api/v1/folders/{id}/restore", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = FolderView)))]
async fn folder_restore(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<FolderView> {
    Ok(Json(app.folder_restore(&asker, &id).await?))
}

/// Removes a folder that is in the trash, or could not be made, for good.
#[utoipa::path(post, path = "/api/v1/folders/{id}/purge", tag = "folder", params(("id" = String, Path)),
    responses((status = 200, body = FolderView, description = "The folder as it was; it goes now")))]
async fn folder_purge(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Answer<FolderView> {
    Ok(Json(app.folder_purge(&asker, &id).await?))
}

/// Makes a folder with a copy of all that is in this one. A large one is `cloning` for a while.
#[utoipa::path(post, path = "/api/v1/folders/{id}/clone", tag = "folder", params(("id" = String, Path)),
    request_body = FolderClone, responses((status = 201, body = FolderView)))]
async fn folder_clone(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<FolderClone>,
) -> Result<Response, Failure> {
    Ok(made(app.folder_clone(&asker, &id, request).await?))
}

/// Gives a folder to another user or project of its organization. A large one is `moving` for a while.
#[utoipa::path(post, path = "/api/v1/folders/{id}/owner", tag = "folder", params(("id" = String, Path)),
    request_body = FolderOwnerChange, responses((status = 200, body = FolderView)))]
async fn folder_owner_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<FolderOwnerChange>,
) -> Answer<FolderView> {
    Ok(Json(app.folder_owner_change(&asker, &id, request).await?))
}

/// What the asker's folders, and those of the asker's projects, hold and may hold.
#[utoipa::path(get, path = "/api/v1/folder-quotas", tag = "folder",
    responses((status = 200, body = Page<FolderQuotaView>)))]
async fn folder_quota_list(State(app): State<Shared>, Extension(asker): Asking) -> Answer<Page<FolderQuotaView>> {
    Ok(Json(Page { items: app.folder_quota_list(&asker).await?, next_cursor: None }))
}

fn made(view: FolderView) -> Response {
    let location = HeaderValue::from_str(&format!("{BASE_PATH}/folders/{}", view.id));
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.headers_mut().extend(location.map(|value| (header::LOCATION, value)));
    response
}
