//! Images: what sandboxes are made from, and how sessions become images.

use madang_ids::{ImageId, NodeId, ProjectId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// An image that sandboxes can be made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageView {
    /// What `image` of a session calls it.
    pub name: String,
    /// `sha256:…`; absent for `host`, the machine's own software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Unpacked, with the layers below.
    pub size_bytes: u64,
    /// Those that can run in it.
    pub languages: Vec<String>,
    /// Of one that was made of a session; absent for those that an administrator has put on the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<ImageCommitted>,
}

/// Where an image comes from that was made of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageCommitted {
    #[schema(value_type = String)]
    pub id: ImageId,
    /// Whose it is.
    #[schema(value_type = String)]
    pub owner: UserId,
    /// The project whose members may make sessions of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project: Option<ProjectId>,
    /// What it was made of.
    #[schema(value_type = String)]
    pub session: SessionId,
    /// The image that the session was made of.
    pub base: String,
    /// Live sessions that are made of it, as far as this control process knows.
    pub sessions: u64,
    /// Nodes that have it.
    #[serde(default)]
    pub nodes: u64,
    pub created_at: Timestamp,
}

/// What the image shall be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCommit {
    /// Unique among one's own: letters, digits, `.`, `_`, `-`.
    #[schema(max_length = 64)]
    pub name: String,
    /// Files that look like secrets go into the image. Without it they are named and no image is made.
    #[serde(default)]
    pub allow_secrets: bool,
}

/// The image that was made, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionCommitted {
    pub image: ImageView,
    /// The first of what is not in it: mounted folders, sockets, links that lead out, names that no image has.
    pub left_out: Vec<ImageFile>,
    /// Of all.
    pub left_out_count: u64,
    /// The first of what looks like a secret and is in it.
    pub secrets: Vec<ImageFile>,
    /// Of all.
    pub secret_count: u64,
    /// How long the session stood still.
    pub frozen_ms: u64,
}

/// A file of the session, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageFile {
    /// Relative to the work directory.
    pub path: String,
    pub what: String,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImageChange {
    #[schema(max_length = 64)]
    pub name: Option<String>,
    /// Whether members of the project that its session was for may make sessions of it.
    pub shared: Option<bool>,
}

/// Where an image shall be ahead of the sessions that are made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagePrefetch {
    /// Ids or names; every node that takes sessions where left out.
    #[schema(max_items = 1000)]
    pub nodes: Vec<String>,
}

/// Where it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImagePrefetched {
    pub nodes: Vec<ImagePlaced>,
}

/// A node that was to have an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImagePlaced {
    #[schema(value_type = String)]
    pub node: NodeId,
    pub name: String,
    /// Why the image is not there; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
