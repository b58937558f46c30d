//! The rim: routes, bodies, streams, sockets. Reads requests, asks `app`, writes answers; decides nothing.

mod archive;
mod auth;
mod body;
mod event;
mod file;
mod openapi_document;
mod operation;
mod problem;
mod run;
mod session;
mod session_act;
mod socket;
mod stream;
mod system;
mod task;
mod unpack;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
pub(crate) use auth::Peer;

type Shared = Arc<App>;

/// The whole service.
pub(crate) fn router(app: &Shared) -> Router {
    let (router, _) = routes_all(app).split_for_parts();
    router
        .fallback(problem::no_such_route)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(app), problem::rim))
        .with_state(Arc::clone(app))
}

/// The OpenAPI document, generated from the routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, document) = open_routes().merge(signed_in_routes()).split_for_parts();
    openapi_document::complete(document)
}

fn routes_all(app: &Shared) -> OpenApiRouter<Shared> {
    let (_, document) = signed_in_routes().split_for_parts();
    let gate = auth::Gate { app: Arc::clone(app), operations: Arc::new(operation::Operations::new(&document)) };
    let check = middleware::from_fn_with_state(gate, auth::check);
    open_routes().merge(signed_in_routes().route_layer(check))
}

/// Routes that need no identity; [`openapi_document::OPEN_PATHS`] names them.
fn open_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::healthz))
        .routes(routes!(system::readyz))
        .routes(routes!(system::version))
        .routes(routes!(system::openapi_json))
}

fn signed_in_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::metrics))
        .routes(routes!(system::language_list))
        .routes(routes!(system::image_list))
        .routes(routes!(run::run_one_shot))
        .routes(routes!(run::run_get, run::run_cancel))
        .routes(routes!(run::run_events))
        .routes(routes!(socket::run_attach))
        .routes(routes!(session::session_list, session::session_create))
        .routes(routes!(session::session_get, session::session_end))
        .routes(routes!(session_act::session_restart))
        .routes(routes!(session_act::session_interrupt))
        .routes(routes!(session_act::session_complete))
        .routes(routes!(session_act::session_run))
        .routes(routes!(session_act::session_logs))
        .routes(routes!(session_act::session_usage))
        .routes(routes!(socket::session_terminal))
        .routes(routes!(file::file_list))
        .routes(routes!(file::file_read, file::file_write, file::file_remove))
        .routes(routes!(event::event_stream))
        .merge(house_routes())
}

/// What keeps the house: for administrators.
fn house_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(task::task_list)).routes(routes!(task::task_run))
}
