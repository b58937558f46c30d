//! The network of this node's sandboxes: who gets one, and why there is none where there is none.

use std::{net::Ipv4Addr, os::fd::OwnedFd, sync::Arc};

use madang_model::AllowList;
use madang_network::{Attachment, Found, Networks, Place, Transferred, Wanted};
use madang_node_api::{Network, NodeError, SandboxSpec};
use madang_sandbox::Slot;

use crate::{config::AgentConfig, recover};

/// In the node's home: what it has changed of the machine.
const STATE: &str = "network.json";

/// What this machine can give, or why nothing.
#[derive(Debug)]
pub struct NodeNetwork(Result<Networks, String>);

impl NodeNetwork {
    /// Takes up the networks of what lives. Blocking.
    pub fn open(config: &AgentConfig, alive: &[recover::Found]) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(Err("this node is rootless".to_owned()));
        }
        let place = Place { instance: config.instance(), state: config.home.join(STATE) };
        let found = alive.iter().filter_map(found_of).collect();
        Self(Networks::open(&place, config.network.clone(), found).map_err(|error| error.to_string()))
    }

    /// What health says of it.
    pub fn note(&self) -> Option<String> {
        let why = self.0.as_ref().err()?;
        Some(format!("sandboxes have no network but their loopback: {why}"))
    }

    /// The network that `spec` asks for, to the sandbox that `slot` becomes.
    pub async fn attach(self: &Arc<Self>, slot: &Slot, spec: &SandboxSpec) -> Result<Option<Wire>, NodeError> {
        let Some(network) = network_of(spec) else { return Ok(None) };
        let networks = match &self.0 {
            Ok(networks) => networks,
            // Nothing was asked for: those of one session just do not see each other here.
            Err(_) if spec.network.is_none() => return Ok(None),
            Err(why) => {
                let word = spec.network.word();
                return Err(NodeError::Invalid(format!("this node can give a sandbox no network `{word}`: {why}")));
            }
        };
        let failed =
            |error: &dyn std::fmt::Display| NodeError::Unavailable(format!("no network for a sandbox: {error}"));
        let wanted = wanted(slot, spec, network).map_err(|error| failed(&error))?;
        let Attachment { gateway, .. } = networks.attach(wanted).await.map_err(|error| failed(&error))?;
        Ok(Some(Wire { network: Arc::clone(self), slot: slot.name.clone(), gateway }))
    }

    /// Starts what serves those that had a network before this agent.
    pub async fn serve_adopted(&self) {
        if let Ok(networks) = &self.0 {
            networks.serve_all().await;
        }
    }

    /// The one that the sandbox in `slot` has already.
    pub fn wire(self: &Arc<Self>, slot: &str) -> Option<Wire> {
        let Attachment { gateway, .. } = self.0.as_ref().ok()?.of(slot)?;
        Some(Wire { network: Arc::clone(self), slot: slot.to_owned(), gateway })
    }

    /// Of a slot that is over. Blocking.
    pub fn detach(&self, slot: &str) {
        if let Ok(networks) = &self.0
            && let Err(error) = networks.detach(slot)
        {
            tracing::error!(slot, %error, "a sandbox's network cannot be removed; the next start removes it");
        }
    }

    /// Its place, to be found again by.
    pub fn index(&self, slot: &str) -> Option<u32> {
        Some(self.0.as_ref().ok()?.of(slot)?.index)
    }

    /// Gives back what was changed of this machine. Blocking.
    pub fn close(&self) {
        if let Ok(networks) = &self.0
            && let Err(error) = networks.close()
        {
            tracing::warn!(%error, "what was changed of this machine's network cannot be given back");
        }
    }
}

/// A sandbox's network, as those see it who use and count it.
#[derive(Debug, Clone)]
pub struct Wire {
    network: Arc<NodeNetwork>,
    slot: String,
    /// Where its name server is.
    pub gateway: Ipv4Addr,
}

impl Wire {
    /// What has gone through so far.
    pub fn transferred(&self) -> Transferred {
        self.network.0.as_ref().map_or_else(|_| Transferred::default(), |networks| networks.transferred(&self.slot))
    }
}

fn found_of(found: &recover::Found) -> Option<Found> {
    let (index, spec) = (found.claim.network?, &found.claim.spec);
    Some(Found { index, wanted: wanted(&found.slot, spec, network_of(spec)?).ok()? })
}

/// The one that it is given: without any policy those that have peers see these, and nothing else.
fn network_of(spec: &SandboxSpec) -> Option<Network> {
    match (&spec.network, &spec.peer) {
        (Network::None, None) => None,
        (Network::None, Some(_)) => Some(Network::AllowList(AllowList::default())),
        (network, _) => Some(network.clone()),
    }
}

fn wanted(slot: &Slot, spec: &SandboxSpec, network: Network) -> std::io::Result<Wanted> {
    let pidfd: OwnedFd = slot.ended().try_clone_to_owned()?;
    let (slot, session, peer) = (slot.name.clone(), spec.session.to_string(), spec.peer.clone());
    Ok(Wanted { slot, pidfd, session, peer, network })
}
