//! Machines that run sandboxes, and what lets them join.

use std::collections::BTreeMap;

use madang_ids::{NodeId, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// Machines that may join by one token, at most.
pub const NODE_TOKEN_USES_MAX: u32 = 10_000;
/// A node's token lives so long at least, milliseconds.
pub const NODE_TOKEN_TTL_MS_MIN: u64 = 1_000;
/// A node's token lives so long at most, milliseconds.
pub const NODE_TOKEN_TTL_MS_MAX: u64 = 30 * 86_400_000;

/// What is wanted of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Sessions may be placed there.
    Schedulable,
    /// What is there stays, nothing comes.
    Cordoned,
    /// Nothing comes; sessions that may start elsewhere do so, and it is empty when the last other one has ended.
    Draining,
}

/// Whether a node is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodePresence {
    /// It answers.
    Here,
    /// It has said nothing for some seconds: nothing new is placed there, what is there goes on.
    Silent,
    /// The control process that leads has not heard of it since it began to.
    Unheard,
}

/// A machine. What it has is as it said when it was last heard; nothing where it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    #[schema(value_type = String, example = "nod_01jz8q7c3v4m5n6p7r8s9t0vwx")]
    pub id: NodeId,
    pub name: String,
    pub resource_group: String,
    pub state: NodeState,
    pub presence: NodePresence,
    /// Since when it is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
    pub joined_at: Timestamp,
    /// Version of its agent.
    pub version: String,
    /// As in `linux 6.12 x86_64`.
    pub system: String,
    /// Processors, thousandths.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub labels: BTreeMap<String, String>,
    /// Accelerators.
    pub devices: Vec<DeviceView>,
    /// Sandboxes that it has.
    pub sandboxes: u64,
    /// Live sessions that are placed there.
    pub sessions: u64,
}

/// An accelerator of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    pub id: String,
    pub kind: String,
    pub model: String,
    pub memory_bytes: u64,
    /// Sandboxes that may use it at once.
    pub shares: u32,
}

/// `PATCH /nodes/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    pub state: NodeState,
}

/// `POST /node-tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeTokenCreate {
    /// So many machines may join by it.
    #[schema(minimum = 1, maximum = 10_000)]
    pub uses: u32,
    /// For so long, milliseconds.
    #[schema(minimum = 1_000, maximum = 2_592_000_000_u64)]
    pub ttl_ms: u64,
    /// The resource group that they belong to.
    #[schema(max_length = 64)]
    pub resource_group: String,
}

impl Default for NodeTokenCreate {
    fn default() -> Self {
        Self { uses: 1, ttl_ms: 3_600_000, resource_group: "default".to_owned() }
    }
}

/// A token that still lets somebody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeTokenView {
    #[schema(value_type = String, example = "tok_01jz8q7c3v4m5n6p7r8s9t0vwx")]
    pub id: TokenId,
    pub resource_group: String,
    pub uses_left: u64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A token that has just been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeTokenMade {
    #[serde(flatten)]
    pub token: NodeTokenView,
    /// For `madang node --token …`. Shown this once and never again.
    pub secret: String,
    /// For `madang node --join …`: where this server takes nodes, as far as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
}
