//! A connection to a program of a sandbox, carried to control over a call of its own.

use std::{io, sync::Arc};

use madang_node_api::AppConnection;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::{Standing, file::standing};
use crate::{pipe, wire::Chunk};

/// Carries the connection until both sides have ended it, or the link has.
pub(super) async fn carry(
    links: watch::Receiver<Option<Standing>>,
    control: Arc<str>,
    order: u64,
    connection: AppConnection,
) {
    let Some(mut link) = standing(&links, &control) else { return };
    let (out, chunks) = mpsc::channel(pipe::CHUNKS_MAX);
    let opening = Chunk { order, control: control.to_string(), ..Chunk::default() };
    let given_up = link.clone();
    let carried = async {
        out.send(opening).await.map_err(io::Error::other)?;
        let come = link.client.pipe(ReceiverStream::new(chunks)).await.map_err(io::Error::other)?;
        let wrap = |data| Chunk { data, ..Chunk::default() };
        pipe::carry(connection, out, wrap, come.into_inner()).await
    };
    tokio::select! {
        done = carried => if let Err(error) = done {
            tracing::debug!(%error, "a connection to a sandbox broke");
        },
        () = given_up.given_up(links) => {}
    }
}
