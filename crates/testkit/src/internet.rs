//! An internet of a test's own: a namespace for a node, one for the rest of the world, and a cable between them. Needs root and `ip`.

#![allow(clippy::unwrap_used)] // Whatever fails here fails the test that stands on it.

mod names;
mod world;

pub use names::{Names, look_up};
pub use world::{FAR, Guest, LONG, METADATA, NODE, OTHER, ROUTER, SHORT, World, hear, ip};
