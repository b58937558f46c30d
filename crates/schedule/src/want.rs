//! What a session wants.

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{ReservationId, SessionId};
use serde::{Deserialize, Serialize};

/// A whole accelerator, in thousandths of one.
pub const WHOLE_MILLIS: u64 = 1_000;

/// What can be divided at will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Amount {
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
}

impl Amount {
    /// Whether `self` has room for `other`.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self.cpu_millis >= other.cpu_millis
            && self.memory_bytes >= other.memory_bytes
            && self.disk_bytes >= other.disk_bytes
    }

    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What is left, nothing where there is less than nothing.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.each(other, u64::saturating_sub)
    }

    #[must_use]
    pub(crate) fn least(&self, other: &Self) -> Self {
        self.each(other, std::cmp::min)
    }

    fn each(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            cpu_millis: join(self.cpu_millis, other.cpu_millis),
            memory_bytes: join(self.memory_bytes, other.memory_bytes),
            disk_bytes: join(self.disk_bytes, other.disk_bytes),
        }
    }
}

/// Accelerators of one kind: whole ones, or a share of a single one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceWant {
    pub kind: String,
    /// 1000 is one whole device; below that a share of one device, above it only multiples of 1000 make sense.
    pub millis: u64,
}

/// What one sandbox wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Want {
    pub amount: Amount,
    /// Sorted by kind, each kind once.
    pub devices: Vec<DeviceWant>,
}

/// Where the sandboxes of one session may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GangMode {
    /// All on one node.
    #[default]
    SingleNode,
    /// Wherever there is room; all at once or none.
    MultiNode,
}

/// How many sandboxes a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gang {
    pub size: u32,
    pub mode: GangMode,
}

impl Default for Gang {
    fn default() -> Self {
        Self { size: 1, mode: GangMode::SingleNode }
    }
}

/// A session that wants to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// Whose share it counts towards.
    pub owner: String,
    /// Higher starts earlier.
    pub priority: i64,
    /// May be ended and queued again for one of higher priority: batch work.
    pub preemptible: bool,
    pub gang: Gang,
    /// Each sandbox of the gang wants this.
    pub want: Want,
    pub image: String,
    /// Empty: none.
    pub language: String,
    /// Labels a node must have.
    pub labels: BTreeMap<String, String>,
    /// Sessions that must have ended well before.
    pub depends_on: BTreeSet<SessionId>,
    /// Promised slots it may use.
    pub reservation: Option<ReservationId>,
    /// Since when it waits, Unix milliseconds.
    pub queued_ms: u64,
    /// It is over so long after its start at the latest.
    pub lasts_ms_max: u64,
}

/// What makes two sessions fit or not fit alike where nothing is promised to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    gang: Gang,
    want: Want,
    language: String,
    labels: BTreeMap<String, String>,
}

impl Session {
    pub(crate) fn shape(&self) -> Shape {
        Shape { gang: self.gang, want: self.want.clone(), language: self.language.clone(), labels: self.labels.clone() }
    }

    pub(crate) fn ends_ms(&self, starts_ms: u64) -> u64 {
        starts_ms.saturating_add(self.lasts_ms_max)
    }
}
