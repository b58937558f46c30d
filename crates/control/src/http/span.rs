//! The span of each request: which operation, and what came of it; never what was sent.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use madang_trace::{Context, TRACEPARENT, TRACESTATE};
use tracing::{Span, field::Empty};

/// In an answer: which trace it was part of. A draft of the W3C; `traceparent` has no meaning in an answer.
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// Asked for every few seconds by machines, and never slow.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Goes on with the trace that the request names, or begins one.
pub(super) fn begin(request: &Request, (method, route): (&'static str, &str), id: &str) -> Span {
    if UNTRACED.iter().any(|end| route.ends_with(end)) {
        return Span::none();
    }
    let span = madang_trace::span!(
        root "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = Empty,
        "error.type" = Empty,
        "madang.request.id" = id,
    );
    if span.is_disabled() {
        return span;
    }
    let said = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    Context::said(said(TRACEPARENT), said(TRACESTATE)).begin(span)
}

/// `code`: of the problem, where it is one.
pub(super) fn end(span: &Span, response: &mut Response, code: Option<&str>) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", response.status().as_u16());
    if let Some(code) = code {
        span.record("error.type", code);
    }
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Ok(trace) = HeaderValue::from_str(Context::of(span).parent())
        && !trace.is_empty()
    {
        response.headers_mut().insert(TRACERESPONSE, trace);
    }
}

/// What another process is asked for is part of the same trace; where there is none, what the client said goes on as it is.
pub(super) fn onward(span: &Span, headers: &mut HeaderMap) {
    let trace = Context::of(span);
    let fields = [(TRACEPARENT, trace.parent()), (TRACESTATE, trace.state())];
    for (name, value) in fields.into_iter().filter(|_| !trace.is_empty()) {
        headers.remove(name);
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
