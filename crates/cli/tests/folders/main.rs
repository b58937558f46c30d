//! Folders through the front door: a real server, sessions that have them mounted, and what their programs do there. Needs root, Python,
//! `mkfs.ext4` and `e2fsck`.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod commit;
mod give;
mod hostile;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../chaos/process.rs"]
mod process;
mod quota;
mod world;
