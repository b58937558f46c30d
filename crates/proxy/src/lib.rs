//! From outside into an app of a session, and for nobody without a ticket: a reverse proxy on a listener of its own.
//!
//! `cli` starts it beside control, or on a node, and gives it an [`Upstream`] that makes connections to apps; it asks neither control nor the
//! database, and what it lets through is what a ticket says. It never serves on the API's listener: pages of apps are hostile to the API. Start at
//! [`Proxy`], at `answer.rs` for what happens to one request, at `admit.rs` for who may pass.

mod admit;
mod answer;
mod body;
mod cookie;
mod crew;
mod forward;
mod frame;
mod head;
mod limits;
mod pool;
mod prefixed;
mod refusal;
mod relay;
mod serve;
mod target;
mod tunnel;
mod upstream;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use madang_model::{AppsAddress, WebOrigin};
use madang_ticket::Verifier;
use tokio::sync::watch;

use admit::Gate;
use frame::Frames;
use pool::Connections;
use serve::Stopping;
pub use upstream::{AppStream, BoxStream, ConnectError, Upstream};

/// What a proxy is told.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Where people reach it.
    pub address: AppsAddress,
    /// How long a connection may take for the head of its next request.
    pub head_wait: Duration,
    /// Connections of clients at once, tunnels too; more wait to be taken. Each may take two descriptors.
    pub connections_max: usize,
}

impl ProxyConfig {
    /// The usual for an address.
    pub fn new(address: AppsAddress) -> Self {
        Self { address, head_wait: limits::HEAD_WAIT, connections_max: limits::CONNECTIONS_MAX }
    }
}

/// A reverse proxy for apps.
pub struct Proxy {
    config: ProxyConfig,
    gate: Gate,
    embedder: OnceLock<Frames>,
    connections: Arc<Connections>,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy that trusts no tickets yet.
    pub fn new(config: ProxyConfig, upstream: Arc<dyn Upstream>) -> Arc<Self> {
        let (gate, connections, stopping) = (Gate::default(), Connections::new(upstream), watch::Sender::new(false));
        let embedder = OnceLock::new();
        Arc::new(Self { config, gate, embedder, connections, stopping })
    }

    /// From now on tickets that this verifier finds good are good, and no others.
    pub fn trust(&self, verifier: Verifier) {
        self.gate.trust(verifier);
    }

    /// From now on pages of this origin, and no others, may show apps in their frames. Only the first that is named counts.
    pub fn embed(&self, web: &WebOrigin) {
        let _ = self.embedder.set(Frames::of(web));
    }

    /// Who may frame apps; nobody but themselves until somebody was named.
    pub(crate) fn frames(&self) -> &Frames {
        static NOBODY: Frames = Frames::NOBODY;
        self.embedder.get().unwrap_or(&NOBODY)
    }

    pub(crate) fn stopping(&self) -> Stopping {
        self.stopping.subscribe()
    }

    fn stop(&self) {
        self.stopping.send_replace(true);
    }
}
