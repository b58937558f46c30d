//! A file's bytes, to control and from it, each over a call of its own.

use std::sync::Arc;

use bytes::Bytes;
use madang_node_api::ByteStream;
use tokio::{
    io::AsyncReadExt as _,
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::ReceiverStream;

use super::Standing;
use crate::{
    CHUNK_BYTES,
    hub::file_reader,
    wire::{Chunk, WriteRequest},
};

/// Chunks on their way in this process.
const CHUNKS_MAX: usize = 8;

pub(super) fn standing(links: &watch::Receiver<Option<Standing>>, control: &str) -> Option<Standing> {
    links.borrow().clone().filter(|link| *link.control == *control)
}

/// Sends what was read; if the link breaks, control knows by the missing end.
pub(super) async fn send(
    links: watch::Receiver<Option<Standing>>,
    control: Arc<str>,
    order: u64,
    mut source: ByteStream,
) {
    let Some(mut link) = standing(&links, &control) else { return };
    let (out, chunks) = mpsc::channel(CHUNKS_MAX);
    let reading = async move {
        loop {
            let mut piece = vec![0; CHUNK_BYTES];
            // An error ends the stream without an end, which is one to control.
            let Ok(count) = source.read(&mut piece).await else { return };
            piece.truncate(count);
            let chunk = Chunk { order, control: control.to_string(), data: piece.into() };
            if out.send(chunk).await.is_err() || count == 0 {
                return;
            }
        }
    };
    let given_up = link.clone();
    let sent = tokio::select! {
        (sent, ()) = async { tokio::join!(link.client.read(ReceiverStream::new(chunks)), reading) } => sent,
        () = given_up.given_up(links) => return,
    };
    if let Err(status) = sent {
        tracing::debug!(%status, "a file did not reach control");
    }
}

/// What control sends for this order.
pub(super) fn receive(links: watch::Receiver<Option<Standing>>, control: Arc<str>, order: u64) -> ByteStream {
    let (send, received) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    tokio::spawn(async move {
        let Some(mut link) = standing(&links, &control) else { return };
        let given_up = link.clone();
        let receiving = async {
            let request = WriteRequest { order, control: control.to_string() };
            let Ok(answer) = link.client.write(request).await else { return };
            let mut chunks = answer.into_inner();
            while let Ok(Some(chunk)) = chunks.message().await {
                let last = chunk.data.is_empty();
                if send.send(chunk.data).await.is_err() || last {
                    return;
                }
            }
        };
        tokio::select! {
            () = receiving => {}
            () = given_up.given_up(links) => {}
        }
    });
    file_reader(received)
}
