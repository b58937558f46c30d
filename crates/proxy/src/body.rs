//! What answers are made of: a page of ours, or what an app sends, driven by whoever reads it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::pool::Channel;

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the app broke off")]
    App(#[from] hyper::Error),
    #[error("the ticket has expired")]
    Expired,
}

/// The body of a request.
#[derive(Debug, Default)]
pub(crate) enum RequestBody {
    #[default]
    None,
    Clients(Incoming),
}

impl From<Incoming> for RequestBody {
    fn from(incoming: Incoming) -> Self {
        if incoming.is_end_stream() { RequestBody::None } else { RequestBody::Clients(incoming) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            RequestBody::None => Poll::Ready(None),
            RequestBody::Clients(incoming) => Pin::new(incoming).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::None => true,
            RequestBody::Clients(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::None => SizeHint::with_exact(0),
            RequestBody::Clients(incoming) => incoming.size_hint(),
        }
    }
}

/// The body of an answer.
pub(crate) enum ProxyBody {
    Ours(Option<Bytes>),
    Apps(Box<AppBody>),
}

/// An app's body, the connection that it comes over, and how long it may.
pub(crate) struct AppBody {
    incoming: Incoming,
    /// None once the connection has ended.
    channel: Option<Channel>,
    until: Until,
}

impl ProxyBody {
    pub fn of_app(incoming: Incoming, channel: Option<Channel>, until: Until) -> Self {
        ProxyBody::Apps(Box::new(AppBody { incoming, channel, until }))
    }
}

impl From<Bytes> for ProxyBody {
    fn from(bytes: Bytes) -> Self {
        ProxyBody::Ours(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            ProxyBody::Ours(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            ProxyBody::Apps(body) => body.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ProxyBody::Ours(bytes) => bytes.is_none(),
            ProxyBody::Apps(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ProxyBody::Ours(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ProxyBody::Apps(body) => body.incoming.size_hint(),
        }
    }
}

impl AppBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // An app that always has more to say never lets the timer be asked.
        if self.until.is_over() {
            return Poll::Ready(Some(Err(BodyError::Expired)));
        }
        loop {
            if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
                return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::App)));
            }
            // Nobody else drives the connection: what it reads now arrives at once.
            let Some(channel) = &mut self.channel else { return self.until.poll(cx) };
            if channel.connection.drive(cx).is_ready() {
                self.channel = None;
            } else if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
                return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::App)));
            } else {
                return self.until.poll(cx);
            }
        }
    }
}

impl Drop for AppBody {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take()
            && self.incoming.is_end_stream()
        {
            channel.give_back();
        }
    }
}

/// The moment when a ticket ends. Nothing is asked of the timer before there is something to wait for.
pub(crate) enum Until {
    At(Instant),
    Asked(Pin<Box<Sleep>>),
}

/// Far enough for any ticket, near enough for the timer.
const UNTIL_MAX: Duration = Duration::from_secs(366 * 86_400);

impl Until {
    pub fn after_ms(ms: u64) -> Self {
        Until::At(Instant::now() + Duration::from_millis(ms).min(UNTIL_MAX))
    }

    /// The same moment, for somebody else who waits for it.
    pub fn again(&self) -> Self {
        Until::At(self.instant())
    }

    pub fn instant(&self) -> Instant {
        match self {
            Until::At(at) => *at,
            Until::Asked(sleep) => sleep.deadline(),
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.instant()
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, BodyError>>> {
        if let Until::At(at) = self {
            *self = Until::Asked(Box::pin(tokio::time::sleep_until(*at)));
        }
        match self {
            Until::Asked(sleep) => sleep.as_mut().poll(cx).map(|()| Some(Err(BodyError::Expired))),
            Until::At(_) => Poll::Pending,
        }
    }
}
