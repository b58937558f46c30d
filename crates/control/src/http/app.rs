//! Apps of sessions, and tunnels to their ports.

use std::{collections::BTreeMap, time::Duration};

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
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use madang_ids::AppId;
use madang_model::service::New;
use madang_node_api::AppConnection;
use madang_public_api::{AppCreate, AppOffer, AppView, Page};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::oneshot,
};

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
/// So long a client may take to hear why its tunnel ends.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

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

/// Why a tunnel ends; None where nobody is left to be told.
type Ending = Option<(u16, &'static str)>;

const HUNG_UP: Ending = Some((close_code::AWAY, "the program has hung up"));

/// Each direction by itself: one that is stuck stops neither the other nor the end of both.
async fn tunnel((app, asker, session): (&App, &Asker, &LiveSession), socket: WebSocket, connection: AppConnection) {
    let (from, to) = tokio::io::split(connection);
    let (mut sink, stream) = socket.split();
    let (said_all, heard_all) = oneshot::channel();
    let ending = tokio::select! {
        ending = out_of(session, from, (&mut sink, heard_all)) => ending,
        ending = into(session, to, (stream, said_all)) => ending,
        () = app.signed_out(asker) => Some((close_code::POLICY, "you are not signed in any more")),
        () = app.reached(Stage::Stopping) => Some((close_code::AWAY, "the server is stopping")),
    };
    let Some((code, reason)) = ending else { return };
    // The client may be gone already, or take nothing any more.
    let close = sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })));
    let _ = tokio::time::timeout(CLOSE_WAIT, close).await;
}

async fn out_of(
    session: &LiveSession,
    mut from: ReadHalf<AppConnection>,
    (sink, heard_all): (&mut SplitSink<WebSocket, Message>, oneshot::Receiver<()>),
) -> Ending {
    let mut piece = vec![0; TUNNEL_BYTES];
    loop {
        let Ok(count) = from.read(&mut piece).await else { return HUNG_UP };
        sink.send(Message::Binary(Bytes::copy_from_slice(&piece[..count]))).await.ok()?;
        session.touch();
        if count == 0 {
            break;
        }
    }
    // Whoever goes instead of saying all ends the other direction, and with it this one.
    match heard_all.await {
        Ok(()) => Some((close_code::NORMAL, "both have said all")),
        Err(_) => std::future::pending().await,
    }
}

async fn into(
    session: &LiveSession,
    mut to: WriteHalf<AppConnection>,
    (mut stream, said_all): (SplitStream<WebSocket>, oneshot::Sender<()>),
) -> Ending {
    let mut said_all = Some(said_all);
    loop {
        match stream.next().await?.ok()? {
            Message::Binary(bytes) if bytes.is_empty() => {
                // One that is gone needs no end.
                let _ = to.shutdown().await;
                said_all.take().map(|said_all| said_all.send(()));
            }
            Message::Binary(bytes) => match to.write_all(&bytes).await {
                Ok(()) => {}
                Err(_) => return HUNG_UP,
            },
            Message::Text(_) => return Some((close_code::POLICY, "a tunnel carries binary frames")),
            _ => {}
        }
        session.touch();
    }
}
