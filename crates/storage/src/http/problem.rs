//! Failures as problem documents (RFC 9457), in the shape of control's.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::StorageError;

/// Why a request was refused.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// The bound that refused.
    limit: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), limit: None, headers: Vec::new() }
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn method(allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path has no such method; see `Allow`")
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    pub fn precondition(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition", detail)
    }

    pub fn answer(self, request_id: &str) -> Response {
        let mut document = json!({
            "type": format!("urn:madang:problem:{}", self.code),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Some(limit) = self.limit {
            document["limit"] = limit.into();
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, Body::from(document.to_string())).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn title(code: &str) -> &'static str {
    match code {
        "malformed" => "The request cannot be read",
        "unauthenticated" => "A ticket is needed",
        "forbidden" => "Not allowed",
        "not-found" => "Not found",
        "method-not-allowed" => "The method is not allowed here",
        "conflict" => "The current state does not allow this",
        "precondition" => "It is not as the request presumes",
        "range" => "That part is not there",
        "media-type" => "The content type is not supported",
        "mismatch" => "What came is not what was announced",
        "too-many" => "Too many at once",
        "no-space" => "No space",
        "unavailable" => "A needed part does not answer",
        _ => "Internal error",
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        let detail = error.to_string();
        match error {
            StorageError::Invalid(_) | StorageError::Broken(_) => Self::malformed(detail),
            StorageError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not-found", detail),
            StorageError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            StorageError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            StorageError::Mismatch(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "mismatch", detail),
            StorageError::Limit(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail)
                .with(header::RETRY_AFTER, HeaderValue::from_static("1")),
            StorageError::Full(_) => Self {
                limit: Some("folder_bytes or folder_files: the quota of the folder's owner"),
                ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "no-space", detail)
            },
            StorageError::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                .with(header::RETRY_AFTER, HeaderValue::from_static("1")),
            StorageError::Io { doing, source } => {
                tracing::error!(doing, error = %source, "a request to a folder failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the server could not read or write the folder",
                )
            }
        }
    }
}
