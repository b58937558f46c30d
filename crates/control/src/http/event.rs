//! What happens in the server, as it happens.

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use madang_public_api::ServerEvent;

use super::{
    Shared,
    auth::Asking,
    stream::{self, Format},
};
use crate::app::Failure;

/// Events of the server from now on, or from the one after `Last-Event-ID` where it is still known.
#[utoipa::path(get, path = "/api/v1/events", tag = "system",
    params(("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event that was read")),
    responses((status = 200, description = "Events, without end", content(
        (ServerEvent = "text/event-stream"), (ServerEvent = "application/x-ndjson"),
    ))))]
pub(super) async fn event_stream(
    State(app): State<Shared>,
    Extension(asker): Asking,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let format = Format::asked(&headers).unwrap_or(Format::ServerSent);
    let resume = stream::resume_at(&headers)?;
    app.events.hears(&app.leadership.others(), Duration::from_millis(app.config.process_wait_ms)).await;
    let news = app.events.subscribe();
    let from = if headers.contains_key("last-event-id") { resume } else { *news.borrow() };
    let ring = Arc::clone(&app);
    Ok(stream::respond(
        format,
        (&app, &Arc::clone(&asker)),
        (ring, news, from, asker),
        move |(ring, mut news, mut from, asker)| async move {
            loop {
                // A number from before a restart is beyond the present ones: begin with what is.
                from = from.min(*news.borrow());
                drop(news.wait_for(|next| *next > from).await.ok()?);
                // What the reader may see is asked each time: it may have changed, or the reader been suspended.
                let sight = ring.people.now().actor(asker.user, asker.by.clone())?.sight();
                let (events, next) = ring.events.since(from, &sight);
                from = next;
                if events.is_empty() {
                    continue;
                }
                let mut bytes = Vec::new();
                for event in events {
                    format.write(&mut bytes, event.seq, &event);
                }
                return Some((Bytes::from(bytes), (ring, news, from, asker)));
            }
        },
    ))
}
