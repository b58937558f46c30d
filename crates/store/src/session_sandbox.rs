//! The sandboxes of a session: the first in its record's own field, the others of a cluster beside it, in the same row.

use madang_ids::{NodeId, SandboxId};
use madang_model::{DeviceGrant, DevicesHeld};
use serde::{Deserialize, Serialize};

use crate::SessionRecord;

/// A sandbox of a cluster besides its first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubSandbox {
    pub sandbox: SandboxId,
    /// Where it is or is to be; none while its session waits for room.
    pub node: Option<NodeId>,
    /// The devices it was given there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<DeviceGrant>,
}

impl SubSandbox {
    /// So many that are nowhere yet.
    #[must_use]
    pub fn make(cluster: &madang_model::Cluster) -> Vec<Self> {
        (1..cluster.size).map(|_| Self { sandbox: SandboxId::new(), node: None, grants: Vec::new() }).collect()
    }
}

impl SessionRecord {
    /// All of its sandboxes, `main1` first, with their nodes as far as they are known.
    pub fn sandboxes(&self) -> impl Iterator<Item = (SandboxId, Option<NodeId>)> + '_ {
        let main = (self.sandbox, self.life.state.node());
        std::iter::once(main).chain(self.subs.iter().map(|sub| (sub.sandbox, sub.node)))
    }

    /// All of its sandboxes with the devices that each was given.
    pub fn grants(&self) -> impl Iterator<Item = (SandboxId, Vec<DeviceGrant>)> + '_ {
        let main = self.held.as_ref().map(|held| held.grants.clone()).unwrap_or_default();
        let subs = self.subs.iter().map(|sub| (sub.sandbox, sub.grants.clone()));
        std::iter::once((self.sandbox, main)).chain(subs)
    }

    /// Where each of its sandboxes holds something, by its number: also while it drains, of devices, until nothing of it is left there.
    pub fn holdings(&self) -> Vec<(u32, NodeId, Vec<DeviceGrant>)> {
        let node = self.life.state.node();
        let draining = matches!(self.life.state, madang_model::SessionState::Draining { .. });
        let main = node.or_else(|| self.held.as_ref().filter(|_| draining).map(|held| held.node));
        let subs = self.subs.iter().map(|sub| match (node, draining) {
            (Some(_), _) => sub.node,
            (None, true) => sub.node.filter(|_| !sub.grants.is_empty()),
            (None, false) => None,
        });
        let nodes = std::iter::once(main).chain(subs);
        let all = (0..).zip(nodes).zip(self.grants());
        all.filter_map(|((number, node), (_, grants))| Some((number, node?, grants))).collect()
    }

    /// Whether one of its sandboxes is, or is to be, on this node.
    #[must_use]
    pub fn is_on(&self, node: NodeId) -> bool {
        self.life.state.node().is_some() && self.sandboxes().any(|(_, on)| on == Some(node))
    }

    /// Other sandboxes, none of which has a place: what still comes of the old ones is nobody's.
    pub fn sandboxes_renew(&mut self) {
        self.sandbox = SandboxId::new();
        self.subs = SubSandbox::make(&self.spec.cluster);
    }

    /// Where each of its sandboxes goes, `main1` first; where that is is in its life.
    pub fn subs_place(&mut self, places: &[DevicesHeld]) {
        for (sub, place) in self.subs.iter_mut().zip(places.iter().skip(1)) {
            sub.node = Some(place.node);
            sub.grants.clone_from(&place.grants);
        }
    }
}
