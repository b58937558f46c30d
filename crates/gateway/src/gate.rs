//! How much of what a client sends may wait for programs that do not read it.
//!
//! The protocol's own windows are given back by russh as bytes arrive, not as they are read, so that the bound is here: over [`OPEN_BYTES_MAX`]
//! nothing more is read from the connection. A program may have to be heard before it reads on, and the client's leave for that comes in
//! the same stream; so the gate opens for a writer that is stuck, up to [`BYTES_MAX`].

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
/// A writer that waits for so long is stuck.
const STUCK: Duration = Duration::from_millis(300);

/// Of one connection.
#[derive(Debug, Default)]
pub struct Gate {
    waiting_bytes: AtomicUsize,
    stuck_writers: AtomicUsize,
    reader: AtomicWaker,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.waiting_bytes.load(Ordering::Acquire) < OPEN_BYTES_MAX || self.stuck_writers.load(Ordering::Acquire) > 0
    }

    /// Counts bytes as waiting until what is returned goes; none if there are too many.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Option<Waiting> {
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        let waiting = Waiting { gate: Arc::clone(self), bytes };
        (before + bytes <= BYTES_MAX).then_some(waiting)
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
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.gate.waiting_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
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
        let gate = Arc::new(Gate::default());
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
}
