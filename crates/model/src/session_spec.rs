//! What a session was asked to be: settled once, at its creation.

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{NodeId, ReservationId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{Cluster, Limits, Network, SessionMount};

/// What a session is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// Lives until it is ended.
    #[default]
    Interactive,
    /// Runs its start-up command and ends.
    Batch,
}

/// A session's settled wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub kind: SessionKind,
    pub image: String,
    pub language: Option<String>,
    pub limits: Limits,
    /// Accelerators by kind, thousandths of a device.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accelerators: BTreeMap<String, u64>,
    pub env: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub startup_command: Option<String>,
    /// Longest life from the start, milliseconds.
    pub timeout_ms: u64,
    /// Longest time with no run in it, milliseconds.
    pub idle_timeout_ms: u64,
    /// It is suspended when no run was in it for so long; none for one that is not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_idle_ms: Option<u64>,
    #[serde(default)]
    pub queueing: Queueing,
    /// How many sandboxes it has; each holds `limits`.
    #[serde(default, skip_serializing_if = "Cluster::is_one")]
    pub cluster: Cluster,
    /// The app that will be opened in it first, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What its sandboxes may reach.
    #[serde(default, skip_serializing_if = "Network::is_none")]
    pub network: Network,
    /// Folders, and where they are in each of its sandboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<SessionMount>,
}

impl SessionSpec {
    /// What all of its sandboxes hold together.
    #[must_use]
    pub fn whole(&self) -> Limits {
        self.cluster.whole(&self.limits)
    }
}

impl SessionSpec {
    /// The accelerators of all of its sandboxes together, thousandths of a device.
    #[must_use]
    pub fn accelerator_millis(&self) -> u64 {
        self.accelerators
            .values()
            .fold(0, |sum: u64, millis| sum.saturating_add(*millis))
            .saturating_mul(u64::from(self.cluster.size))
    }
}

/// The group of nodes that is always there.
pub const GROUP_DEFAULT: &str = "default";

/// Which nodes a session wants, when, and what becomes of it when its node does not stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queueing {
    pub resource_group: String,
    /// Labels that its node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The only node that it may be on: its folders are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The place of its folders, where several nodes share it: it may be on any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<NodeId>,
    /// Higher starts earlier.
    pub priority: i64,
    /// Sessions that must have ended well before.
    pub depends_on: BTreeSet<SessionId>,
    /// Promised slots that it may use.
    pub reservation: Option<ReservationId>,
    /// It is refused when it has waited for so long.
    pub wait_ms_max: u64,
    pub on_node_loss: OnNodeLoss,
}

impl Default for Queueing {
    fn default() -> Self {
        Self {
            resource_group: GROUP_DEFAULT.to_owned(),
            labels: BTreeMap::new(),
            node: None,
            place: None,
            priority: 0,
            depends_on: BTreeSet::new(),
            reservation: None,
            wait_ms_max: 600_000,
            on_node_loss: OnNodeLoss::End,
        }
    }
}

/// What becomes of a session whose node is not heard for longer than its lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNodeLoss {
    /// It ends.
    #[default]
    End,
    /// It starts anew elsewhere, with nothing of what was in it; its node has ended it by itself before.
    Restart,
}
