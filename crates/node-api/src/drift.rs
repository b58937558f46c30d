//! What a node has found that was not as it should be.

use serde::{Deserialize, Serialize};

/// How often a node has found its machine other than wanted, since it started. Each time it has said so in its log and mended it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriftSeen {
    /// Slots whose init ended while they waited for somebody.
    pub slots_ended: u64,
    /// Sandboxes whose init ended while somebody had them.
    pub sandboxes_ended: u64,
    /// Processes in the control group of a slot that are none of it.
    pub strays: u64,
    /// Control groups and directories of slots that nobody made.
    pub unknown: u64,
}

impl DriftSeen {
    /// Each count with the kind that the log and the metrics call it by.
    pub fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            ("slot-ended", self.slots_ended),
            ("sandbox-ended", self.sandboxes_ended),
            ("stray-process", self.strays),
            ("unknown-slot", self.unknown),
        ]
    }

    /// With what another node has found.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            slots_ended: self.slots_ended.saturating_add(other.slots_ended),
            sandboxes_ended: self.sandboxes_ended.saturating_add(other.sandboxes_ended),
            strays: self.strays.saturating_add(other.strays),
            unknown: self.unknown.saturating_add(other.unknown),
        }
    }
}
