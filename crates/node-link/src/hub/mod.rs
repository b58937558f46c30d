//! Control's side: nodes dial in, each becomes a [`RemoteNode`].
//!
//! The hub asks its [`Registry`] who may join and whose a certificate is; it keeps no record of its own. Everything that a node says
//! goes through [`crate::check`].

mod accept;
mod door;
mod file;
mod gate;
mod link;
mod node;
mod remote;
mod run;
mod service;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use madang_ids::NodeId;
use madang_node_api::Presence;

pub(crate) use file::reader as file_reader;
pub use remote::RemoteNode;

use crate::{
    authority::Authority,
    tls::{self, TlsError},
};

/// Time between two looks for nodes that have fallen silent.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How patient the hub is.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// A node that says nothing for so long is silent.
    pub silent_ms: u64,
    /// An order that is not answered by then has failed.
    pub order_ms: u64,
    /// One-shot runs on a node that is silent for so long are over.
    pub lost_ms: u64,
    /// How long a node's certificate is good for; it asks for another when half of that is over.
    pub certificate_ms: u64,
    /// How often the registry is asked whether the nodes that are here still are nodes: another process may have removed them.
    pub registry_ms: u64,
    /// A handshake takes no longer, or there is none. A node that dials waits no longer either.
    pub handshake_ms: u64,
    /// The first call comes so soon after the handshake.
    pub ask_ms: u64,
    /// Whoever has asked and is still a stranger then is cut off.
    pub stranger_ms: u64,
    /// What nodes are to check tickets with: the public half of a key of Ed25519.
    pub ticket_key: Option<[u8; 32]>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            silent_ms: 5_000,
            order_ms: 120_000,
            lost_ms: 120_000,
            certificate_ms: 7 * 86_400_000,
            registry_ms: 3_000,
            handshake_ms: 5_000,
            ask_ms: 5_000,
            stranger_ms: 30_000,
            ticket_key: None,
        }
    }
}

/// A machine that wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAsked {
    /// [`JoinToken::hash`](crate::JoinToken::hash) of the secret that it sent.
    pub secret_hash: String,
    /// Of its key: the same key with the same token is the same machine asking again, since it did not hear the answer.
    pub key: String,
    /// What it wants to be called.
    pub name: String,
}

/// Why somebody is not let in. What outsiders read is the same for every bad token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Unknown, expired, used up: one text for all.
    #[error("this token lets nobody join")]
    Token,
    #[error("{0}")]
    Name(String),
    /// Ours to mend; the node may try again.
    #[error("the control plane cannot say now")]
    Unavailable(String),
}

/// Where a node's link belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seat {
    Here,
    /// With another control process: at this address for nodes, if it is known.
    Elsewhere(Option<String>),
}

/// Who may join, and whose certificates are whose. Control implements it over its store.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Uses the token up by one and makes the node, unless the same key has done so before.
    async fn join(&self, asked: JoinAsked) -> Result<NodeId, Refusal>;
    /// Writes down whose certificate this is, before it is handed out; not for a node that was removed meanwhile.
    async fn certificate_put(&self, node: NodeId, fingerprint: &str, ends_ms: u64) -> Result<(), Refusal>;
    /// Whose certificate this is; none for one that was never ours, or whose node was removed.
    async fn certificate_of(&self, fingerprint: &str) -> Result<Option<NodeId>, Refusal>;
    /// The same of several; asked every few seconds for every node that is here, so it should be one question.
    async fn certificates_of(&self, fingerprints: &[String]) -> Result<Vec<Option<NodeId>>, Refusal> {
        let mut owners = Vec::with_capacity(fingerprints.len());
        for fingerprint in fingerprints {
            owners.push(self.certificate_of(fingerprint).await?);
        }
        Ok(owners)
    }
    /// Whether a node's link may stand here.
    async fn seat(&self, _node: NodeId) -> Seat {
        Seat::Here
    }
    /// A node has connected and said what it is; also each time it comes back.
    async fn arrived(&self, node: Arc<RemoteNode>);
}

