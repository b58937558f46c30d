//! Reading requests: JSON bodies, queries, ids and keys, with failures that name the field.

use std::{str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use madang_public_api::{ProblemKind, bounds};
use serde::de::DeserializeOwned;

use super::patience::BodyWait;
use crate::app::{Asker, Failure, IdempotencyKey};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A JSON body, checked field by field.
pub(super) struct ApiJson<T>(pub T);

/// The JSON body of a request that creates something, with its idempotency key if it has one.
pub(super) struct Creating<T> {
    pub request: T,
    pub key: Option<IdempotencyKey>,
}

/// A query string without unknown fields.
pub(super) struct ApiQuery<T>(pub T);

/// An id in the path; one that cannot be is not found.
pub(super) struct ApiId<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        parse(&json_body(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Creating<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let chosen = idempotency_key(request.headers())?;
        let actor = request.extensions().get::<Arc<Asker>>().cloned();
        let route = format!("{} {}", request.method(), request.uri().path());
        let body = json_body(request).await?;
        let key = match (&chosen, actor) {
            (Some(chosen), Some(actor)) => Some(IdempotencyKey::new(&actor, &route, chosen, &body)),
            _ => None,
        };
        Ok(Self { request: parse(&body)?, key })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| malformed(rejection.body_text()))
    }
}

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for ApiId<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| malformed(rejection.body_text()))?;
        text.parse().map(Self).map_err(|_| Failure::not_found("what this id names"))
    }
}

fn malformed(detail: String) -> Failure {
    Failure::new(ProblemKind::Malformed, detail)
}

async fn json_body(request: Request) -> Result<Bytes, Failure> {
    if !is_json(request.headers()) {
        return Err(Failure::new(ProblemKind::MediaType, "send `Content-Type: application/json`"));
    }
    let wait = request.extensions().get::<BodyWait>().copied();
    let known = request.extensions().get::<Arc<Asker>>().is_some();
    match wait.filter(|_| !known) {
        None => json_bytes(request, "JSON_BODY_BYTES_MAX", bounds::JSON_BODY_BYTES_MAX).await,
        Some(BodyWait(wait)) => {
            let bytes = json_bytes(request, "STRANGER_BODY_BYTES_MAX", bounds::STRANGER_BODY_BYTES_MAX);
            tokio::time::timeout(wait, bytes).await.unwrap_or_else(|_| Err(not_whole()))
        }
    }
}

async fn json_bytes(request: Request, limit: &str, max: usize) -> Result<Bytes, Failure> {
    let body = Limited::new(request.into_body(), max);
    body.collect().await.map(|body| body.to_bytes()).map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => too_large(limit, max as u64),
        None => not_whole(),
    })
}

fn not_whole() -> Failure {
    malformed("the body did not arrive whole, or not in time".into())
}

pub(super) fn too_large(limit: &str, max: u64) -> Failure {
    let detail = format!("the body may have at most {max} bytes ({limit})");
    Failure { limit: Some(limit.into()), ..Failure::new(ProblemKind::TooLarge, detail) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    // A list would be read as the fields of a request in their order.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Failure::new(ProblemKind::Invalid, "the body is a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => invalid(&path, &error.to_string()),
            _ => malformed(format!("the body is not JSON: {error}")),
        }
    })?;
    json.end().map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    Ok(parsed)
}

/// Unknown and missing fields are named inside the message; their path leads to the object around them.
fn invalid(path: &str, message: &str) -> Failure {
    let named = ["unknown field `", "missing field `"]
        .into_iter()
        .find_map(|start| message.strip_prefix(start).and_then(|rest| rest.split('`').next()));
    let around = if path == "." { "" } else { path };
    let field = match named {
        Some(name) if around == name || around.ends_with(&format!(".{name}")) => around.to_owned(),
        Some(name) if around.is_empty() => name.to_owned(),
        Some(name) => format!("{around}.{name}"),
        None => around.to_owned(),
    };
    let failure = Failure::new(ProblemKind::Invalid, message);
    Failure { field: (!field.is_empty()).then_some(field), ..failure }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let visible = value.to_str().ok().filter(|key| (1..=bounds::IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len()));
    match visible {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let max = bounds::IDEMPOTENCY_KEY_CHARS_MAX;
            Err(malformed(format!("an Idempotency-Key is 1 to {max} visible ASCII characters")))
        }
    }
}
