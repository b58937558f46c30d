//! Sessions of several sandboxes.

use madang_ids::NodeId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the sandboxes of one session may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterMode {
    /// All on one node.
    #[default]
    SingleNode,
    /// Wherever there is room: all at once or none.
    MultiNode,
}

/// How many sandboxes a session is to have. Each gets the session's `resources`; all start, and end, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterCreate {
    #[schema(minimum = 1, maximum = 64)]
    pub size: u32,
    #[serde(default)]
    pub mode: ClusterMode,
}

/// The sandboxes of a session that has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterView {
    pub size: u32,
    pub mode: ClusterMode,
    pub sandboxes: Vec<SandboxView>,
}

/// One sandbox of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxView {
    /// `main1`, `sub1`, `sub2`, …: what requests call it by.
    pub name: String,
    /// `main` or `sub`.
    pub role: String,
    /// From 0.
    pub index: u32,
    /// Where it is or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub node: Option<NodeId>,
}
