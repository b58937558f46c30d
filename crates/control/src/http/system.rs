//! The server itself: health, metrics, version, what can run.

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_model::{LimitsAsked, ServiceState};
use madang_node_api::LanguageSeen;
use madang_public_api::{
    LanguageServiceView, LanguageView, Page, Problem,
    system::{Health, Version},
};

use super::{
    Shared,
    auth::{self, Asking},
    origin::origin_of,
    others::Others,
    rate,
};
use crate::app::{App, Failure, GROUP_DEFAULT, Stage, leadership::Leader};

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".into(), notes: Vec::new() })
}

/// Whether the server can take work now. Whoever has signed in is told why not; others may ask so often.
#[utoipa::path(get, path = "/readyz", tag = "system", responses(
    (status = 200, body = Health),
    (status = 503, body = Health, description = "Draining, or a part does not answer"),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many at once"),
))]
pub(super) async fn readyz(State(app): State<Shared>, request: Request) -> Result<Response, Failure> {
    let origin = origin_of(request.extensions());
    let known = auth::is_known(&app, request).await;
    if !known {
        rate::of_stranger(&app, origin)?;
    }
    let health = app.node.health();
    let mut notes = health.notes;
    let store = app.store.ping().await;
    if store.is_err() {
        notes.push("the database does not answer".into());
    }
    if app.store.results_away() {
        notes.push("the store of large results does not answer; they stay in the database".into());
    }
    let service = app.service_view();
    if service.state != ServiceState::Running {
        notes.push(format!("the service is {}: {}", service.state.name(), service.reason));
    }
    let serving = *app.stage.borrow() == Stage::Serving && service.state != ServiceState::Draining;
    let (able, why) = can_work(&app, health.ready);
    notes.extend(why.map(str::to_owned));
    let status = match (serving, able && store.is_ok()) {
        (false, _) => "draining",
        (true, false) => "not-ready",
        (true, true) if service.state == ServiceState::Frozen => "frozen",
        (true, true) => "ok",
    };
    // A frozen service still answers for what lives in it.
    let code = if matches!(status, "ok" | "frozen") { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if !known {
        notes.clear();
    }
    Ok((code, Json(Health { status: status.into(), notes })).into_response())
}

/// Whether requests have somewhere to go: to whoever leads, to a node, or into the queue of a server whose nodes come from elsewhere.
fn can_work(app: &App, nodes_ready: bool) -> (bool, Option<&'static str>) {
    match app.leadership.leader(GROUP_DEFAULT) {
        Leader::At(_) => (true, None),
        Leader::Nobody => (true, Some("nobody leads yet: requests wait")),
        Leader::Us if nodes_ready => (true, None),
        Leader::Us => (app.entrance.get().is_some(), Some("no node is ready: sessions wait")),
    }
}

/// Counts for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "system", responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"),
))]
pub(super) async fn metrics(State(app): State<Shared>) -> Response {
    let text = app.metrics.render(&app, &app.node.health());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Which server this is.
#[utoipa::path(get, path = "/api/v1/version", tag = "system", responses((status = 200, body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version { name: "madang".into(), version: env!("CARGO_PKG_VERSION").into(), api: "v1".into() })
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "system", responses((status = 200, body = Object)))]
pub(super) async fn openapi_json() -> Json<&'static utoipa::openapi::OpenApi> {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(super::openapi);
    Json(&DOCUMENT)
}

/// What can run here; an unavailable language says why.
#[utoipa::path(get, path = "/api/v1/languages", tag = "system", responses((status = 200, body = Page<LanguageView>)))]
pub(super) async fn language_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Json<Page<LanguageView>> {
    let table = app.languages.table(&*app.node);
    let mut known: BTreeMap<String, LanguageView> =
        table.iter().map(|(id, seen)| (id.clone(), language_view(seen.clone()))).collect();
    for (_, theirs) in others.ask::<Page<LanguageView>>(&app, &asker).await {
        for language in theirs.items {
            if known.get(&language.id).is_none_or(|known| !known.available) {
                known.insert(language.id.clone(), language);
            }
        }
    }
    Json(Page { items: known.into_values().collect(), next_cursor: None })
}

fn language_view(seen: LanguageSeen) -> LanguageView {
    let limits = seen.limits;
    LanguageView {
        id: seen.id,
        name: seen.name,
        version: seen.version,
        available: seen.unavailable.is_none(),
        unavailable: seen.unavailable,
        modes: seen.modes,
        extensions: seen.extensions,
        main: seen.main,
        greeting: seen.greeting,
        limits: LimitsAsked {
            wall_ms: Some(limits.wall_ms),
            cpu_ms: Some(limits.cpu_ms),
            memory_bytes: Some(limits.memory_bytes),
            disk_bytes: Some(limits.disk_bytes),
            pids: Some(limits.pids),
            open_files: Some(limits.open_files),
            output_bytes: Some(limits.output_bytes),
            cpu_millis: Some(limits.cpu_millis),
        },
        service: seen.service.map(|service| LanguageServiceView {
            name: service.name,
            available: service.unavailable.is_none(),
            unavailable: service.unavailable,
        }),
    }
}
