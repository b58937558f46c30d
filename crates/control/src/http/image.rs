//! Images, over HTTP.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_node_api::{COMMITTED, ImageSeen};
use madang_public_api::{
    ImageChange, ImagePrefetch, ImagePrefetched, ImageView, Page, Problem, SessionCommit, SessionCommitted,
};
use tokio_util::io::ReaderStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, auth::Asking, body::ApiJson, others::Others, session_act::usable};
use crate::app::Failure;

const CHUNK_BYTES: usize = 256 << 10;

pub(super) fn image_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(image_list))
        .routes(routes!(image_get, image_change, image_remove))
        .routes(routes!(image_export))
        .routes(routes!(image_prefetch))
        .routes(routes!(session_commit))
}

/// Images that sandboxes can be made from: those that every node's administrator has put there, one's own, and those shared with one's
/// projects.
#[utoipa::path(get, path = "/api/v1/images", tag = "image", responses(
    (status = 200, body = Page<ImageView>),
    (status = 503, body = Problem, description = "The node does not answer"),
))]
async fn image_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Result<Json<Page<ImageView>>, Failure> {
    let theirs = others.ask::<Page<ImageView>>(&app, &asker).await;
    let ours = match app.node.images().await {
        Ok(images) => images,
        Err(_) if !theirs.is_empty() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut items: Vec<_> =
        ours.into_iter().filter(|image| !image.name.starts_with(COMMITTED)).map(image_view).collect();
    let theirs = theirs.into_iter().flat_map(|(_, page)| page.items).filter(|image| image.committed.is_none());
    for image in theirs {
        if items.iter().all(|known| known.name != image.name) {
            items.push(image);
        }
    }
    items.extend(app.image_list(&asker).await?);
    Ok(Json(Page { items, next_cursor: None }))
}

fn image_view(seen: ImageSeen) -> ImageView {
    let ImageSeen { name, digest, size_bytes, languages } = seen;
    ImageView { name, digest, size_bytes, languages, committed: None }
}

/// An image that was made of a session, by id, or by name among those that the asker may use.
#[utoipa::path(get, path = "/api/v1/images/{id}", tag = "image", params(("id" = String, Path)),
    responses((status = 200, body = ImageView)))]
async fn image_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<ImageView>, Failure> {
    let record = app.image_find(&asker, &id).await?;
    Ok(Json(app.image_view(&record)))
}

/// All of an image that was made of a session, as an OCI layout in a tar, as other tools for images and `madang image import` read it.
#[utoipa::path(get, path = "/api/v1/images/{id}/export", tag = "image", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-tar", body = Vec<u8>)))]
async fn image_export(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let (record, opened) = app.image_export(&asker, &id).await?;
    let body = Body::from_stream(ReaderStream::with_capacity(opened.bytes, CHUNK_BYTES));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(opened.seen.size_bytes));
    // Names have no character that would need another spelling.
    if let Ok(file) = HeaderValue::from_str(&format!("attachment; filename=\"{}.tar\"", record.name)) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    Ok(response)
}

/// Renames an image that was made of a session, or shares it with the project that the session was for.
#[utoipa::path(patch, path = "/api/v1/images/{id}", tag = "image", params(("id" = String, Path)),
    request_body = ImageChange, responses((status = 200, body = ImageView)))]
async fn image_change(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(change): ApiJson<ImageChange>,
) -> Result<Json<ImageView>, Failure> {
    Ok(Json(app.image_change(&asker, &id, change).await?))
}

/// Removes an image that was made of a session, and what only it needs. Refused while sessions are made of it.
#[utoipa::path(delete, path = "/api/v1/images/{id}", tag = "image", params(("id" = String, Path)),
    responses((status = 200, body = ImageView, description = "The image as it was")))]
async fn image_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
) -> Result<Json<ImageView>, Failure> {
    Ok(Json(app.image_remove(&asker, &id).await?))
}

/// Brings an image that was made of a session to nodes ahead of the sessions that will be made of it. For administrators of the service.
#[utoipa::path(post, path = "/api/v1/images/{id}/prefetch", tag = "image", params(("id" = String, Path)),
    request_body = ImagePrefetch, responses((status = 200, body = ImagePrefetched)))]
async fn image_prefetch(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<ImagePrefetch>,
) -> Result<Json<ImagePrefetched>, Failure> {
    Ok(Json(app.image_prefetch(&asker, &id, request).await?))
}

/// Makes an image of what is in the session's work directory, over the image that the session was made of. Everything in the session stands
/// still while it is read. Folders that are mounted are not in it.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/commit", tag = "image", params(("id" = String, Path)),
    request_body = SessionCommit, responses((status = 201, body = SessionCommitted)))]
async fn session_commit(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiJson(request): ApiJson<SessionCommit>,
) -> Result<Response, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let made = app.session_commit(&asker, &session, request).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}
