//! Answers that nobody takes end: a client that says nothing and reads nothing keeps no turn, no file and no memory of ours.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::AbortHandle;

/// Whoever asks for no block for so long has gone. Blocks have 256 KiB: that is 4 KiB a second, at the slowest.
const BLOCK_WAIT: Duration = Duration::from_secs(60);

struct Paced<S> {
    held: Arc<Mutex<Held<S>>>,
    watch: AbortHandle,
}

struct Held<S> {
    left: Left<S>,
    /// What was heard of the client since the last look.
    client: Heard,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// It took a block.
    Took,
    /// It waits for one: the delay is ours.
    Waits,
}

enum Left<S> {
    Blocks(Pin<Box<S>>),
    GivenUp,
    Ended,
}

/// The blocks, as long as they are taken; `turns` are given back with the last of them, or when the client is given up.
pub(crate) fn paced<S, T>(blocks: S, turns: T) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    T: Send + 'static,
{
    paced_by(blocks, turns, BLOCK_WAIT)
}

fn paced_by<S, T>(blocks: S, turns: T, wait: Duration) -> Paced<impl Stream<Item = io::Result<Bytes>> + Send>
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    T: Send + 'static,
{
    use futures_util::StreamExt as _;
    let blocks = blocks.map(move |block| {
        let _held = &turns;
        block
    });
    let held = Held { left: Left::Blocks(Box::pin(blocks)), client: Heard::Took };
    let held = Arc::new(Mutex::new(held));
    let watch = tokio::spawn(watch(Arc::downgrade(&held), wait)).abort_handle();
    Paced { held, watch }
}

async fn watch<S>(held: Weak<Mutex<Held<S>>>, wait: Duration) {
    loop {
        tokio::time::sleep(wait).await;
        let Some(held) = held.upgrade() else { return };
        let mut held = lock(&held);
        match held.client {
            Heard::Nothing => {
                held.left = Left::GivenUp;
                return;
            }
            Heard::Took => held.client = Heard::Nothing,
            Heard::Waits => {}
        }
    }
}

fn lock<S>(held: &Mutex<Held<S>>) -> MutexGuard<'_, Held<S>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Stream<Item = io::Result<Bytes>>> Stream for Paced<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut held = lock(&self.held);
        let polled = match &mut held.left {
            Left::Blocks(blocks) => blocks.as_mut().poll_next(context),
            Left::Ended => Poll::Ready(None),
            Left::GivenUp => {
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not taken"))))
            }
        };
        held.client = if polled.is_pending() { Heard::Waits } else { Heard::Took };
        if let Poll::Ready(None | Some(Err(_))) = polled {
            held.left = Left::Ended;
        }
        polled
    }
}

impl<S> Drop for Paced<S> {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::{FutureExt as _, StreamExt as _, stream};

    use super::*;

    const WAIT: Duration = Duration::from_millis(50);

    async fn until(holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_gives_its_turn_back() {
        let turn = Arc::new(());
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"block")));
        let mut blocks = Box::pin(paced_by(endless, Arc::clone(&turn), WAIT));
        let began = Instant::now();
        while began.elapsed() < 5 * WAIT {
            assert!(blocks.next().await.unwrap().is_ok());
            tokio::task::yield_now().await;
        }
        until(|| Arc::strong_count(&turn) == 1).await;
        assert_eq!(blocks.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(blocks.next().await.is_none());
    }

    #[tokio::test]
    async fn whoever_waits_for_us_is_not_given_up() {
        let (give, given) = tokio::sync::oneshot::channel();
        let slow = stream::once(async move { given.await.map_err(io::Error::other) });
        let mut blocks = Box::pin(paced_by(slow, (), WAIT));
        assert!(blocks.next().now_or_never().is_none());
        let began = Instant::now();
        until(|| began.elapsed() > 5 * WAIT).await;
        give.send(Bytes::from_static(b"late")).unwrap();
        assert_eq!(&blocks.next().await.unwrap().unwrap()[..], b"late");
    }
}
