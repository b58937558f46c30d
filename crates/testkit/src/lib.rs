//! What tests of several crates share: a contract that every node keeps, a database of one's own, and the simulated node.
//!
//! Nothing here is part of the product. Start at [`contract`], [`TestDatabase`] and [`SimNode`].

pub mod contract;
mod database;
pub mod internet;

pub use database::TestDatabase;
pub use madang_node_sim::{Script, SimNode, Start};
