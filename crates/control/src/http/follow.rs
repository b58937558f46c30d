//! Between control processes: each hears what happens in the others, so that whoever listens to one hears of all.
//!
//! A process keeps one stream open from each of the others, with everything that has happened there and whose it is, and tells it to its
//! own listeners as far as they may see it. What it has only heard it tells no other process.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderName, HeaderValue, Method, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use madang_ids::ControlId;
use madang_store::ControlProcess;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::{Shared, forward};
use crate::app::{Failure, Happened, Stage};

/// Where a process tells the others what happens; not for anybody else.
pub(super) const PATH: &str = "/between/events";
/// The number of the first event of a stream, or of one before it.
const NEXT: HeaderName = HeaderName::from_static("madang-next");
/// How often it is looked who is there.
const LOOK: Duration = Duration::from_secs(1);
/// A stream on which nothing happens says so that often.
const SILENCE: Duration = Duration::from_secs(5);
/// One that says nothing for so long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(15);
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// A line of a stream; events are small.
const LINE_BYTES_MAX: usize = 1 << 20;

/// From which event on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    seq: Option<u64>,
}

/// What happens here, for another process.
pub(super) async fn tell(
    State(app): State<Shared>,
    Query(from): Query<From>,
    request: Request,
) -> Result<Response, Failure> {
    forward::check_process(&app, &request)?;
    let news = app.events.subscribe();
    let next = from.seq.unwrap_or_else(|| *news.borrow());
    let lines = stream::unfold((app, news, next), |(app, mut news, next)| async move {
        let told = tokio::select! {
            told = news.wait_for(|seq| *seq > next) => told.is_ok(),
            () = tokio::time::sleep(SILENCE) => true,
            () = app.reached(Stage::Stopping) => false,
        };
        let (happened, next) = told.then(|| app.events.ours_since(next))?;
        let mut bytes = Vec::new();
        for one in &happened {
            // It is plain: it always becomes JSON.
            let _ = serde_json::to_writer(&mut bytes, one);
            bytes.push(b'\n');
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
        Some((Ok::<_, Infallible>(Bytes::from(bytes)), (app, news, next)))
    });
    Ok(([(NEXT, HeaderValue::from(next))], Body::from_stream(lines)).into_response())
}

/// Listens to every other process until the server stops.
pub(crate) async fn follow_all(app: Shared) {
    let mut followers: BTreeMap<ControlId, AbortOnDropHandle<()>> = BTreeMap::new();
    while !app.leadership.is_alone() {
        match app.store.control_process_list().await {
            Ok(processes) => look(&app, &mut followers, processes),
            Err(error) => tracing::debug!(%error, "who else is there is looked for again"),
        }
        tokio::select! {
            () = app.reached(Stage::Stopping) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn look(app: &Shared, followers: &mut BTreeMap<ControlId, AbortOnDropHandle<()>>, processes: Vec<ControlProcess>) {
    let us = app.leadership.us();
    let began = processes.iter().find(|process| process.id == us).map(|process| process.started_ms);
    let ids: BTreeSet<_> = processes.iter().map(|process| process.id).collect();
    followers.retain(|id, _| ids.contains(id));
    for process in processes.into_iter().filter(|process| process.id != us) {
        let Some(address) = process.address else { continue };
        // Nobody has heard anything yet of one that came after us.
        let from = began.filter(|began| process.started_ms > *began).map(|_| 0);
        followers
            .entry(process.id)
            .or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(follow(Arc::clone(app), address, from))));
    }
}

async fn follow(app: Shared, address: String, mut from: Option<u64>) {
    loop {
        if let Err(failure) = hear(&app, &address, &mut from).await {
            tracing::debug!(address, error = ?failure, "another process is not heard");
        }
        app.events.heard_no_more(&address);
        tokio::time::sleep(LOOK).await;
    }
}

/// Until the stream breaks; `from` is then the number to go on from.
async fn hear(app: &Shared, address: &str, from: &mut Option<u64>) -> Result<(), Failure> {
    let gone = |what: &str| forward::unavailable(what);
    let host = address.strip_prefix("http://").unwrap_or(address);
    let target = from.map_or_else(|| PATH.to_owned(), |seq| format!("{PATH}?seq={seq}"));
    let connected = tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(host)).await;
    let Ok(Ok(stream)) = connected else { return Err(gone("it does not answer")) };
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = target.parse::<Uri>().map_err(|error| Failure::internal("following a process", error))?;
    forward::sign_process(app, &mut request, (&Method::GET, &target))?;
    let response = forward::exchange(host, stream, request).await?;
    if !response.status().is_success() {
        return Err(gone(&format!("it answers {}", response.status())));
    }
    let next = response.headers().get(NEXT).and_then(|next| next.to_str().ok()?.parse().ok());
    *from = from.or(next);
    app.events.heard_now(address);
    let mut body = Body::new(response.into_body()).into_data_stream();
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let bytes = tokio::time::timeout(SILENCE_MAX, body.next()).await.map_err(|_| gone("it says nothing"))?;
        let Some(Ok(bytes)) = bytes else { return Ok(()) };
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Ok(happened) = serde_json::from_slice::<Happened>(&line) {
                *from = Some(happened.event.seq + 1);
                app.events.hear(happened);
            }
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(gone("it answers strangely"));
        }
    }
}