/// Where connections come from.
#[async_trait]
pub trait Listen: Send + 'static {
    async fn accept(&mut self) -> io::Result<Box<dyn Io>>;

    /// The same, and where it comes from. Strangers without an address share the places of one.
    async fn accept_from(&mut self) -> io::Result<(Box<dyn Io>, Option<IpAddr>)> {
        Ok((self.accept().await?, None))
    }
}

/// Bytes both ways.
pub trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> Io for T {}

#[async_trait]
impl Listen for tokio::net::TcpListener {
    async fn accept(&mut self) -> io::Result<Box<dyn Io>> {
        Ok(self.accept_from().await?.0)
    }

    async fn accept_from(&mut self) -> io::Result<(Box<dyn Io>, Option<IpAddr>)> {
        let (stream, from) = tokio::net::TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), Some(from.ip())))
    }
}

/// Every node that control knows over the network.
pub struct Hub {
    pub(crate) authority: Authority,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) config: HubConfig,
    /// This process, this start: order numbers are its own.
    pub(crate) control: String,
    doors: Arc<door::Doors>,
    attempts: gate::Attempts,
    nodes: Mutex<HashMap<NodeId, Arc<RemoteNode>>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("authority", &self.authority).field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a hub cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("random numbers cannot be had: {0}")]
    Random(getrandom::Error),
    #[error("serving nodes")]
    Serve(#[from] tonic::transport::Error),
}

impl Hub {
    pub fn new(authority: Authority, registry: Arc<dyn Registry>, config: HubConfig) -> Result<Arc<Self>, HubError> {
        let control = crate::random_word().map_err(HubError::Random)?;
        let (doors, attempts) = Default::default();
        Ok(Arc::new(Self { authority, registry, config, control, doors, attempts, nodes: Mutex::default() }))
    }

    /// The node of this id: known from now on, heard of perhaps later. Call it at the start for every node in the store.
    pub fn node(&self, id: NodeId) -> Arc<RemoteNode> {
        let make = || RemoteNode::new(id, self.control.clone(), &self.config);
        Arc::clone(self.lock().entry(id).or_insert_with(make))
    }

    /// The node of this id, if it is known.
    fn known(&self, id: NodeId) -> Option<Arc<RemoteNode>> {
        self.lock().get(&id).cloned()
    }

    /// Cuts the node's link and forgets it; its certificates are the registry's to forget, before this is called.
    pub fn remove(&self, id: NodeId) {
        let removed = self.lock().remove(&id);
        if let Some(node) = removed {
            node.cut();
        }
        self.doors.shut_of(id);
    }

    /// Serves nodes until `stop`.
    pub async fn serve(
        self: Arc<Self>,
        listener: impl Listen,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), HubError> {
        let acceptor = tokio_rustls::TlsAcceptor::from(tls::server(&self.authority)?);
        let patience = accept::Patience::new(&self.config);
        let connections = accept::connections(listener, acceptor, Arc::clone(&self.doors), patience);
        let gate = gate::Gate::new(Arc::clone(&self));
        let served = service::server().add_service(gate).serve_with_incoming_shutdown(connections, stop);
        tokio::select! {
            served = served => Ok(served?),
            () = self.watch_silence() => Ok(()),
            () = self.watch_registry() => Ok(()),
        }
    }

    async fn watch_silence(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let nodes: Vec<_> = self.lock().values().cloned().collect();
            for node in nodes {
                if let Presence::Silent { since_ms, .. } = node.look() {
                    tracing::warn!(node = %node.id(), since_ms, "a node is silent");
                }
            }
        }
    }

    async fn watch_registry(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(self.config.registry_ms)).await;
            let (prints, nodes): (Vec<_>, Vec<_>) = self.doors.guests().into_iter().unzip();
            match self.registry.certificates_of(&prints).await {
                Ok(owners) => {
                    let gone = nodes.into_iter().zip(owners).filter(|(node, owner)| *owner != Some(*node));
                    for (node, _) in gone {
                        tracing::info!(%node, "a node is here that is no longer one; its link is cut");
                        self.remove(node);
                    }
                }
                // They are asked about again.
                Err(error) => tracing::warn!(%error, "the registry of nodes cannot say who is one"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<RemoteNode>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
