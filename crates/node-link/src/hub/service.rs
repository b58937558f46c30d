//! The calls of `Link`: who asks, what for, and off to the part that does it.

use std::{pin::Pin, sync::Arc, time::Duration};

use madang_ids::NodeId;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue, transport::Server};

use super::{Hub, JoinAsked, Refusal, Seat, accept::Peer, file, gate::Caller, link, remote::RemoteNode, run};
use crate::{
    ELSEWHERE, JoinToken,
    authority::{self, fingerprint},
    pipe,
    wire::{
        Chunk, FromNode, JoinRequest, Joined, Received, RenewRequest, Renewed, RunDown, RunUp, ToNode, WriteRequest,
        link_server::Link,
    },
};

/// What waits to be sent on one stream.
pub(super) const OUT_MAX: usize = 256;
/// Calls of one node at once: its link, its runs, its files.
const CALLS_MAX: u32 = 16_384;
/// A secret, a name: nobody needs longer ones.
const WORD_BYTES_MAX: usize = 256;
const REQUEST_BYTES_MAX: usize = 8 << 10;
const WINDOW_BYTES: u32 = 1 << 20;
const SHUTDOWN_WAIT: Duration = Duration::from_secs(20);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone)]
pub(super) struct Service {
    pub hub: Arc<Hub>,
}

/// A server for many quiet connections.
pub(super) fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(CALLS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES)
        .http2_keepalive_interval(Some(SHUTDOWN_WAIT))
}

impl Service {
    /// A link stands only where the node belongs; who is at the wrong door hears where the right one is.
    async fn seated(&self, node: &RemoteNode) -> Result<(), Status> {
        match self.hub.registry.seat(node.id()).await {
            Seat::Here => Ok(()),
            Seat::Elsewhere(address) => {
                let mut status = Status::unavailable("another control process leads");
                let address = address.and_then(|address| address.parse().ok());
                let address = address.unwrap_or_else(|| MetadataValue::from_static(""));
                status.metadata_mut().insert(ELSEWHERE, address);
                Err(status)
            }
        }
    }

    /// Which node asks, as the gate has found. One that was let go meanwhile dials anew, and hears then whether it was removed.
    fn node<T>(&self, request: &Request<T>) -> Result<Arc<RemoteNode>, Status> {
        let let_go = || Status::unavailable("this node is not known here any more");
        let Caller(node) = request.extensions().get().ok_or_else(let_go)?;
        self.hub.known(*node).ok_or_else(let_go)
    }

    async fn issue(&self, node: NodeId, request: &[u8]) -> Result<authority::Issued, Status> {
        let issued = self.hub.authority.sign(request, &node.to_string(), self.hub.config.certificate_ms);
        let issued = issued.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let print = crate::hex(&fingerprint(&issued.certificate));
        self.hub.registry.certificate_put(node, &print, issued.ends_ms).await.map_err(status)?;
        Ok(issued)
    }
}

pub(super) fn status(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Token => Status::permission_denied(refusal.to_string()),
        Refusal::Name(_) => Status::failed_precondition(refusal.to_string()),
        Refusal::Unavailable(why) => {
            tracing::error!(why, "the registry of nodes cannot answer");
            Status::unavailable("the control plane cannot say now")
        }
    }
}

fn bounded(what: &str, length: usize, max: usize) -> Result<(), Status> {
    if length > max { Err(Status::invalid_argument(format!("{what} is too long"))) } else { Ok(()) }
}

/// The first message of a stream, which must say what it is about.
async fn first<T>(stream: &mut Streaming<T>) -> Result<T, Status> {
    const WAIT: Duration = Duration::from_secs(10);
    // Not the node's fault: its link may have broken after it began to speak.
    let none = || Status::unavailable("nothing was said");
    tokio::time::timeout(WAIT, stream.message()).await.map_err(|_| none())??.ok_or_else(none)
}

#[tonic::async_trait]
impl Link for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<Joined>, Status> {
        let from = request.extensions().get::<Peer>().and_then(|peer| peer.door.from);
        let JoinRequest { secret, request, name } = request.into_inner();
        bounded("the token", secret.len(), WORD_BYTES_MAX)?;
        bounded("the name", name.len(), WORD_BYTES_MAX)?;
        bounded("the request", request.len(), REQUEST_BYTES_MAX)?;
        let key = authority::request_key(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let asked = JoinAsked { secret_hash: JoinToken::hash(&secret), key, name };
        let node = self.hub.attempts.one(from, self.hub.registry.join(asked)).await?;
        let issued = self.issue(node, &request).await?;
        tracing::info!(%node, "a node has joined");
        let certificate = issued.certificate.to_vec().into();
        Ok(Response::new(Joined { node: node.to_string(), certificate, ends_ms: issued.ends_ms }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Renewed>, Status> {
        let node = self.node(&request)?.id();
        let request = request.into_inner().request;
        bounded("the request", request.len(), REQUEST_BYTES_MAX)?;
        let issued = self.issue(node, &request).await?;
        Ok(Response::new(Renewed { certificate: issued.certificate.to_vec().into(), ends_ms: issued.ends_ms }))
    }

    type TalkStream = Answers<ToNode>;

    async fn talk(&self, request: Request<Streaming<FromNode>>) -> Result<Response<Answers<ToNode>>, Status> {
        let node = self.node(&request)?;
        self.seated(&node).await?;
        let (out, answers) = mpsc::channel(OUT_MAX);
        tokio::spawn(link::serve(Arc::clone(&self.hub), node, request.into_inner(), out));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    type RunStream = Answers<RunDown>;

    async fn run(&self, request: Request<Streaming<RunUp>>) -> Result<Response<Answers<RunDown>>, Status> {
        let node = self.node(&request)?;
        let mut said = request.into_inner();
        let opened = first(&mut said).await?;
        let slot = run::find(&node, opened)?;
        let (out, answers) = mpsc::channel(OUT_MAX);
        tokio::spawn(run::carry(node, slot, said, out));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn read(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Received>, Status> {
        let node = self.node(&request)?;
        file::receive(&node, request.into_inner()).await?;
        Ok(Response::new(Received {}))
    }

    type WriteStream = Answers<Chunk>;

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<Answers<Chunk>>, Status> {
        let node = self.node(&request)?;
        let WriteRequest { order, control } = request.into_inner();
        let source = node.write_take(&control, order).ok_or_else(|| Status::not_found("nobody ordered this"))?;
        let (out, chunks) = mpsc::channel(file::CHUNKS_MAX);
        tokio::spawn(file::send(source, out));
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }

    type PipeStream = Answers<Chunk>;

    async fn pipe(&self, request: Request<Streaming<Chunk>>) -> Result<Response<Answers<Chunk>>, Status> {
        let node = self.node(&request)?;
        let mut said = request.into_inner();
        let Chunk { order, control, .. } = first(&mut said).await?;
        let end = node.pipe_take(&control, order).ok_or_else(|| Status::not_found("nobody ordered this"))?;
        let (out, chunks) = mpsc::channel(pipe::CHUNKS_MAX);
        tokio::spawn(end.carry(said, out));
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }
}
