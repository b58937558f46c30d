//! Before a call is read: who asks, and how much of it will be read. Strangers may ask for `Join` and are read a little; nodes more,
//! and only once the registry has said that they are nodes.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use madang_ids::NodeId;
use tokio::{sync::Semaphore, time::Instant};
use tonic::{
    Status,
    body::Body,
    codegen::{Service as Call, http},
    server::NamedService,
};

use super::{
    Hub, Refusal,
    accept::Peer,
    door::{Origin, Stage},
    service::{Service, status},
};
use crate::{CHUNK_BYTES, MESSAGE_BYTES_MAX, wire::link_server::LinkServer};

const JOIN: &str = "/madang.link.v1.Link/Join";
const TALK: &str = "/madang.link.v1.Link/Talk";
const RUN: &str = "/madang.link.v1.Link/Run";
/// A secret, a name, a request for a certificate.
const JOIN_BYTES_MAX: usize = 16 << 10;
/// A piece of a file.
const PIECE_BYTES_MAX: usize = 16 * CHUNK_BYTES;

/// Which node asks, by the registry's word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub NodeId);

/// Every call comes through here.
#[derive(Clone)]
pub(super) struct Gate {
    hub: Arc<Hub>,
    join: LinkServer<Service>,
    /// Links and runs.
    large: LinkServer<Service>,
    piece: LinkServer<Service>,
}

impl Gate {
    pub fn new(hub: Arc<Hub>) -> Self {
        let served = |bytes_max| {
            let server = LinkServer::new(Service { hub: Arc::clone(&hub) });
            server.max_decoding_message_size(bytes_max).max_encoding_message_size(MESSAGE_BYTES_MAX)
        };
        let (join, large, piece) = (served(JOIN_BYTES_MAX), served(MESSAGE_BYTES_MAX), served(PIECE_BYTES_MAX));
        Self { hub, join, large, piece }
    }

    /// Which node this connection is of.
    async fn identify(&self, peer: &Peer) -> Result<NodeId, Status> {
        if let Some(node) = peer.door.node() {
            return Ok(node);
        }
        let stranger = || Status::unauthenticated("this certificate is not, or no longer, a node's");
        let print = peer.print.as_deref().ok_or_else(|| Status::unauthenticated("a node shows its certificate"))?;
        let node = self.hub.registry.certificate_of(print).await.map_err(status)?.ok_or_else(stranger)?;
        self.hub.doors.known(&peer.door, node, print);
        self.hub.node(node);
        // It may have been removed since the first question, when there was nothing yet to cut. Whoever removes it from now on finds it.
        if self.hub.registry.certificate_of(print).await.map_err(status)? != Some(node) {
            self.hub.remove(node);
            return Err(stranger());
        }
        peer.door.is_of(node);
        Ok(node)
    }
}

impl NamedService for Gate {
    const NAME: &'static str = <LinkServer<Service> as NamedService>::NAME;
}

impl Call<http::Request<Body>> for Gate {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let mut gate = self.clone();
        Box::pin(async move {
            let Some(peer) = request.extensions().get::<Peer>().cloned() else {
                return Ok(Status::internal("a connection of nobody").into_http());
            };
            peer.door.is(Stage::Asked);
            if request.uri().path() == JOIN {
                return gate.join.call(request).await;
            }
            match gate.identify(&peer).await {
                Ok(node) => drop(request.extensions_mut().insert(Caller(node))),
                Err(status) => return Ok(status.into_http()),
            }
            let large = matches!(request.uri().path(), TALK | RUN);
            let server = if large { &mut gate.large } else { &mut gate.piece };
            server.call(request).await
        })
    }
}

/// Attempts to join that are under way, over all.
const JOINS_MAX: usize = 32;
const JOIN_WAIT: Duration = Duration::from_secs(10);
/// Attempts from one address with a token that lets nobody in, before the address has to wait.
const REFUSALS_MAX: u32 = 20;
const REFUSALS_AGE: Duration = Duration::from_secs(60);
/// Addresses of which attempts are remembered.
const ORIGINS_MAX: usize = 4_096;

/// How much of the registry's time those who may not join can have.
#[derive(Debug)]
pub(super) struct Attempts {
    places: Semaphore,
    /// How many were refused since when.
    refused: Mutex<HashMap<Origin, (u32, Instant)>>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { places: Semaphore::new(JOINS_MAX), refused: Mutex::default() }
    }
}

impl Attempts {
    /// Makes one attempt if it may be made.
    pub async fn one<T>(&self, from: Origin, attempt: impl Future<Output = Result<T, Refusal>>) -> Result<T, Status> {
        if self.has_to_wait(from) {
            let text = format!("too many refused attempts from this address; try again in {REFUSALS_AGE:?}");
            return Err(Status::resource_exhausted(text));
        }
        let busy = || Status::unavailable("too many want to join at once");
        let place = tokio::time::timeout(JOIN_WAIT, self.places.acquire()).await;
        let _place = place.map_err(|_| busy())?.map_err(|_| busy())?;
        let made = attempt.await;
        if matches!(made, Err(Refusal::Token)) {
            self.count(from);
        }
        made.map_err(status)
    }

    fn has_to_wait(&self, from: Origin) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&from).is_some_and(|(count, since)| *count >= REFUSALS_MAX && since.elapsed() < REFUSALS_AGE)
    }

    fn count(&self, from: Origin) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= ORIGINS_MAX && !refused.contains_key(&from) {
            refused.retain(|_, (_, since)| since.elapsed() < REFUSALS_AGE);
            if refused.len() >= ORIGINS_MAX {
                refused.clear();
            }
        }
        let (count, since) = refused.entry(from).or_insert_with(|| (0, Instant::now()));
        if since.elapsed() >= REFUSALS_AGE {
            (*count, *since) = (0, Instant::now());
        }
        *count += 1;
    }
}
