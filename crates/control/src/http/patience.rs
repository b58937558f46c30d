//! How long a body may keep us waiting: one that stands still is given up; one that comes, however long, is read.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, HttpBody},
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

/// How long a body may stand still, and how long the whole of a stranger's may take: for the layers inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyWait(pub Duration);

#[derive(Debug, thiserror::Error)]
#[error("the body stood still for {0:?}")]
struct StoodStill(Duration);

/// The same body, which fails once nothing of it has come for so long.
pub(super) fn impatient(body: Body, wait: Duration) -> Body {
    if body.is_end_stream() { body } else { Body::new(Impatient { body, wait, sleep: None }) }
}

struct Impatient {
    body: Body,
    wait: Duration,
    /// While somebody waits for what comes next.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Impatient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.sleep = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let wait = self.wait;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(StoodStill(wait).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
