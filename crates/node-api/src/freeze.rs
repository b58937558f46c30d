//! Freezing a sandbox: nothing in it runs, and its memory is given back as far as the machine can.

use serde::{Deserialize, Serialize};

/// Which sandboxes may be frozen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FreezeWhen {
    /// Only one in which no run is in progress.
    #[default]
    Idle,
    /// Runs in progress stop too, and go on when it thaws; their time stands still meanwhile.
    Now,
}

/// What freezing a sandbox gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeSeen {
    /// Memory that it held when it was frozen, bytes.
    pub before_bytes: u64,
    /// Memory that it holds now, bytes.
    pub after_bytes: u64,
}

impl FreezeSeen {
    /// Of several sandboxes together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            before_bytes: self.before_bytes.saturating_add(other.before_bytes),
            after_bytes: self.after_bytes.saturating_add(other.after_bytes),
        }
    }
}
