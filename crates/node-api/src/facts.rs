//! What a node is, and whether it can be heard.

use std::{collections::BTreeMap, time::Instant};

use madang_ids::NodeId;
use madang_model::AppsAddress;
use serde::{Deserialize, Serialize};

use crate::AppOffered;

/// A machine as its agent found it when it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    /// Of the agent.
    pub version: String,
    pub hostname: String,
    /// As in `linux`.
    pub os: String,
    /// Of the kernel.
    pub os_version: String,
    /// As in `x86_64`.
    pub arch: String,
    /// CPUs there are, thousandths.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    /// Accelerators.
    pub devices: Vec<DeviceSeen>,
    /// What whoever started the agent says of it.
    pub labels: BTreeMap<String, String>,
    /// Where folders are, and how their owners are held to their quotas; none where there is no place for folders.
    pub volume: Option<VolumeSeen>,
    /// Apps that it knows, those that it cannot start too.
    pub apps: Vec<AppOffered>,
    /// Where people reach its apps without a way around, if it serves them itself.
    pub apps_at: Option<AppsAddress>,
}

/// A node's place for folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    pub enforcement: Enforcement,
    /// Why it is not better; empty where nothing is.
    pub note: String,
    /// What all nodes call it that have the same one; none of a place that is this node's alone.
    #[serde(default)]
    pub place: Option<NodeId>,
}

/// What holds the owner of folders to a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// The file system's own, by project.
    Project,
    /// All folders of one owner are a file system in a file of just that size.
    Image,
    /// Nothing of the kernel's: what is uploaded is counted, sandboxes may only read.
    Counted,
}

/// An accelerator that sandboxes may be given, whole or in shares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSeen {
    /// Unique over all machines: the device's UUID as its maker's library says it, `fake-…` for one that is only declared.
    pub id: String,
    /// As in `cuda`, `fake`.
    pub kind: String,
    pub model: String,
    pub memory_bytes: u64,
    /// Sandboxes that may use it at once; each is given one of so many parts or more, and they take turns. 1 for one that is given whole only.
    pub shares: u32,
}

/// Whether what a node says is what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It answers; what it has said is current.
    Here,
    /// Nothing was heard since then (Unix time, milliseconds, for people; and by a clock that nobody sets): its sandboxes may go on,
    /// what is known of them is old. Nobody may conclude from it that one is gone.
    Silent { since_ms: u64, since: Instant },
    /// This process has not heard of it yet; nothing at all is known.
    Unheard,
}

/// Slots of one kind that shall wait ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolWanted {
    pub image: String,
    /// Whose interpreter waits in them; none for plain ones.
    pub language: Option<String>,
    /// So many at least; 0 takes the wish back and leaves the node's own rule.
    pub slots: u32,
}
