//! How much of what a client sends may wait for programs that do not read it.
//!
//! The protocol's own windows are given back by russh as bytes arrive, not as they are read, so that the bound is here: over [`OPEN_BYTES_MAX`]
//! nothing more is read from the connection. A program may have to be heard before it reads on, and the client's leave for that comes in
//! the same stream; so the gate opens for a writer that is stuck, up to [`BYTES_MAX`], and as far as all connections together leave room.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Bytes of one connection that wait for programs, before it is read no further.
const OPEN_BYTES_MAX: usize = 2 << 20;
/// Bytes of one connection that may wait at all; one with more ends.
const BYTES_MAX: usize = 64 << 20;
/// Bytes of all connections that may wait beyond what each has for itself. Whoever holds much of it is given no more than is left.
const HELD_BYTES_MAX: usize = 256 << 20;
/// A writer that waits for so long is stuck.
const STUCK: Duration = Duration::from_millis(300);

/// What all connections hold beyond what each has for itself, in bytes.
#[derive(Debug, Default)]
pub struct Held(AtomicUsize);

/// Of one connection.
#[derive(Debug)]
pub struct Gate {
    held: Arc<Held>,
    waiting_bytes: AtomicUsize,
    stuck_writers: AtomicUsize,
    reader: AtomicWaker,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.waiting_bytes.load(Ordering::Acquire) < OPEN_BYTES_MAX || self.stuck_writers.load(Ordering::Acquire) > 0
    }

    pub fn new(held: &Arc<Held>) -> Arc<Self> {
        let (waiting_bytes, stuck_writers, reader) = Default::default();
        Arc::new(Self { held: Arc::clone(held), waiting_bytes, stuck_writers, reader })
    }

    /// Counts bytes as waiting until what is returned goes; none if there are too many.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Option<Waiting> {
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        let extra = bytes.min((before + bytes).saturating_sub(OPEN_BYTES_MAX));
        let held = self.held.0.fetch_add(extra, Ordering::AcqRel);
        let waiting = Waiting { gate: Arc::clone(self), bytes, extra };
        // Its own part of what is held is no larger than what others find left.
        let own = (before + bytes).saturating_sub(OPEN_BYTES_MAX);
        let fits = extra == 0 || held + extra + own <= HELD_BYTES_MAX;
        (before + bytes <= BYTES_MAX && fits).then_some(waiting)
    }

    /// Writes to the client, by a future that may wait for its leave.
    pub async fn write<T>(&self, writing: impl Future<Output = T>) -> T {
        let mut writing = std::pin::pin!(writing);
        if let Ok(written) = tokio::time::timeout(STUCK, &mut writing).await {
            return written;
        }
        let _stuck = Stuck::new(self);
        writing.await
    }
}

/// Bytes that wait.
#[derive(Debug)]
pub struct Waiting {
    gate: Arc<Gate>,
    bytes: usize,
    /// Of them, those beyond what the connection has for itself when they came.
    extra: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.waiting_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.gate.held.0.fetch_sub(self.extra, Ordering::AcqRel);
        self.gate.reader.wake();
    }
}

struct Stuck<'a>(&'a Gate);

impl<'a> Stuck<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.stuck_writers.fetch_add(1, Ordering::AcqRel);
        gate.reader.wake();
        Self(gate)
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.stuck_writers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A client's socket behind its gate.
#[derive(Debug)]
pub struct Gated {
    pub socket: TcpStream,
    pub gate: Arc<Gate>,
}

impl AsyncRead for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // First, so that nobody opens it between the look and the wait.
        self.gate.reader.register(cx.waker());
        if !self.gate.is_open() {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_closes_over_its_bound_and_opens_for_a_stuck_writer() {
        let gate = Gate::new(&Arc::default());
        let held = gate.hold(OPEN_BYTES_MAX).unwrap();
        assert!(!gate.is_open());
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let writing = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.write(released).await.unwrap() }
        });
        while !gate.is_open() {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        writing.await.unwrap();
        assert!(!gate.is_open());
        assert!(gate.hold(BYTES_MAX).is_none(), "that is more than may wait");
        drop(held);
        assert!(gate.is_open());
    }

    #[test]
    fn many_that_hold_much_leave_room_for_one_more() {
        const PIECE: usize = 32 << 10;
        let held = Arc::new(Held::default());
        let mut hogs = Vec::new();
        for _ in 0..64 {
            let gate = Gate::new(&held);
            let waiting: Vec<Waiting> = std::iter::from_fn(|| gate.hold(PIECE)).collect();
            hogs.push(waiting);
        }
        assert!(held.0.load(Ordering::Relaxed) <= HELD_BYTES_MAX);
        let most = hogs.iter().map(|waiting| waiting.len() * PIECE).max().unwrap();
        assert!(most > 32 << 20 && most <= BYTES_MAX, "alone, one is hardly bound: {most}");
        let next = Gate::new(&held);
        assert!(next.hold(OPEN_BYTES_MAX).is_some(), "what each has for itself is nobody else's");
        drop((hogs, next));
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
