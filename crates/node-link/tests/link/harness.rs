//! A hub with a registry in memory, members with simulated nodes, and a wire between them that can be cut.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use madang_ids::NodeId;
use madang_node_api::{Node, Presence};
use madang_node_link::{
    Authority, Hub, HubConfig, JoinToken, Member, MemberConfig, RemoteNode,
    hub::{JoinAsked, Refusal, Registry},
    member::{MemberError, Tcp},
};
use madang_testkit::SimNode;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Longer than anything takes on a machine that has much else to do.
pub const WAIT: Duration = Duration::from_secs(60);

/// Gives up only what is gone: nothing is silent, or takes too long, because the machine stood still for a while.
pub fn patient() -> HubConfig {
    HubConfig {
        silent_ms: 120_000,
        handshake_ms: 120_000,
        ask_ms: 120_000,
        stranger_ms: 120_000,
        ..HubConfig::default()
    }
}

/// Tokens and certificates in memory.
#[derive(Default)]
pub struct MemoryRegistry {
    /// Uses left, by hash.
    tokens: Mutex<HashMap<String, u32>>,
    joined: Mutex<HashMap<String, NodeId>>,
    certificates: Mutex<HashMap<String, NodeId>>,
    pub arrivals: watch::Sender<usize>,
}

impl MemoryRegistry {
    pub fn forget(&self, node: NodeId) {
        self.certificates.lock().unwrap().retain(|_, owner| *owner != node);
    }

    pub fn certificates(&self) -> usize {
        self.certificates.lock().unwrap().len()
    }
}

#[async_trait]
impl Registry for MemoryRegistry {
    async fn join(&self, asked: JoinAsked) -> Result<NodeId, Refusal> {
        let mut joined = self.joined.lock().unwrap();
        if let Some(node) = joined.get(&asked.key) {
            return Ok(*node);
        }
        let mut tokens = self.tokens.lock().unwrap();
        let uses = tokens.get_mut(&asked.secret_hash).ok_or(Refusal::Token)?;
        *uses = uses.checked_sub(1).ok_or(Refusal::Token)?;
        Ok(*joined.entry(asked.key).or_insert_with(NodeId::new))
    }

    async fn certificate_put(&self, node: NodeId, fingerprint: &str, _: u64) -> Result<(), Refusal> {
        self.certificates.lock().unwrap().insert(fingerprint.to_owned(), node);
        Ok(())
    }

    async fn certificate_of(&self, fingerprint: &str) -> Result<Option<NodeId>, Refusal> {
        Ok(self.certificates.lock().unwrap().get(fingerprint).copied())
    }

    async fn arrived(&self, _: Arc<RemoteNode>) {
        self.arrivals.send_modify(|count| *count += 1);
    }
}

/// Control's side, until it is dropped.
pub struct World {
    pub hub: Arc<Hub>,
    pub registry: Arc<MemoryRegistry>,
    pub address: SocketAddr,
    authority: [u8; 32],
    served: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(patient()).await
    }

    pub async fn with(config: HubConfig) -> Self {
        let authority = Authority::make().unwrap();
        let fingerprint = authority.fingerprint();
        let registry = Arc::new(MemoryRegistry::default());
        let hub = Hub::new(authority, registry.clone(), config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { hub.serve(listener, std::future::pending()).await.unwrap() }
        });
        Self { hub, registry, address, authority: fingerprint, served }
    }

    pub fn token(&self, uses: u32) -> JoinToken {
        let token = JoinToken::make(self.authority).unwrap();
        self.registry.tokens.lock().unwrap().insert(JoinToken::hash(token.secret()), uses);
        token
    }

    /// The node is removed: its certificates are nobody's.
    pub fn remove(&self, node: NodeId) {
        self.registry.forget(node);
        self.hub.remove(node);
    }

    pub async fn join(&self, home: &Path, token: Option<JoinToken>) -> Result<Member, MemberError> {
        join(self.address, home, token).await
    }

    /// A simulated node that has joined and is here.
    pub async fn node(&self, home: &Path) -> Joined {
        self.node_at(self.address, home).await
    }

    /// The same, over another address than the hub's own.
    pub async fn node_at(&self, address: SocketAddr, home: &Path) -> Joined {
        self.node_with(address, home, |_| {}).await
    }

    pub async fn node_with(&self, address: SocketAddr, home: &Path, settle: impl FnOnce(&mut MemberConfig)) -> Joined {
        let member = join_with(address, home, Some(self.token(1)), settle).await.unwrap();
        let (id, sim) = (member.id(), SimNode::new());
        let served = tokio::spawn(member.serve(Arc::new(sim.clone())));
        let remote = self.hub.node(id);
        until_here(&remote).await;
        Joined { id, sim, remote, served }
    }
}

pub async fn join(address: SocketAddr, home: &Path, token: Option<JoinToken>) -> Result<Member, MemberError> {
    join_with(address, home, token, |_| {}).await
}

async fn join_with(
    address: SocketAddr,
    home: &Path,
    token: Option<JoinToken>,
    settle: impl FnOnce(&mut MemberConfig),
) -> Result<Member, MemberError> {
    let mut config = MemberConfig::new(home.to_owned(), address.to_string(), "a node".to_owned());
    config.token = token;
    (config.beat, config.silent) = (Duration::from_millis(100), Duration::from_secs(110));
    settle(&mut config);
    tokio::time::timeout(WAIT, Member::join(config, Arc::new(Tcp))).await.expect("joining ends one way or the other")
}

pub async fn until_here(node: &RemoteNode) {
    until_presence(node, |presence| *presence == Presence::Here).await;
}

pub async fn until_presence(node: &RemoteNode, wanted: impl FnMut(&Presence) -> bool) {
    let mut presence = node.presence();
    let last = presence.clone();
    let reached = tokio::time::timeout(WAIT, presence.wait_for(wanted)).await;
    reached.unwrap_or_else(|_| panic!("the node is {:?}", *last.borrow())).unwrap();
}

/// A node at the other end.
pub struct Joined {
    pub id: NodeId,
    pub sim: SimNode,
    pub remote: Arc<RemoteNode>,
    pub served: JoinHandle<MemberError>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// How often it was cut, and whether it is now.
#[derive(Clone, Copy, Default)]
struct WireState {
    cuts: usize,
    cut: bool,
    frozen: bool,
}

/// A wire that can be cut: bytes pass while it is whole, connections break when it is cut, none are made until it heals.
pub struct Wire {
    pub address: SocketAddr,
    state: watch::Sender<WireState>,
}

impl Wire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(WireState::default());
        let passing = state.subscribe();
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let now = *passing.borrow();
                if now.cut {
                    continue;
                }
                tokio::spawn(pass(near, target, passing.clone(), now.cuts));
            }
        });
        Self { address, state }
    }

    pub fn cut(&self) {
        self.state.send_modify(|state| *state = WireState { cuts: state.cuts + 1, cut: true, ..*state });
    }

    pub fn heal(&self) {
        self.state.send_modify(|state| state.cut = false);
    }

    /// Nothing passes any more, and neither end can see it.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.frozen = true);
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut passing: watch::Receiver<WireState>, cuts: usize) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let mut freezing = passing.clone();
    let copied = async {
        let frozen = async { drop(freezing.wait_for(|state| state.frozen).await) };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = frozen => std::future::pending().await,
        }
    };
    tokio::select! {
        () = copied => {}
        _ = passing.wait_for(|state| state.cuts > cuts) => {}
    }
}
