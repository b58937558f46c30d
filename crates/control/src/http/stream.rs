//! Events as they happen: server-sent events, or a JSON object a line.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use madang_model::RunEvent;
use madang_public_api::{ProblemKind, StreamEvent};
use serde::Serialize;

use super::Shared;
use crate::app::{Asker, Failure, LiveRun, RunSource, Stage};

/// Events written at once.
const BATCH_MAX: usize = 64;
/// A comment goes out after so much silence, so that nobody between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    ServerSent,
    Lines,
}

impl Format {
    /// What `Accept` asks for; none where it does not ask for a stream.
    pub fn asked(headers: &HeaderMap) -> Option<Self> {
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accepted.find_map(|value| {
            value.split(',').find_map(|kind| match kind.split(';').next().unwrap_or("").trim() {
                "text/event-stream" => Some(Self::ServerSent),
                "application/x-ndjson" => Some(Self::Lines),
                _ => None,
            })
        })
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::ServerSent => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        })
    }

    pub fn write(self, to: &mut Vec<u8>, seq: u64, event: &impl Serialize) {
        // Events are plain records: they always become JSON.
        let json = serde_json::to_vec(event).unwrap_or_default();
        if self == Self::ServerSent {
            to.extend_from_slice(format!("id: {seq}\ndata: ").as_bytes());
        }
        to.extend_from_slice(&json);
        to.extend_from_slice(if self == Self::ServerSent { b"\n\n" } else { b"\n" });
    }

    fn keep_alive(self) -> Bytes {
        Bytes::from_static(if self == Self::ServerSent { b": still here\n\n" } else { b"\n" })
    }
}

/// The event after the last one that the client has seen.
pub(super) fn resume_at(headers: &HeaderMap) -> Result<u64, Failure> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    // The document says int64, as generated clients read it.
    let seen = value.to_str().ok().and_then(|text| u64::try_from(text.trim().parse::<i64>().ok()?).ok());
    let refused = || Failure::new(ProblemKind::Malformed, "Last-Event-ID is the number of an event");
    Ok(seen.ok_or_else(refused)?.saturating_add(1))
}

/// What a stream does next.
enum Turn<S> {
    Step(Option<(Bytes, S)>),
    Stop,
    Silence,
}

/// A response that goes on until `next` has nothing more, or whoever asked may not go on. `next` gives None at the end.
pub(super) fn respond<S, F, Fut>(format: Format, to: (&Shared, &Arc<Asker>), state: S, next: F) -> Response
where
    S: Send + 'static,
    F: Fn(S) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Option<(Bytes, S)>> + Send + 'static,
{
    let app = Arc::clone(to.0);
    let (known, asker) = (Arc::clone(to.0), Arc::clone(to.1));
    let signed_out = Box::pin(async move { known.signed_out(&asker).await });
    let body = stream::unfold(Some((Box::pin(next(state)), signed_out)), move |pending| {
        let (app, next) = (Arc::clone(&app), next.clone());
        async move {
            let (mut pending, mut signed_out) = pending?;
            let step = tokio::select! {
                biased;
                () = &mut signed_out => Turn::Stop,
                step = &mut pending => Turn::Step(step),
                () = app.reached(Stage::Stopping) => Turn::Stop,
                () = tokio::time::sleep(KEEP_ALIVE) => Turn::Silence,
            };
            match step {
                Turn::Step(step) => {
                    step.map(|(bytes, state)| (Ok::<_, Infallible>(bytes), Some((Box::pin(next(state)), signed_out))))
                }
                // Streams of a server that stops end cleanly; clients resume elsewhere or later, if they may.
                Turn::Stop => None,
                Turn::Silence => Some((Ok(format.keep_alive()), Some((pending, signed_out)))),
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, Body::from_stream(body)).into_response()
}

/// A run's events from a number on, to the end.
pub(super) fn run_events(format: Format, to: (&Shared, &Arc<Asker>), source: RunSource, from: u64) -> Response {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    respond(format, to, (source, from), move |(source, from)| async move {
        let (events, from) = next_events(&source, from).await?;
        let mut bytes = Vec::new();
        for event in events {
            format.write(&mut bytes, event.seq, &StreamEvent::from(event));
        }
        Some((Bytes::from(bytes), (source, from)))
    })
}

/// The next events, waited for if need be, and where to go on; none when there will be no more.
pub(super) async fn next_events(source: &RunSource, from: usize) -> Option<(Vec<RunEvent>, usize)> {
    let events = match source {
        RunSource::Kept(events) => events.get(from..).unwrap_or_default().iter().take(BATCH_MAX).cloned().collect(),
        RunSource::Live(run) => live_events(run, from).await,
    };
    let next = from.saturating_add(events.len());
    (!events.is_empty()).then_some((events, next))
}

async fn live_events(run: &Arc<LiveRun>, from: usize) -> Vec<RunEvent> {
    let mut progress = run.progress.subscribe();
    // The sender lives in `run`, so it cannot be gone.
    let _ = progress.wait_for(|progress| progress.events > from || progress.phase.is_over()).await;
    run.events_since(from, BATCH_MAX)
}
