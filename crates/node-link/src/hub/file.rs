//! A file's bytes, from a node and to it. An empty chunk says that it was all: a link that breaks never looks like an end.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use madang_node_api::ByteStream;
use tokio::{io::AsyncReadExt as _, sync::mpsc};
use tokio_util::io::StreamReader;
use tonic::{Status, Streaming};

use super::remote::RemoteNode;
use crate::{CHUNK_BYTES, wire::Chunk};

/// Chunks on their way in this process.
pub(super) const CHUNKS_MAX: usize = 8;
/// A transfer that brings nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes that come through `chunks`, until an empty one.
pub(crate) fn reader(chunks: mpsc::Receiver<Bytes>) -> ByteStream {
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the link broke while the file was on its way");
    let next = move |chunks: Option<mpsc::Receiver<Bytes>>| async move {
        let mut chunks = chunks?;
        match tokio::time::timeout(SILENCE, chunks.recv()).await {
            Ok(Some(bytes)) if bytes.is_empty() => None,
            Ok(Some(bytes)) => Some((Ok(bytes), Some(chunks))),
            Ok(None) | Err(_) => Some((Err(broken()), None)),
        }
    };
    Box::pin(StreamReader::new(Box::pin(stream::unfold(Some(chunks), next))))
}

/// Hands on what a node sends for an order of ours.
pub(super) async fn receive(node: &RemoteNode, mut chunks: Streaming<Chunk>) -> Result<(), Status> {
    let mut target = None;
    while let Some(Chunk { order, control, data }) = chunks.message().await? {
        if data.len() > 4 * CHUNK_BYTES {
            return Err(Status::invalid_argument("a chunk is too large"));
        }
        if target.is_none() {
            target = node.read_take(&control, order);
        }
        let target = target.as_ref().ok_or_else(|| Status::not_found("nobody ordered this"))?;
        let last = data.is_empty();
        // Whoever read may have stopped.
        target.send(data).await.map_err(|_| Status::cancelled("nobody reads this any more"))?;
        if last {
            return Ok(());
        }
    }
    Err(Status::invalid_argument("it ended without an end"))
}

/// Sends what `source` gives; an error of the source breaks the stream.
pub(super) async fn send(mut source: ByteStream, out: mpsc::Sender<Result<Chunk, Status>>) {
    loop {
        let mut piece = vec![0; CHUNK_BYTES];
        let read = source.read(&mut piece).await;
        let (chunk, over) = match read {
            Ok(count) => {
                piece.truncate(count);
                (Ok(Chunk { data: piece.into(), ..Chunk::default() }), count == 0)
            }
            Err(error) => (Err(Status::aborted(error.to_string())), true),
        };
        // The node may have stopped reading.
        if out.send(chunk).await.is_err() || over {
            return;
        }
    }
}
