//! The one place where the audit log is written: around every route, so that no change can forget it.
//!
//! A change is acknowledged only after its entry is durable. What only was refused for want of a right is noted too, without waiting. Work in
//! a sandbox is no change of the control plane: its run's own record says who did what, and when. Where somebody works in what is another's,
//! or looks into it, that is noted before it is answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_ids::AuditId;
use madang_model::{Actor, SignedInBy};
use madang_public_api::signature::Credential;
use madang_store::AuditRecord;

use super::{Shared, forward, origin::origin_of, problem::RequestId};
use crate::{app::Failure, clock::now_ms};

/// Operations that do work in a sandbox and leave a record of their own. All other unsafe operations are audited.
pub(super) const WORK: [&str; 3] = ["run_one_shot", "session_run", "session_complete"];
/// Safe operations that change something all the same: a browser has signed in when another provider sends it back.
const SIGNS_IN: [&str; 1] = ["provider_end"];
/// As much of a path as is kept.
const PATH_CHARS_MAX: usize = 512;
/// As much of what a client calls its access key as is kept.
const KEY_CHARS_MAX: usize = 32;

/// What a handler adds to its entry, as an extension of its response: what it made, or who turned out to ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    pub subject: Option<String>,
    pub actor: Option<Arc<Actor>>,
}

/// Writes an entry for each request that is to have one.
pub(super) async fn record(State(app): State<Shared>, request: Request, next: Next) -> Response {
    // The process that was asked first notes it.
    if matches!(forward::vouched(&app, &request), Some(Ok(_))) {
        return next.run(request).await;
    }
    let mut entry = begin(&request);
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let response = next.run(request).await;
    let denied = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let operation = entry.operation.as_str();
    let change = (!safe && !WORK.contains(&operation)) || SIGNS_IN.contains(&operation);
    let inside = response.extensions().get::<forward::Inside>().copied();
    if change && limited(&response) {
        // Whoever floods us must not fill the disk: what the limiter turns away is counted, not kept.
        app.metrics.audit_dropped();
        return response;
    }
    if !change && !denied && inside.is_none() {
        return response;
    }
    finish(&mut entry, &response);
    if !denied {
        return match app.store.audit_append(entry).await {
            Ok(()) => response,
            // It was done, and nobody would know by whom.
            Err(error) => Failure::internal("writing the audit log", error).into_response(),
        };
    }
    if !app.store.audit_offer(entry) {
        app.metrics.audit_dropped();
    }
    response
}

/// Turned away for asking too often, before anything was done.
fn limited(response: &Response) -> bool {
    response.extensions().get::<Arc<Failure>>().is_some_and(|failure| failure.allowance.is_some())
}

/// What is known before anything is done.
fn begin(request: &Request) -> AuditRecord {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let request_id = request.extensions().get::<RequestId>();
    AuditRecord {
        id: AuditId::new(),
        at_ms: now_ms(),
        actor: None,
        name: String::new(),
        organization: None,
        via: via_claimed(request),
        address: origin_of(request.extensions()).to_string(),
        operation: operation(request.method(), route).to_owned(),
        path: request.uri().path().chars().take(PATH_CHARS_MAX).collect(),
        subject: None,
        status: 0,
        code: None,
        request: request_id.map_or_else(String::new, |id| id.0.to_string()),
    }
}

/// What came of it, and who it was if anybody.
fn finish(entry: &mut AuditRecord, response: &Response) {
    let noted = response.extensions().get::<Noted>().cloned().unwrap_or_default();
    let actor = noted.actor.as_ref().or_else(|| response.extensions().get::<Arc<Actor>>());
    if let Some(actor) = actor {
        entry.actor = Some(actor.user);
        entry.name.clone_from(&actor.name);
        entry.organization = Some(actor.organization);
        entry.via = via(&actor.by);
    }
    let made = || response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let inside = || response.extensions().get::<forward::Inside>().map(|inside| inside.0.to_string());
    entry.subject = noted.subject.or_else(made).or_else(inside);
    entry.status = response.status().as_u16();
    entry.code = response.extensions().get::<Arc<Failure>>().map(|failure| failure.kind.code().to_owned());
}

/// How somebody signed in, as it is shown.
pub(super) fn via(by: &SignedInBy) -> String {
    match by {
        SignedInBy::Socket => "socket".into(),
        SignedInBy::Token(id) => format!("token {id}"),
        SignedInBy::Key(key) => format!("key {key}"),
        SignedInBy::Cookie(id) => format!("cookie {id}"),
        SignedInBy::SshKey(id) => format!("ssh key {id}"),
    }
}

/// For requests that turn out to be nobody's: the access key that they name, if they do. Never a secret.
fn via_claimed(request: &Request) -> String {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match authorization.and_then(Credential::parse) {
        Some(credential) => format!("nobody, as key {:.KEY_CHARS_MAX$}", credential.access_key),
        None => "nobody".into(),
    }
}

/// Id of the operation behind a route, as in the API's document.
pub(super) fn operation(method: &Method, route: &str) -> &'static str {
    static OPERATIONS: LazyLock<BTreeMap<String, BTreeMap<String, String>>> = LazyLock::new(operations);
    let path = route.replace("{*path}", "{path}");
    let operation = OPERATIONS.get(&path).and_then(|item| item.get(method.as_str()));
    operation.map_or("unknown", String::as_str)
}

fn operations() -> BTreeMap<String, BTreeMap<String, String>> {
    let document = super::openapi();
    let items = document.paths.paths.into_iter().map(|(path, item)| {
        let methods =
            [("GET", item.get), ("PUT", item.put), ("POST", item.post), ("DELETE", item.delete), ("PATCH", item.patch)];
        let ids =
            methods.into_iter().filter_map(|(method, operation)| Some((method.to_owned(), operation?.operation_id?)));
        (path, ids.collect())
    });
    items.collect()
}
