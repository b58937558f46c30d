//! Drift: what is here is not what is wanted. It is said once, with both, and counted; whoever found it mends it.

use std::{
    ffi::OsStr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use madang_ids::{SandboxId, SessionId};
use madang_node_api::DriftSeen;
use madang_sandbox::cgroup::Held;

/// What was found since the node started.
#[derive(Debug, Default)]
pub struct Drift {
    slots_ended: AtomicU64,
    sandboxes_ended: AtomicU64,
    strays: AtomicU64,
    unknown: AtomicU64,
}

/// A slot, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    pub slot: &'a str,
    /// None of one that waits.
    pub sandbox: Option<SandboxId>,
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

    /// In a slot's group is a process that nobody in the slot has started.
    pub fn stray(&self, of: &Of<'_>, stray: &Held<'_>) {
        self.strays.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            kind = "stray-process",
            slot = of.slot,
            sandbox = of.sandbox.map(display),
            expected = "nothing but what its init has started",
            seen = format!("process {} ({}) of another PID namespace", stray.pid(), stray.name()),
            "drift: the process goes; what it has used counts as the slot's"
        );
    }

    /// Below a slot's group is another one.
    pub fn group_below(&self, of: &Of<'_>, below: &Path) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            kind = "unknown-slot",
            slot = of.slot,
            sandbox = of.sandbox.map(display),
            expected = "no groups below a slot's",
            seen = format!("the group {below:?}"),
            "drift: what is in it is ended, and it goes"
        );
    }

    /// There is a group or a directory of a slot that nobody has made.
    pub fn unknown_slot(&self, name: &OsStr) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            kind = "unknown-slot",
            slot = name.display().to_string(),
            expected = "no slot of this name",
            seen = "a control group or a directory of it",
            "drift: what is in it is ended, and it goes"
        );
    }

    pub fn seen(&self) -> DriftSeen {
        DriftSeen {
            slots_ended: self.slots_ended.load(Ordering::Relaxed),
            sandboxes_ended: self.sandboxes_ended.load(Ordering::Relaxed),
            strays: self.strays.load(Ordering::Relaxed),
            unknown: self.unknown.load(Ordering::Relaxed),
        }
    }
}
