//! SSH keys, over HTTP.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use madang_gateway::PublicKey;
use madang_ids::{SshKeyId, UserId};
use madang_public_api::{Page, SshKeyCreate, SshKeyView, Timestamp, bounds};
use madang_store::{SshKeyRecord, StoreError};

use super::{Shared, audit::Noted, auth::Asking, body::ApiJson};
use crate::{
    app::{App, Asker, Failure},
    clock::now_ms,
};

/// The SSH keys that the asking user may know of, oldest first.
#[utoipa::path(get, path = "/api/v1/ssh-keys", tag = "signin", responses((status = 200, body = Page<SshKeyView>)))]
pub(super) async fn ssh_key_list(State(app): State<Shared>, asking: Asking) -> Json<Page<SshKeyView>> {
    let directory = app.people.now();
    let shown = directory.ssh_keys.values().filter(|key| app.sees_user(&asking, key.owner));
    let mut items: Vec<_> = shown.map(view).collect();
    items.sort_by_key(|one| (one.created_at, one.id));
    items.truncate(bounds::PAGE_LIMIT_MAX as usize);
    Json(Page { items, next_cursor: None })
}

/// Lets whoever has the private part of a key sign in over SSH.
#[utoipa::path(post, path = "/api/v1/ssh-keys", tag = "signin", request_body = SshKeyCreate,
    responses((status = 201, body = SshKeyView)))]
pub(super) async fn ssh_key_create(
    State(app): State<Shared>,
    asking: Asking,
    ApiJson(request): ApiJson<SshKeyCreate>,
) -> Result<Response, Failure> {
    app.check_whole(&asking)?;
    let owner = match &request.user {
        Some(user) => app.user_asked(&asking, user)?,
        None => asking.user,
    };
    let key = PublicKey::parse(&request.public_key);
    let key = key.map_err(|error| Failure::invalid("public_key", error.to_string()))?;
    let name = name_of(request.name, &key)?;
    check_count(&app, owner)?;
    let record = SshKeyRecord {
        id: SshKeyId::new(),
        owner,
        name,
        fingerprint: key.fingerprint(),
        public_key: key.line(),
        made_by: asking.user,
        created_ms: now_ms(),
    };
    app.store.ssh_key_insert(&record).await.map_err(|error| match error {
        StoreError::Exists { .. } => Failure::conflict("somebody signs in with this key already"),
        error => error.into(),
    })?;
    app.people_refresh().await?;
    let mut response = (StatusCode::CREATED, Json(view(&record))).into_response();
    response.extensions_mut().insert(Noted { subject: Some(record.id.to_string()), actor: None });
    Ok(response)
}

/// Forgets a key. Connections that somebody signed in for with it end.
#[utoipa::path(delete, path = "/api/v1/ssh-keys/{id}", tag = "signin", params(("id" = String, Path)),
    responses((status = 200, body = SshKeyView, description = "The key as it was")))]
pub(super) async fn ssh_key_remove(
    State(app): State<Shared>,
    asking: Asking,
    Path(id): Path<String>,
) -> Result<Json<SshKeyView>, Failure> {
    let record = known(&app, &asking, &id)?;
    app.store.ssh_key_remove(record.id).await?;
    app.people_refresh().await?;
    Ok(Json(view(&record)))
}

/// What the key is called; without a name, what stands behind it.
fn name_of(asked: Option<String>, key: &PublicKey) -> Result<String, Failure> {
    let name = asked.unwrap_or_else(|| {
        let comment: String = key.comment().chars().take(bounds::NAME_CHARS_MAX).collect();
        if comment.is_empty() { key.kind() } else { comment }
    });
    let chars = name.chars().count();
    if !(1..=bounds::NAME_CHARS_MAX).contains(&chars) || name.chars().any(char::is_control) {
        let detail = format!("`name` has 1 to {} characters, none of them control characters", bounds::NAME_CHARS_MAX);
        return Err(Failure::invalid("name", detail));
    }
    Ok(name)
}

fn check_count(app: &App, owner: UserId) -> Result<(), Failure> {
    let held = app.people.now().ssh_keys.values().filter(|key| key.owner == owner).count();
    match held >= bounds::SSH_KEYS_MAX {
        true => Err(Failure::too_many("SSH_KEYS_MAX", bounds::SSH_KEYS_MAX)),
        false => Ok(()),
    }
}

/// A key that the asker may know of; others' are as if they were not.
fn known(app: &App, asking: &Asker, id: &str) -> Result<SshKeyRecord, Failure> {
    let not_found = || Failure::not_found("SSH key");
    let directory = app.people.now();
    let by_id = |key: &&SshKeyRecord| key.id.to_string() == id;
    let found = directory.ssh_keys.values().find(by_id).cloned().ok_or_else(not_found)?;
    app.check_user(asking, found.owner, not_found)?;
    Ok(found)
}

fn view(record: &SshKeyRecord) -> SshKeyView {
    SshKeyView {
        id: record.id,
        user: record.owner,
        name: record.name.clone(),
        fingerprint: record.fingerprint.clone(),
        public_key: record.public_key.clone(),
        made_by: record.made_by,
        created_at: Timestamp(record.created_ms),
    }
}
