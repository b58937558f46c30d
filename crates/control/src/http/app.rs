//! Apps of sessions, and tunnels to their ports.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use madang_ids::AppId;
use madang_model::service::New;
use madang_node_api::AppConnection;
use madang_public_api::{AppCreate, AppOffer, AppView, Page};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    Shared,
    auth::Asking,
    body::{ApiJson, ApiQuery},
    others::Others,
    session_act::{SandboxQuery, usable},
    socket::bounded,
};
use crate::app::{App, Asker, Failure, Stage, live_session::LiveSession};

/// Bytes of a tunnel on their way at once.
const TUNNEL_BYTES: usize = 32 << 10;

/// What sessions can open; an unavailable app says why.
#[utoipa::path(get, path = "/api/v1/apps", tag = "app", responses((status = 200, body = Page<AppOffer>)))]
pub(super) async fn app_offer_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    others: Others,
) -> Json<Page<AppOffer>> {
    let mut known: BTreeMap<String, AppOffer> = app.app_offers();
    for (_, theirs) in others.ask::<Page<AppOffer>>(&app, &asker).await {
        for offer in theirs.items {
            if known.get(&offer.name).is_none_or(|known| !known.available) {
                known.insert(offer.name.clone(), offer);
            }
        }
    }
    Json(Page { items: known.into_values().collect(), next_cursor: None })
}

/// Starts an app and answers when it does, with the address that opens it. One of the same name and port that runs already is meant.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/apps", tag = "app", params(("id" = String, Path), SandboxQuery),
    request_body = AppCreate, responses((status = 200, body = AppView)))]
pub(super) async fn app_create(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
    ApiJson(create): ApiJson<AppCreate>,
) -> Result<Json<AppView>, Failure> {
    app.check_takes(New::InSession)?;
    let session = usable(&app, &asker, &id).await?;
    let view = app.app_create(&asker, session.sandbox(query.sandbox.as_deref())?, create).await?;
    session.touch();
    Ok(Json(view))
}

/// The apps of a session. They have no addresses here: starting one that runs gives it.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/apps", tag = "app", params(("id" = String, Path), SandboxQuery),
    responses((status = 200, body = Page<AppView>)))]
pub(super) async fn app_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
) -> Result<Json<Page<AppView>>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let items = app.app_list(session.sandbox(query.sandbox.as_deref())?).await?;
    Ok(Json(Page { items, next_cursor: None }))
}

/// Ends an app with everything it started. One that is not there has ended.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/apps/{app}", tag = "app",
    params(("id" = String, Path), ("app" = String, Path), SandboxQuery),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn app_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, which)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
) -> Result<StatusCode, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let which: AppId = which.parse().map_err(|_| Failure::not_found("app"))?;
    app.app_remove(session.sandbox(query.sandbox.as_deref())?, which).await?;
    session.touch();
    Ok(StatusCode::NO_CONTENT)
}

/// A tunnel to what listens on a port of the session's own loopback: its bytes as binary frames, both ways. An empty frame ends a
/// direction.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/ports/{port}", tag = "app",
    params(("id" = String, Path), ("port" = u16, Path, minimum = 1), SandboxQuery),
    responses((status = 101, description = "WebSocket")))]
pub(super) async fn session_port(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, port)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let session = usable(&app, &asker, &id).await?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let port: u16 = port.ok_or_else(|| Failure::invalid("port", "a port is a number between 1 and 65535"))?;
    let sandbox = session.sandbox(query.sandbox.as_deref())?;
    let upgrade = bounded(upgrade)?;
    let connection = app.port_connect(sandbox, port).await?;
    Ok(upgrade.on_upgrade(move |socket| async move {
        tunnel((&app, &asker, &session), socket, connection).await;
    }))
}

async fn tunnel((app, asker, session): (&App, &Asker, &LiveSession), mut socket: WebSocket, connection: AppConnection) {
    let (mut from, mut to) = tokio::io::split(connection);
    let mut signed_out = std::pin::pin!(app.signed_out(asker));
    let mut piece = vec![0; TUNNEL_BYTES];
    // Which directions are open: out of the session, into it.
    let (mut reads, mut writes) = (true, true);
    let reason = loop {
        if !reads && !writes {
            break (close_code::NORMAL, "both have said all");
        }
        tokio::select! {
            count = from.read(&mut piece), if reads => {
                let Ok(count) = count else { break (close_code::AWAY, "the program has hung up") };
                reads = count > 0;
                if socket.send(Message::Binary(Bytes::copy_from_slice(&piece[..count]))).await.is_err() {
                    return;
                }
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => {
                    writes = false;
                    // One that is gone needs no end.
                    let _ = to.shutdown().await;
                }
                Some(Ok(Message::Binary(bytes))) => {
                    if to.write_all(&bytes).await.is_err() {
                        break (close_code::AWAY, "the program has hung up");
                    }
                }
                Some(Ok(Message::Text(_))) => break (close_code::POLICY, "a tunnel carries binary frames"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            () = &mut signed_out => break (close_code::POLICY, "you are not signed in any more"),
            () = app.reached(Stage::Stopping) => break (close_code::AWAY, "the server is stopping"),
        }
        session.touch();
    };
    // The client may be gone already.
    let _ = socket.send(Message::Close(Some(CloseFrame { code: reason.0, reason: reason.1.into() }))).await;
}
