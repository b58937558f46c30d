//! What a sandbox may reach over the network.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `"none"`, `"internet"`, or `{"allow": […]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected `none`, `internet`, or an object with `allow`, a list")]
pub enum NetworkAsked {
    /// In one word.
    Policy(NetworkPolicy),
    /// Only what is listed.
    Allow(NetworkAllow),
}

/// A policy that needs no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPolicy {
    /// Nothing but its own loopback.
    None,
    /// What is on the internet: nothing private, nothing of the node.
    Internet,
}

/// What may be reached and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkAllow {
    /// Each a name (`pypi.org`), all names below one (`*.example.org`), an address or a range of IPv4 (`93.184.216.0/24`). What is
    /// private stays closed all the same, unless the node's configuration opens it.
    #[schema(max_items = 256)]
    pub allow: Vec<String>,
}
