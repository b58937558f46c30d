//! The page on which a browser signs in, and sets a password with a one-time link, where the web was not built: it needs none of its files.

use axum::{
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

const HTML: &str = include_str!("page/signin.html");
const SCRIPT: &str = include_str!("page/signin.js");
/// Nothing but our own script and requests to ourselves; in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(super) fn signin() -> Response {
    text(HTML)
}

/// A page with nothing but what stands in it.
pub(super) fn text(html: &'static str) -> Response {
    answer("text/html; charset=utf-8", html)
}

pub(super) async fn script() -> Response {
    answer("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) fn script_of(text: &'static str) -> Response {
    answer("text/javascript; charset=utf-8", text)
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    (headers, text).into_response()
}
