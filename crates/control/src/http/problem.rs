//! Failures as problem documents, request ids, the log and the count of requests: the outermost layer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_ids::RunId;
use madang_public_api::{Problem, ProblemKind};
use tracing::Instrument as _;

use super::{
    Peer, Shared,
    origin::origin,
    patience::{BodyWait, impatient},
    rate, span, web,
};
use crate::app::Failure;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// The request's id, for the layers inside.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub Arc<str>);

impl IntoResponse for Failure {
    /// Only the status; [`rim`] writes the body, because only it knows the request.
    fn into_response(self) -> Response {
        let mut response = status(self.kind.status()).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

pub(super) async fn no_such_route() -> Failure {
    Failure::not_found("this path")
}

/// Around everything: gives the request an id, turns failures into problem documents, counts.
pub(super) async fn rim(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    let peer = request.extensions().get::<Peer>().copied();
    let origin = origin(peer, request.headers(), &app.config);
    request.extensions_mut().insert(RequestId(id.as_str().into()));
    request.extensions_mut().insert(origin);
    let wait = Duration::from_millis(app.config.body_wait_ms);
    request.extensions_mut().insert(BodyWait(wait));
    let request = request.map(|body| impatient(body, wait));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let counted = counted_as(&method);
    let span = span::begin(&request, (counted, &route), &id);
    let mut response = next.run(request).instrument(span.clone()).await;
    let failure = failure(&response);
    if let Some(failure) = &failure {
        app.metrics.flow.refused(failure);
        write_problem(&mut response, failure, &id);
        if failure.kind == ProblemKind::Internal {
            tracing::error!(request = %id, %method, route, error = ?failure.source, "{}", failure.detail);
        }
        if failure.kind == ProblemKind::Unauthenticated {
            let why = failure.source.as_ref().map(ToString::to_string);
            tracing::info!(request = %id, %method, route, %origin, why, "refused: {}", failure.detail);
        }
    }
    span::end(&span, &mut response, failure.map(|failure| failure.kind.row().1));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    web::inert(response.headers_mut());
    let status = response.status().as_u16();
    app.metrics.request(counted, &route, status);
    app.metrics.flow.answered(counted, &route, began.elapsed().as_secs_f64());
    tracing::debug!(request = %id, %method, route, status, took_us = began.elapsed().as_micros(), "answered");
    response
}

/// A stranger may send any word as a method; the metrics of each would be kept for ever.
fn counted_as(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| method == known).unwrap_or("other")
}

/// Our own failures, and what the router refuses by itself.
fn failure(response: &Response) -> Option<Arc<Failure>> {
    if let Some(failure) = response.extensions().get::<Arc<Failure>>() {
        return Some(Arc::clone(failure));
    }
    let (kind, detail) = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => (ProblemKind::MethodNotAllowed, "this path has no such method; see `Allow`"),
        StatusCode::BAD_REQUEST if !is_ours(response) => (ProblemKind::Malformed, "the request cannot be read"),
        _ => return None,
    };
    Some(Arc::new(Failure::new(kind, detail)))
}

fn is_ours(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/"))
}

fn write_problem(response: &mut Response, failure: &Failure, id: &str) {
    let (code_status, code, title) = failure.kind.row();
    let problem = Problem {
        kind_uri: format!("urn:madang:problem:{code}"),
        title: title.into(),
        status: code_status,
        code: code.into(),
        detail: failure.detail.clone(),
        field: failure.field.clone(),
        limit: failure.limit.clone(),
        retry_after_ms: failure.retry_after_ms,
        refusals: failure.refusals().to_vec(),
        possible: failure.possible().cloned(),
        request_id: id.to_owned(),
    };
    // A document of strings and numbers always becomes JSON.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(ms) = failure.retry_after_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
    }
    if let Some(allowance) = &failure.allowance {
        rate::write(headers, **allowance);
    }
    if failure.kind == ProblemKind::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    *response.body_mut() = Body::from(body);
}

/// The client's own id if it is a plain one, else a new one.
fn request_id(request: &Request) -> String {
    let plain = |text: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    match given {
        Some(id) => id.to_owned(),
        None => RunId::new().to_string().replacen(RunId::PREFIX, "req", 1),
    }
}

pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
