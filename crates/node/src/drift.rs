//! Drift: what is here is not what is wanted. It is said once, with both, and counted; whoever found it mends it.

use std::sync::atomic::{AtomicU64, Ordering};

use madang_ids::{SandboxId, SessionId};
use madang_node_api::DriftSeen;

/// What was found since the node started.
#[derive(Debug, Default)]
pub struct Drift {
    slots_ended: AtomicU64,
    sandboxes_ended: AtomicU64,
}

impl Drift {
    /// The init of a slot that waited for somebody has ended.
    pub fn slot_ended(&self, slot: &str) {
        self.slots_ended.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            kind = "slot-ended",
            slot,
            expected = "a slot that waits in its pool",
            seen = "its init has ended",
            "drift: another slot takes its place"
        );
    }

    /// A sandbox has ended that nobody closed.
    pub fn sandbox_ended(&self, sandbox: SandboxId, session: SessionId, slot: &str) {
        self.sandboxes_ended.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            kind = "sandbox-ended",
            %sandbox,
            %session,
            slot,
            expected = "a sandbox that runs",
            seen = "its init has ended",
            "drift: control is told, and what is left of it goes"
        );
    }

    pub fn seen(&self) -> DriftSeen {
        DriftSeen {
            slots_ended: self.slots_ended.load(Ordering::Relaxed),
            sandboxes_ended: self.sandboxes_ended.load(Ordering::Relaxed),
            strays: 0,
            unknown: 0,
        }
    }
}
