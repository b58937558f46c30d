//! Images: pull, import, unpack, the host image.
//!
//! `node` calls it. It turns the name of an image into a [`RootPlan`]: plain facts about a root file system that `sandbox` mounts.
//! It never mounts, never runs anything from an image, and never trusts one: what a registry or an archive says is checked as if
//! an enemy had said it. Start at [`host::root_plan`].

pub mod host;
pub mod root;

pub use root::{Bind, Link, RootPlan};
