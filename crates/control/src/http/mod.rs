//! The rim: routes, bodies, streams, sockets. Reads requests, asks `app`, writes answers; decides nothing.

mod access_key;
mod app;
mod archive;
mod audit;
mod audit_read;
mod auth;
mod body;
mod event;
mod file;
mod folder;
mod folder_share;
mod follow;
mod forward;
mod image;
mod language_service;
mod money;
mod node;
mod oidc;
mod openapi_document;
mod operation;
mod origin;
mod others;
mod page;
mod patience;
mod people;
mod policy;
mod problem;
mod rate;
mod reservation;
mod resource_group;
mod run;
mod run_share;
mod service;
mod session;
mod session_act;
mod session_list;
mod signin;
mod socket;
mod span;
mod ssh_key;
mod stream;
mod system;
mod task;
mod unpack;
mod usage;
mod web;
mod whose;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
pub(crate) use auth::Peer;
pub(crate) use follow::follow_all;

type Shared = Arc<App>;

/// The whole service.
pub(crate) fn router(app: &Shared) -> Router {
    let (router, _) = routes_all(app).split_for_parts();
    router
        .route("/signin", get(web::signin))
        .route("/signin/link", get(web::signin))
        .route("/signin/page.js", get(page::script))
        .route(follow::PATH, get(follow::tell))
        .fallback(web::other)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(web::no_other_worker))
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
    let lead = middleware::from_fn_with_state(Arc::clone(app), forward::lead);
    let strangers = middleware::from_fn_with_state(Arc::clone(app), rate::strangers);
    let audit = middleware::from_fn_with_state(Arc::clone(app), audit::record);
    let routes = open_routes().route_layer(strangers).merge(signed_in_routes().route_layer(lead).route_layer(check));
    routes.route_layer(audit)
}

/// Routes that need no identity; the authorization table knows them.
fn open_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::healthz))
        .routes(routes!(system::readyz))
        .routes(routes!(system::version))
        .routes(routes!(system::openapi_json))
        .routes(routes!(signin::signin_create))
        .routes(routes!(signin::link_use))
        .routes(routes!(oidc::provider_list))
        .routes(routes!(oidc::provider_begin))
        .routes(routes!(oidc::provider_end))
        .routes(routes!(service::announcement_list_public))
        .routes(routes!(run_share::shared_run_get))
}

fn signed_in_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::metrics))
        .routes(routes!(system::language_list))
        .routes(routes!(run::run_one_shot))
        .routes(routes!(run::run_get, run::run_cancel))
        .routes(routes!(run::run_events))
        .routes(routes!(socket::run_attach))
        .routes(routes!(session_list::session_list, session::session_create))
        .routes(routes!(session::session_get, session::session_end))
        .routes(routes!(session_act::session_suspend))
        .routes(routes!(session_act::session_resume))
        .routes(routes!(session_act::session_restart))
        .routes(routes!(session_act::session_extend))
        .routes(routes!(session_act::session_interrupt))
        .routes(routes!(session_act::session_complete))
        .routes(routes!(session_act::session_run, run_share::session_run_list))
        .routes(routes!(session_act::session_logs))
        .routes(routes!(session_act::session_usage))
        .routes(routes!(socket::session_terminal))
        .routes(routes!(language_service::session_language_service))
        .routes(routes!(file::file_list))
        .routes(routes!(file::file_read, file::file_write, file::file_remove))
        .routes(routes!(event::event_stream))
        .merge(app_routes())
        .merge(run_share::run_share_routes())
        .merge(people::people_routes())
        .merge(policy::policy_routes())
        .merge(resource_group::resource_group_routes())
        .merge(reservation::reservation_routes())
        .merge(usage::usage_routes())
        .merge(money::money_routes())
        .merge(node::node_routes())
        .merge(image::image_routes())
        .merge(folder::folder_routes())
        .merge(folder_share::folder_share_routes())
        .merge(house_routes())
        .merge(signin_routes())
}

/// What sessions open.
fn app_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(app::app_offer_list))
        .routes(routes!(app::app_list, app::app_create))
        .routes(routes!(app::app_remove))
        .routes(routes!(app::session_port))
}

/// What keeps the house: for administrators.
fn house_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(task::task_list))
        .routes(routes!(task::task_run))
        .routes(routes!(task::process_list))
        .routes(routes!(service::service_state_get, service::service_state_put))
        .routes(routes!(service::retention_get, service::retention_put))
        .routes(routes!(service::announcement_list, service::announcement_create))
        .routes(routes!(service::announcement_list_all))
        .routes(routes!(service::announcement_end))
}

/// Ways to sign in, and who did what.
fn signin_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(signin::signin_get, signin::signin_end))
        .routes(routes!(signin::browser_list))
        .routes(routes!(signin::browser_end))
        .routes(routes!(signin::password_change))
        .routes(routes!(signin::link_create))
        .routes(routes!(ssh_key::ssh_key_list, ssh_key::ssh_key_create))
        .routes(routes!(ssh_key::ssh_key_remove))
        .routes(routes!(access_key::access_key_list, access_key::access_key_create))
        .routes(routes!(access_key::access_key_remove))
        .routes(routes!(access_key::access_key_rotate))
        .routes(routes!(access_key::access_key_suspend))
        .routes(routes!(access_key::access_key_resume))
        .routes(routes!(audit_read::audit_list))
}
