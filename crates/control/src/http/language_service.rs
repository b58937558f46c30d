//! Language servers over WebSockets: what a client sends is their standard input, what they write comes back, byte for byte.

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use madang_node_api::{ExecEnd, ExecEvent, ExecInput};
use madang_public_api::{LanguageServiceEnded, bounds};
use tokio::{
    sync::mpsc,
    time::{interval, timeout},
};

use super::{
    Shared,
    auth::Asking,
    body::ApiQuery,
    session_act::{SandboxQuery, usable},
    socket::bounded,
};
use crate::app::{App, Asker, Failure, LanguageService, Stage, live_session::LiveSession};

/// Whoever is there answers so often.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Whoever has said nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// A language server that takes none of its input for so long is stuck.
const INPUT_WAIT: Duration = Duration::from_secs(60);
/// So long a client may take to hear why it ends.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Starts the language server of a language in the session and carries its standard input and output in binary frames, as they are: cutting
/// them into messages is the client's. It ends with the connection, and is neither a run nor a use of the session. Before the server's end a text
/// frame says how it ended: JSON with `exit_code` or `signal`, and `stderr`.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/language-services/{language}", tag = "session",
    params(("id" = String, Path), ("language" = String, Path), SandboxQuery),
    responses((status = 101, description = "WebSocket")))]
pub(super) async fn session_language_service(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, language)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let session = usable(&app, &asker, &id).await?;
    session.sandbox(query.sandbox.as_deref())?;
    let upgrade = bounded(upgrade)?;
    let service = app.language_service_start(&session, query.sandbox.as_deref(), &language).await?;
    Ok(upgrade.on_upgrade(move |socket| async move { talk((&app, &asker, &session), socket, service).await }))
}

/// Why it ends; none where nobody is left to be told.
type Ending = Option<(u16, &'static str)>;

/// Each direction by itself: one that is stuck stops neither the other nor the end of both.
async fn talk((app, asker, session): (&App, &Asker, &LiveSession), socket: WebSocket, mut service: LanguageService) {
    let (mut sink, stream) = socket.split();
    let input = service.program.input.clone();
    let ending = tokio::select! {
        ending = out_of(&mut service.program.events, &mut sink) => ending,
        ending = into(stream, input) => ending,
        () = session.over() => Some((close_code::NORMAL, "the session has ended")),
        () = app.signed_out(asker) => Some((close_code::POLICY, "you are not signed in any more")),
        () = app.reached(Stage::Stopping) => Some((close_code::AWAY, "the server is stopping")),
    };
    drop(service);
    let Some((code, reason)) = ending else { return };
    // The client may be gone already, or take nothing any more.
    let close = sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })));
    let _ = timeout(CLOSE_WAIT, close).await;
}

async fn out_of(events: &mut mpsc::Receiver<ExecEvent>, sink: &mut SplitSink<WebSocket, Message>) -> Ending {
    let mut pings = interval(PING_EVERY);
    let mut complaint = Vec::new();
    let end = loop {
        let message = tokio::select! {
            _ = pings.tick() => Message::Ping(Bytes::new()),
            event = events.recv() => match event {
                Some(ExecEvent::Stdout(bytes)) => Message::Binary(bytes.into()),
                Some(ExecEvent::Stderr(bytes)) => {
                    complain(&mut complaint, &bytes);
                    continue;
                }
                Some(ExecEvent::Ended(end)) => break end,
                None => break ExecEnd::Lost,
            },
        };
        sink.send(message).await.ok()?;
    };
    let told = ended(end, &complaint);
    // A plain record always becomes JSON.
    let told = serde_json::to_string(&told).unwrap_or_default();
    sink.send(Message::Text(told.into())).await.ok()?;
    Some((close_code::NORMAL, "the language server has ended"))
}

/// The last of what it complained about is what it ended of.
fn complain(complaint: &mut Vec<u8>, bytes: &[u8]) {
    complaint.extend_from_slice(bytes);
    let beyond = complaint.len().saturating_sub(bounds::LANGUAGE_SERVICE_STDERR_BYTES_MAX);
    complaint.drain(..beyond);
}

fn ended(end: ExecEnd, complaint: &[u8]) -> LanguageServiceEnded {
    let stderr = String::from_utf8_lossy(complaint).into_owned();
    match end {
        ExecEnd::Exited(code) => LanguageServiceEnded { exit_code: Some(code), stderr, signal: None },
        ExecEnd::Signaled(number) => LanguageServiceEnded { signal: Some(number), stderr, exit_code: None },
        ExecEnd::Lost => LanguageServiceEnded { stderr, ..LanguageServiceEnded::default() },
    }
}

async fn into(mut stream: SplitStream<WebSocket>, input: mpsc::Sender<ExecInput>) -> Ending {
    loop {
        let Ok(said) = timeout(SILENCE_MAX, stream.next()).await else {
            return Some((close_code::POLICY, "nobody has answered for some time"));
        };
        match said?.ok()? {
            Message::Binary(bytes) => match timeout(INPUT_WAIT, input.send(ExecInput::Bytes(bytes.into()))).await {
                Ok(Ok(())) => {}
                // How it ended is told by what it says.
                Ok(Err(_)) => std::future::pending().await,
                Err(_) => return Some((close_code::ERROR, "the language server does not take its input")),
            },
            Message::Text(_) => return Some((close_code::POLICY, "a language server hears binary frames")),
            _ => {}
        }
    }
}
