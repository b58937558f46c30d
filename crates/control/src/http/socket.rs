//! WebSockets: a live run's input and events, and terminals.
//!
//! From the client: binary frames are bytes for standard input; text frames are JSON, `{"stdin": "…"}`, `{"stdin_end": true}`,
//! `{"resize": {"rows", "cols"}}`, `{"interrupt": true}`. To the client: text frames are run events; on a terminal its bytes are binary frames.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use bytes::Bytes;
use madang_ids::RunId;
use madang_model::{Blob, RunEventBody, TerminalSize};
use madang_node_api::RunControl;
use madang_public_api::{ProblemKind, RunRequest, StreamEvent, bounds};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, ApiQuery},
    session_act::usable,
    stream::{next_events, resume_at},
};
use crate::app::{App, Asker, Failure, LiveRun, RunBegun, RunSource, Stage, Start};

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// What a text frame says; exactly one field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Said {
    Stdin(Blob),
    StdinEnd(bool),
    Resize(TerminalSize),
    Interrupt(bool),
}

/// How events reach the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Events,
    Terminal,
}

/// A live run's input and events. Detaching leaves the run as it is.
#[utoipa::path(get, path = "/api/v1/runs/{id}/attach", tag = "run",
    params(
        ("id" = String, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event that was read"),
    ),
    responses((status = 101, description = "WebSocket")))]
pub(super) async fn run_attach(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    app.run_check(&asker, id).await?;
    let from = usize::try_from(resume_at(&headers)?).unwrap_or(usize::MAX);
    let source = app.run_source(id).await?;
    let upgrade = bounded(upgrade)?;
    Ok(upgrade.on_upgrade(move |socket| async move { talk((&app, &asker), socket, source, from, Shape::Events).await }))
}

/// The terminal's size at its start.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct SizeQuery {
    #[param(minimum = 1)]
    rows: u16,
    #[param(minimum = 1)]
    cols: u16,
    /// The sandbox, where the session has several: `main1` where left out.
    #[param(max_length = 64)]
    sandbox: Option<String>,
}

impl Default for SizeQuery {
    fn default() -> Self {
        Self { rows: 24, cols: 80, sandbox: None }
    }
}

/// A shell of its own on a terminal in the session; it ends with the connection.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/terminal", tag = "session", params(("id" = String, Path), SizeQuery),
    responses((status = 101, description = "WebSocket")))]
pub(super) async fn session_terminal(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(size): ApiQuery<SizeQuery>,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    if size.rows == 0 || size.cols == 0 {
        return Err(Failure::invalid("rows", "a terminal has at least one row and one column"));
    }
    let session = usable(&app, &asker, &id).await?;
    session.sandbox(size.sandbox.as_deref())?;
    let upgrade = bounded(upgrade)?;
    let request = App::terminal_request(TerminalSize { rows: size.rows, cols: size.cols });
    let request = RunRequest { sandbox: size.sandbox, ..request };
    let RunBegun { id: run, source } = app.run_in_session(&session, request, Start::Told, None).await?;
    if let RunSource::Live(run) = &source {
        run.accepted().await?;
    }
    Ok(upgrade.on_upgrade(move |socket| async move {
        talk((&app, &asker), socket, source, 0, Shape::Terminal).await;
        // The shell belongs to the connection; a run that has finished stays as it is.
        if let Err(failure) = app.run_cancel(run).await {
            tracing::debug!(%run, %failure, "a terminal's shell could not be ended");
        }
    }))
}

pub(super) fn bounded(upgrade: Upgrade) -> Result<WebSocketUpgrade, Failure> {
    let upgrade = upgrade.map_err(|rejection| Failure::new(ProblemKind::UpgradeRequired, rejection.body_text()))?;
    Ok(upgrade.max_message_size(bounds::SOCKET_MESSAGE_BYTES_MAX).max_frame_size(bounds::SOCKET_MESSAGE_BYTES_MAX))
}

async fn talk(between: (&App, &Asker), mut socket: WebSocket, source: RunSource, mut from: usize, shape: Shape) {
    let (app, asker) = between;
    let live = match &source {
        RunSource::Live(run) => Some(Arc::clone(run)),
        RunSource::Kept(_) => None,
    };
    let mut signed_out = std::pin::pin!(app.signed_out(asker));
    let reason = loop {
        tokio::select! {
            events = next_events(&source, from) => {
                let Some((events, next)) = events else { break (close_code::NORMAL, "the run is over") };
                from = next;
                for event in events {
                    if socket.send(message(event.into(), shape)).await.is_err() {
                        return;
                    }
                }
            }
            said = socket.recv() => match said {
                Some(Ok(message)) => if let Err(why) = hear(live.as_deref(), message).await {
                    break (close_code::POLICY, why);
                },
                Some(Err(_)) | None => return,
            },
            () = &mut signed_out => break (close_code::POLICY, "you are not signed in any more"),
            () = app.reached(Stage::Stopping) => break (close_code::AWAY, "the server is stopping"),
        }
    };
    // The client may be gone already.
    let _ = socket.send(Message::Close(Some(CloseFrame { code: reason.0, reason: reason.1.into() }))).await;
}

fn message(event: StreamEvent, shape: Shape) -> Message {
    match (shape, event.body) {
        (Shape::Terminal, RunEventBody::Stdout { data } | RunEventBody::Stderr { data }) => {
            Message::Binary(Bytes::from(data.0))
        }
        // Events are plain records: they always become JSON.
        (_, body) => Message::Text(serde_json::to_string(&StreamEvent { body, ..event }).unwrap_or_default().into()),
    }
}

async fn hear(run: Option<&LiveRun>, message: Message) -> Result<(), &'static str> {
    let control = match message {
        Message::Binary(bytes) => RunControl::Stdin(bytes.to_vec()),
        Message::Text(text) => match serde_json::from_str(&text) {
            Ok(Said::Stdin(bytes)) => RunControl::Stdin(bytes.0),
            Ok(Said::StdinEnd(true)) => RunControl::StdinEnd,
            Ok(Said::Resize(size)) if size.rows > 0 && size.cols > 0 => RunControl::Resize(size),
            Ok(Said::Interrupt(true)) => RunControl::Interrupt,
            Ok(Said::StdinEnd(false) | Said::Interrupt(false)) => return Ok(()),
            Ok(Said::Resize(_)) => return Err("a terminal has at least one row and one column"),
            Err(_) => return Err("a text frame is JSON with stdin, stdin_end, resize or interrupt"),
        },
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
    };
    // Waiting here is the back pressure: a program that does not read its input stops its writer. A run that has ended hears nothing.
    if let Some(told) = run.and_then(|run| run.control.get()) {
        let _ = told.send(control).await;
    }
    Ok(())
}
