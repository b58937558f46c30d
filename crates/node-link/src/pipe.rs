//! A connection on its way over the link: bytes both ways, each direction with an end of its own.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use madang_node_api::{AppConnection, Duplex, NodeError};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
    time::Instant,
};
use tonic::{Status, Streaming};

use crate::wire::Chunk;

/// Chunks on their way in this process.
pub(crate) const CHUNKS_MAX: usize = 4;
/// One piece, at first and at most: most connections carry little, and a few much.
const PIECE_BYTES_MIN: usize = 4 << 10;
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Between whoever uses the connection and the link.
const BETWEEN_BYTES: usize = 64 << 10;
/// A node that has connected calls at once.
const CALL_WAIT: Duration = Duration::from_secs(30);
/// Connections that wait for their node's call.
const EXPECTED_MAX: usize = 4_096;

/// Carries both directions until both have ended. Sending an empty chunk ends one; a stream that breaks ends both.
pub(crate) async fn carry<T>(
    connection: impl Duplex,
    out: mpsc::Sender<T>,
    wrap: fn(Bytes) -> T,
    come: Streaming<Chunk>,
) -> io::Result<()> {
    let (from, to) = tokio::io::split(connection);
    tokio::try_join!(send(from, out, wrap), receive(to, come)).map(drop)
}

async fn send<T>(mut from: ReadHalf<impl Duplex>, out: mpsc::Sender<T>, wrap: fn(Bytes) -> T) -> io::Result<()> {
    let mut most = PIECE_BYTES_MIN;
    loop {
        let mut piece = Vec::with_capacity(most);
        let count = (&mut from).take(most as u64).read_buf(&mut piece).await?;
        most = if count == most { (most * 2).min(PIECE_BYTES_MAX) } else { most };
        out.send(wrap(piece.into())).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        if count == 0 {
            return Ok(());
        }
    }
}

async fn receive(mut to: WriteHalf<impl Duplex>, mut come: Streaming<Chunk>) -> io::Result<()> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    loop {
        let chunk = come.message().await.map_err(io::Error::other)?.ok_or_else(broken)?;
        if chunk.data.is_empty() {
            return to.shutdown().await;
        }
        if chunk.data.len() > PIECE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        to.write_all(&chunk.data).await?;
        to.flush().await?;
    }
}

/// The connections of one node that it has been asked for and has not called for yet, by order.
#[derive(Default)]
pub(crate) struct Pipes(Mutex<HashMap<u64, (Instant, FarEnd)>>);

impl Pipes {
    /// The end for whoever asked.
    pub fn expect(&self, order: u64) -> Result<AppConnection, NodeError> {
        let (near, far) = tokio::io::duplex(BETWEEN_BYTES);
        let (held, let_go) = oneshot::channel();
        let mut expected = self.lock();
        // A node that never called for what it said stood.
        expected.retain(|_, (since, _)| since.elapsed() < CALL_WAIT);
        if expected.len() >= EXPECTED_MAX {
            return Err(NodeError::Capacity("too many connections wait for this node".to_owned()));
        }
        expected.insert(order, (Instant::now(), FarEnd { stream: far, let_go }));
        Ok(Box::new(NearEnd { stream: near, _held: held }))
    }

    pub fn forget(&self, order: u64) {
        self.lock().remove(&order);
    }

    pub fn take(&self, order: u64) -> Option<FarEnd> {
        self.lock().remove(&order).map(|(_, end)| end)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (Instant, FarEnd)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The link's end.
pub(crate) struct FarEnd {
    stream: DuplexStream,
    /// Ends when whoever asked has dropped the connection, whatever the program still says.
    let_go: oneshot::Receiver<()>,
}

impl FarEnd {
    /// Carries what the node sends for it, and what it is to get.
    pub async fn carry(self, come: Streaming<Chunk>, out: mpsc::Sender<Result<Chunk, Status>>) {
        let wrap = |data| Ok(Chunk { data, ..Chunk::default() });
        let done = tokio::select! {
            done = carry(self.stream, out, wrap, come) => done,
            _ = self.let_go => Ok(()),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a connection to a sandbox broke");
        }
    }
}

/// The end of whoever asked.
struct NearEnd {
    stream: DuplexStream,
    _held: oneshot::Sender<()>,
}

impl AsyncRead for NearEnd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for NearEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
