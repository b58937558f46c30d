//! What tests of several crates share: a contract that every node keeps, a database of one's own, the simulated node, and inputs that
//! follow from a seed.
//!
//! Without the feature `world` there is only [`Fuzz`], which depends on nothing. Nothing here is part of the product. Start at
//! `contract`, `TestDatabase`, `SimNode` and [`Fuzz`].

#[cfg(feature = "world")]
pub mod contract;
#[cfg(feature = "world")]
mod database;
mod fuzz;
#[cfg(feature = "world")]
pub mod internet;
#[cfg(feature = "world")]
mod soon;
mod timed;

#[cfg(feature = "world")]
pub use database::TestDatabase;
pub use fuzz::{Dice, Fuzz};
#[cfg(feature = "world")]
pub use madang_node_sim::{Script, SimNode, Start};
#[cfg(feature = "world")]
pub use soon::soon;
pub use timed::timed;
