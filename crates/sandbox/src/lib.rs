//! Slots: prepared empty sandboxes, and everything of the kernel that makes one.
//!
//! `node` calls this crate; nothing else touches the kernel's isolation features. It never decides who gets a sandbox, never
//! follows a path that a guest controls, and names no tokio. The spawner half ([`spawner::serve`]) runs in a small process of
//! its own; the node half is [`Spawner`], which asks it, and [`Slot`], which holds what came of it.
//! Start at [`Spawner::make_slot`], then [`spawner`] for how a slot is made, [`seccomp`] for what guests may call.

pub mod cgroup;
pub mod features;
pub mod link;
pub mod seccomp;
mod slot;
pub mod spawner;
pub mod volume;

pub use cgroup::{Cgroup, CgroupLimits, Cgroups, Counters};
pub use slot::{Slot, SlotError};
pub use spawner::{MountAt, SlotMount, SlotSpec, Spawner, SpawnerError};

/// The static program that is PID 1 of every slot.
pub static SLOT_INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/madang-slot"));
