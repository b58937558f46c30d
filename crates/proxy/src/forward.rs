//! One request to an app and its answer, over a connection that has waited or a new one.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use tokio::time::{Instant, sleep_until};

use crate::{
    body::{ProxyBody, RequestBody, Until},
    limits::ANSWER_WAIT,
    pool::{Channel, Key, Pool},
    refusal::Refusal,
};

/// A request that was not answered.
pub(crate) struct Lost {
    pub why: Refusal,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<RequestBody>>,
}

/// An answer's head, and the connection that the rest comes over.
pub(crate) struct Answered {
    pub response: Response<Incoming>,
    pub channel: Channel,
    /// Whether the connection has nothing more to read or write.
    pub ended: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Yes,
    No,
}

/// Sends a request that is fit for the app. An app may close a connection that waits at any time; what cannot have done anything is
/// sent again.
pub(crate) async fn forward(
    pool: &Arc<Pool>,
    key: Key,
    mut request: Request<RequestBody>,
    until: Until,
) -> Result<Response<ProxyBody>, Refusal> {
    while let Some(channel) = pool.waiting(key) {
        let again = again(&request);
        match ask(channel, request, &until).await {
            Ok(answered) => return answered.pass_on(until),
            Err(Lost { unsent: Some(unsent), .. }) => request = unsent,
            Err(Lost { why: Refusal::Gone, unsent: None }) if again.is_some() => {
                // As bare as it was: `again` is there.
                request = again.unwrap_or_default();
                break;
            }
            Err(lost) => return Err(lost.why),
        }
    }
    let channel = pool.open(key).await?;
    ask(channel, request, &until).await.map_err(|lost| lost.why)?.pass_on(until)
}

/// The same request, where asking twice does nothing twice.
fn again(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD) && matches!(request.body(), RequestBody::None);
    safe.then(|| {
        let mut again = Request::new(RequestBody::None);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        again
    })
}

/// Sends, and waits for the head of the answer.
pub(crate) async fn ask(mut channel: Channel, request: Request<RequestBody>, until: &Until) -> Result<Answered, Lost> {
    let at = until.instant().min(Instant::now() + ANSWER_WAIT);
    let Channel { sender, connection, limit, .. } = &mut channel;
    let mut sending = pin!(sender.try_send_request(request));
    let mut ended = Ended::No;
    // Nothing is asked of the timer before there is something to wait for.
    let mut waits = false;
    let answered = poll_fn(|cx| {
        if let Poll::Ready(answered) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(answered));
        }
        if ended == Ended::No && connection.drive(cx).is_ready() {
            ended = Ended::Yes;
        }
        if let Poll::Ready(answered) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(answered));
        }
        let limit = limit.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if !std::mem::replace(&mut waits, true) {
            limit.as_mut().reset(at);
        }
        limit.as_mut().poll(cx).map(|()| None)
    });
    match answered.await {
        Some(Ok(response)) => Ok(Answered { response, channel, ended }),
        Some(Err(mut error)) => {
            let unsent = error.take_message();
            tracing::debug!(error = %error.error(), "an app did not answer");
            Err(Lost { why: Refusal::Gone, unsent })
        }
        None => Err(Lost { why: Refusal::Slow, unsent: None }),
    }
}

impl Answered {
    /// The answer for the client. One that changes to a protocol that nobody asked for is none.
    pub fn pass_on(self, until: Until) -> Result<Response<ProxyBody>, Refusal> {
        if self.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::Gone);
        }
        let (parts, incoming) = self.response.into_parts();
        let channel = (self.ended == Ended::No).then_some(self.channel);
        Ok(Response::from_parts(parts, ProxyBody::of_app(incoming, channel, until)))
    }
}
