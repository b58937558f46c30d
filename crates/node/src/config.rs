//! What a node is told when it starts.

use std::{collections::BTreeMap, path::PathBuf};

use madang_model::AppsAddress;
use madang_network::NetworkConfig;
use madang_storage::Sharing;

use crate::device::DeviceConfig;

/// Whether slots are made ahead of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pools {
    On,
    /// Every start is a cold one: for measuring, and for machines with no memory to spare.
    Off,
}

/// An app that slots wait with from the start on, before anybody has asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppAhead {
    pub app: String,
    /// Of the sessions that find it: whose interpreter waits beside it.
    pub language: Option<String>,
    pub slots: usize,
}

/// Where a node has its folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FoldersConfig {
    /// In its home.
    #[default]
    Home,
    /// Elsewhere on this machine; made if missing, for this user only.
    At(PathBuf),
    /// Where other nodes have theirs too; has to be there.
    Shared(PathBuf, Sharing),
}

/// A node's settings.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Where slots, images and drivers live; made if missing, for this user only.
    pub home: PathBuf,
    /// The binary that understands `spawner`, normally this one.
    pub program: PathBuf,
    pub pools: Pools,
    pub ahead: Vec<AppAhead>,
    /// What the node's facts say of it.
    pub labels: BTreeMap<String, String>,
    /// Where its accelerators come from.
    pub devices: DeviceConfig,
    /// What sandboxes reach at most, and how.
    pub network: NetworkConfig,
    /// Where folders are.
    pub folders: FoldersConfig,
    /// Where people reach apps of this node, if its own process serves them.
    pub apps: Option<AppsAddress>,
}

impl AgentConfig {
    /// A word for this home, so that several instances on one machine keep apart.
    pub(crate) fn instance(&self) -> String {
        // FNV-1a; it only has to tell homes apart. http://www.isthe.com/chongo/tech/comp/fnv/
        let bytes = self.home.as_os_str().as_encoded_bytes();
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{:08x}", hash >> 32)
    }
}
