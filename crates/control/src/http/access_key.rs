//! Access keys, over HTTP.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_public_api::{AccessKeyCreate, AccessKeyMade, AccessKeyView, Page, bounds};
use madang_store::AccessKeyRecord;

use super::{Shared, audit::Noted, auth::Asking, body::ApiJson};
use crate::{
    app::{App, Asker, Failure},
    clock::now_ms,
    signin::key,
};

/// The access keys that the asking user may know of, oldest first.
#[utoipa::path(get, path = "/api/v1/access-keys", tag = "signin", responses((status = 200, body = Page<AccessKeyView>)))]
pub(super) async fn access_key_list(State(app): State<Shared>, asking: Asking) -> Json<Page<AccessKeyView>> {
    let directory = app.people.now();
    let shown = directory.access_keys.values().filter(|key| app.sees_user(&asking, key.owner));
    let mut items: Vec<_> = shown.map(key::view).collect();
    items.sort_by(|one, other| (one.created_at, &one.access_key).cmp(&(other.created_at, &other.access_key)));
    items.truncate(bounds::PAGE_LIMIT_MAX as usize);
    Json(Page { items, next_cursor: None })
}

/// Makes an access key. Its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/access-keys", tag = "signin", request_body = AccessKeyCreate,
    responses((status = 201, body = AccessKeyMade)))]
pub(super) async fn access_key_create(
    State(app): State<Shared>,
    asking: Asking,
    ApiJson(request): ApiJson<AccessKeyCreate>,
) -> Result<Response, Failure> {
    app.check_whole(&asking)?;
    let owner = match &request.user {
        Some(user) => app.user_asked(&asking, user)?,
        None => asking.user,
    };
    let made = key::make(&app, owner, asking.user, &request).await?;
    app.people_refresh().await?;
    Ok(shown(StatusCode::CREATED, &made))
}

/// Gives a key another secret, which is shown this once. The old one is good no more.
#[utoipa::path(post, path = "/api/v1/access-keys/{id}/rotate", tag = "signin", params(("id" = String, Path)),
    responses((status = 200, body = AccessKeyMade)))]
pub(super) async fn access_key_rotate(
    State(app): State<Shared>,
    asking: Asking,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    app.check_whole(&asking)?;
    let made = key::rotate(&app, &known(&app, &asking, &id)?, asking.user).await?;
    app.people_refresh().await?;
    Ok(shown(StatusCode::OK, &made))
}

/// Has a key refused until it is resumed.
#[utoipa::path(post, path = "/api/v1/access-keys/{id}/suspend", tag = "signin", params(("id" = String, Path)),
    responses((status = 200, body = AccessKeyView)))]
pub(super) async fn access_key_suspend(
    State(app): State<Shared>,
    asking: Asking,
    Path(id): Path<String>,
) -> Result<Json<AccessKeyView>, Failure> {
    change(&app, &asking, &id, Some(now_ms())).await
}

/// Has a suspended key taken again.
#[utoipa::path(post, path = "/api/v1/access-keys/{id}/resume", tag = "signin", params(("id" = String, Path)),
    responses((status = 200, body = AccessKeyView)))]
pub(super) async fn access_key_resume(
    State(app): State<Shared>,
    asking: Asking,
    Path(id): Path<String>,
) -> Result<Json<AccessKeyView>, Failure> {
    change(&app, &asking, &id, None).await
}

/// Forgets a key.
#[utoipa::path(delete, path = "/api/v1/access-keys/{id}", tag = "signin", params(("id" = String, Path)),
    responses((status = 200, body = AccessKeyView, description = "The key as it was")))]
pub(super) async fn access_key_remove(
    State(app): State<Shared>,
    asking: Asking,
    Path(id): Path<String>,
) -> Result<Json<AccessKeyView>, Failure> {
    let record = known(&app, &asking, &id)?;
    app.store.access_key_remove(&record.id).await?;
    app.people_refresh().await?;
    Ok(Json(key::view(&record)))
}

async fn change(app: &App, asking: &Asker, id: &str, since_ms: Option<u64>) -> Result<Json<AccessKeyView>, Failure> {
    let record = known(app, asking, id)?;
    let since_ms = since_ms.map(|now| record.suspended_ms.unwrap_or(now));
    let record = key::suspend(app, &record, since_ms).await?;
    app.people_refresh().await?;
    Ok(Json(key::view(&record)))
}

/// A key that the actor may know of; others' are as if they were not.
fn known(app: &App, asking: &Asker, id: &str) -> Result<AccessKeyRecord, Failure> {
    let not_found = || Failure::not_found("access key");
    let found = app.people.now().access_keys.get(id).cloned().ok_or_else(not_found)?;
    app.check_user(asking, found.owner, not_found)?;
    Ok(found)
}

fn shown(status: StatusCode, made: &key::Made) -> Response {
    let body = AccessKeyMade { key: key::view(&made.record), secret_key: made.secret.clone() };
    let mut response = (status, Json(body)).into_response();
    response.extensions_mut().insert(Noted { subject: Some(made.record.id.clone()), actor: None });
    response
}
