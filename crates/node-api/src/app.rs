//! Apps: services inside a sandbox, and connections to them.

use std::collections::BTreeMap;

use madang_ids::AppId;
use madang_model::{AppPrefix, AppProtocol, Limits};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::NodeError;

/// The app that is no program of ours: whatever listens on a port that was named.
pub const PORT_APP: &str = "port";

/// Processes and threads that an app may need beside the programs of a session.
const APP_PIDS: u64 = 128;
/// Files that each process of a sandbox with an app may have open at once, at least.
const APP_OPEN_FILES: u64 = 1_024;

/// Memory that a session has beside an app at the least: less is no room for a program.
const MEMORY_BESIDE_BYTES: u64 = 64 << 20;

/// What a sandbox must have in memory, where it has less than an app of so much needs. Its programs would be killed without a word.
pub fn memory_lacking(memory_bytes: u64, limits: &Limits) -> Option<u64> {
    let wanted = memory_bytes.saturating_add(MEMORY_BESIDE_BYTES);
    (memory_bytes > 0 && limits.memory_bytes < wanted).then_some(wanted)
}

/// Refuses an app of so much memory in a sandbox that has no room for it.
pub fn has_room(name: &str, memory_bytes: u64, limits: &Limits) -> Result<(), NodeError> {
    let Some(wanted) = memory_lacking(memory_bytes, limits) else { return Ok(()) };
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(NodeError::Conflict(format!(
        "{name} needs {} MiB of memory, and this session has {} MiB: make one with `app` = \"{name}\", which adds what it needs, or with \
         `resources.memory_bytes` of {wanted} or more",
        mib(wanted),
        mib(limits.memory_bytes),
    )))
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection to a program in a sandbox.
pub type AppConnection = Box<dyn Duplex>;

/// An app as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSpec {
    /// What it will be called, unless the sandbox has one of this name and port already: that one is meant then.
    pub id: AppId,
    /// Of a recipe; [`PORT_APP`] for what a program of the guest's own listens on.
    pub name: String,
    /// The node chooses one where none is asked for.
    pub port: Option<u16>,
    /// As the recipe says where none is asked for; only [`PORT_APP`] has a choice.
    pub protocol: Option<AppProtocol>,
    /// Added to the recipe's command line.
    pub arguments: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// An app as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSeen {
    pub id: AppId,
    pub name: String,
    pub protocol: AppProtocol,
    pub prefix: AppPrefix,
    /// On the loopback of the sandbox.
    pub port: u16,
    /// The path that a browser is to begin with, beneath the prefix, without a slash before it.
    pub path: String,
    pub state: AppState,
}

/// Where an app is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum AppState {
    Running,
    /// Exit code, or the negated number of the signal.
    Ended {
        status: i32,
    },
}

/// An app that a node can start, or why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOffered {
    /// What [`AppSpec::name`] calls it.
    pub name: String,
    /// For a person.
    pub title: String,
    pub protocol: AppProtocol,
    /// Memory that it needs beside the programs of the session.
    pub memory_bytes: u64,
    /// Why it cannot run here; none where it can.
    pub unavailable: Option<String>,
}

impl AppOffered {
    /// The bounds of a sandbox that holds the app beside what `limits` are for.
    pub fn beside(&self, limits: Limits) -> Limits {
        limits_beside(self.memory_bytes, limits)
    }
}

/// The bounds of a sandbox that holds an app of so much memory beside what `limits` are for.
pub fn limits_beside(memory_bytes: u64, limits: Limits) -> Limits {
    Limits {
        memory_bytes: limits.memory_bytes.saturating_add(memory_bytes),
        pids: limits.pids.saturating_add(APP_PIDS),
        open_files: limits.open_files.max(APP_OPEN_FILES),
        ..limits
    }
}
