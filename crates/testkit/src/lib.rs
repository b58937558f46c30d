//! What tests of several crates share: a node that is simulated, a database of one's own.
//!
//! Tests of `control` call it in place of the real node; it runs no process, touches no disk and has its own clock, which stands
//! still until the test moves it. Nothing here is part of the product. Start at [`SimNode`] and [`TestDatabase`].

pub mod contract;
mod database;
mod sim_meter;
mod sim_node;
mod sim_program;
mod sim_run;
mod sim_sandbox;

pub use database::TestDatabase;
pub use sim_node::SimNode;
