//! Runs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ids::RunId;
use madang_public_api::{BASE_PATH, OneShotRequest, RunView, StreamEvent};

use super::{
    Shared,
    auth::Asking,
    body::{ApiId, Creating},
    stream::{self, Format},
};
use crate::app::{Asker, Failure, IdempotencyKey, RunBegun, RunSource, Start};

/// How the client wants to hear of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Stream(Format),
    Result,
    Begun,
}

impl Answer {
    pub fn asked(headers: &HeaderMap, wait: bool) -> Self {
        match (Format::asked(headers), wait) {
            (Some(format), _) => Self::Stream(format),
            (None, true) => Self::Result,
            (None, false) => Self::Begun,
        }
    }

    pub fn start(self) -> Start {
        if self == Self::Result { Start::Silent } else { Start::Told }
    }
}

/// Runs a program in a fresh sandbox that goes with it.
///
/// With `wait` the answer is the finished result. With `Accept: text/event-stream` or `application/x-ndjson` it is the run's events.
/// Otherwise it is the run as it starts.
#[utoipa::path(post, path = "/api/v1/run", tag = "run", request_body = OneShotRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request makes one run")),
    responses(
        (status = 200, description = "The finished result, or a stream of events", content(
            (RunView = "application/json"), (StreamEvent = "text/event-stream"), (StreamEvent = "application/x-ndjson"),
        )),
        (status = 201, body = RunView, description = "The run has begun"),
    ))]
pub(super) async fn run_one_shot(
    State(app): State<Shared>,
    Extension(asker): Asking,
    headers: HeaderMap,
    Creating { request, key }: Creating<OneShotRequest>,
) -> Result<Response, Failure> {
    let answer = Answer::asked(&headers, request.wait);
    let begun = app.run_one_shot(&asker, request, answer.start(), key.as_ref()).await?;
    answer_run((&app, &asker), begun, answer, key.as_ref()).await
}

/// The answer to whatever began a run, or found the one of its key.
pub(super) async fn answer_run(
    to: (&Shared, &Arc<Asker>),
    begun: RunBegun,
    answer: Answer,
    key: Option<&IdempotencyKey>,
) -> Result<Response, Failure> {
    let (app, RunBegun { id, source }) = (to.0, begun);
    let refused = match (&source, answer) {
        (RunSource::Live(run), Answer::Result) => match run.ended().await {
            Ok(result) => return Ok(Json(RunView::clone(&result)).into_response()),
            Err(failure) => Some(failure),
        },
        (RunSource::Live(run), _) => run.accepted().await.err(),
        (RunSource::Kept(_), _) => None,
    };
    if let Some(failure) = refused {
        // Nothing was made: the key may be used again.
        if !matches!(&source, RunSource::Live(run) if run.is_left()) {
            app.unclaim(key).await;
        }
        return Err(failure);
    }
    let location = location(id);
    match answer {
        Answer::Stream(format) => {
            let mut response = stream::run_events(format, to, source, 0);
            response.headers_mut().extend(location.map(|value| (header::LOCATION, value)));
            Ok(response)
        }
        Answer::Result => Ok(Json(app.run_view(id).await?).into_response()),
        Answer::Begun => {
            let view = match source {
                RunSource::Live(run) => run.view(),
                RunSource::Kept(_) => app.run_view(id).await?,
            };
            let mut response = (StatusCode::CREATED, Json(view)).into_response();
            response.headers_mut().extend(location.map(|value| (header::LOCATION, value)));
            Ok(response)
        }
    }
}

fn location(id: RunId) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{BASE_PATH}/runs/{id}")).ok()
}

/// A run: its result once it has finished, what there is of it before.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "run", params(("id" = String, Path)),
    responses((status = 200, body = RunView)))]
pub(super) async fn run_get(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
) -> Result<Json<RunView>, Failure> {
    app.run_check(&asker, id).await?;
    Ok(Json(app.run_view(id).await?))
}

/// Ends a run now; its verdict becomes `cancelled`. One that has finished stays as it is.
#[utoipa::path(delete, path = "/api/v1/runs/{id}", tag = "run", params(("id" = String, Path)), responses(
    (status = 200, body = RunView, description = "The run as it is now; its end follows"),
))]
pub(super) async fn run_cancel(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
) -> Result<Json<RunView>, Failure> {
    app.run_check(&asker, id).await?;
    Ok(Json(app.run_cancel(id).await?))
}

/// A run's events from the first, or from the one after `Last-Event-ID`, to the last.
#[utoipa::path(get, path = "/api/v1/runs/{id}/events", tag = "run",
    params(
        ("id" = String, Path),
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event that was read"),
    ),
    responses((status = 200, description = "Events", content(
        (StreamEvent = "text/event-stream"), (StreamEvent = "application/x-ndjson"),
    ))))]
pub(super) async fn run_events(
    State(app): State<Shared>,
    Extension(asker): Asking,
    ApiId(id): ApiId<RunId>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    app.run_check(&asker, id).await?;
    let from = stream::resume_at(&headers)?;
    let format = Format::asked(&headers).unwrap_or(Format::ServerSent);
    let source = app.run_source(id).await?;
    Ok(stream::run_events(format, (&app, &asker), source, from))
}
