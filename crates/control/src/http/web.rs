//! The web's page and files. Paths of the API come first; whatever else a browser asks for as a page is the web's one page, which knows its own addresses.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use madang_web_assets::File;

use super::{Shared, page, problem};
use crate::app::{App, apps::Framing};
use crate::signin::cookie::new_secret;

/// Paths that are never the web's, whatever is asked for there.
const OTHERS: [&str; 4] = ["/api", "/healthz", "/readyz", "/metrics"];
const UNBUILT: &str = include_str!("page/unbuilt.html");
/// What stands between browser and server, in `web/src/offline/worker.ts`: it answers where the server does not.
const WORKER: &str = "/worker.js";
/// In place of one that a browser has of a server whose web was built: it takes itself and what it kept away.
const NO_WORKER: &str = include_str!("page/no_worker.js");
/// What the worker answers with.
const AWAY: &str = "/offline.html";
/// The worker asks us alone, and has nothing else to do.
const WORKER_POLICY: &str = "default-src 'none'; connect-src 'self'";
const AWAY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; \
     frame-ancestors 'none'; base-uri 'none'";

/// What no route is for: a file of the web, its page, or nothing.
pub(super) async fn other(State(app): State<Shared>, request: Request) -> Response {
    let path = request.uri().path();
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let ours = OTHERS.iter().any(|other| {
        path.strip_prefix(other).is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
    });
    if !reading || ours {
        return problem::no_such_route().await.into_response();
    }
    match madang_web_assets::find(path) {
        Some(file) => answer_file(file, request.headers()),
        None if path == WORKER => page::script_of(NO_WORKER),
        None if wants_page(request.headers()) => app_page(&app).unwrap_or_else(|| page::text(UNBUILT)),
        None => problem::no_such_route().await.into_response(),
    }
}

/// The page on which a browser signs in: the web's, or one that needs nothing else where the web was not built.
pub(super) async fn signin(State(app): State<Shared>) -> Response {
    app_page(&app).unwrap_or_else(page::signin)
}

fn app_page(app: &App) -> Option<Response> {
    // Random and of letters that a header may have.
    let nonce = new_secret();
    let mut response = madang_web_assets::page(&nonce)?.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::try_from(policy(&nonce, app.framing().as_ref())).ok()?;
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    guard(headers);
    Some(response)
}

/// Nothing but our own scripts, none of them inline; in nobody's frame. Style elements carry the nonce; style *attributes* are allowed, because the
/// terminal colours its letters with them: what can set an attribute of our page runs as our script already. Frames show apps alone.
fn policy(nonce: &str, framing: Option<&Framing>) -> String {
    let frames = framing.map_or("'none'", |framing| &framing.source);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; connect-src 'self'; \
         img-src 'self' data: blob:; font-src 'self'; frame-src {frames}; worker-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
}

/// Whatever is no page of ours must not become one: guests choose the bytes of their files, and a browser can be sent to any address.
pub(super) fn inert(headers: &mut HeaderMap) {
    let nosniff = HeaderValue::from_static("nosniff");
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
}

fn answer_file(file: &'static File, asked: &HeaderMap) -> Response {
    let packed = [("br", file.br), ("gzip", file.gz)];
    let taken =
        packed.into_iter().find_map(|(name, bytes)| bytes.filter(|_| takes(asked, name)).map(|bytes| (name, bytes)));
    let bytes = taken.map_or(file.plain, |(_, bytes)| bytes);
    let mut response = (StatusCode::OK, Body::from(Bytes::from_static(bytes))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind()));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some((name, _)) = taken {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    let keep = if file.is_immutable() { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    let policy = [(WORKER, WORKER_POLICY), (AWAY, AWAY_POLICY)].into_iter().find(|(path, _)| path[1..] == *file.path);
    if let Some((_, policy)) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    guard(headers);
    response
}

/// No script but ours becomes a worker that stands before our pages, whoever wrote it and whatever our page was made to ask for.
pub(super) async fn no_other_worker(request: Request, next: Next) -> Response {
    let asks_for_worker = request.headers().contains_key("service-worker");
    if asks_for_worker && request.uri().path() != WORKER {
        return problem::no_such_route().await.into_response();
    }
    next.run(request).await
}

/// Whether `Accept-Encoding` names it, and not to refuse it.
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let lines = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32)));
        named && !refused
    })
}

/// Browsers that go somewhere accept HTML by name; scripts and programs do not.
fn wants_page(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|kind| kind.split(';').next().unwrap_or("").trim() == "text/html")
}
