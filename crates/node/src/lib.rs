//! The agent of one machine: it keeps slots ready, gives them to sessions, and runs programs in them.
//!
//! `cli` starts it and hands it to control as a `madang_node_api::Node`. It never speaks to clients, never decides who may run
//! what, and trusts nothing that comes out of a slot. Start at [`Agent::start`]; a run's life is in [`run`].

mod adopt;
mod agent;
mod agent_pool;
mod alone;
mod app;
mod census;
mod claim;
mod completion;
mod config;
pub mod device;
mod drift;
mod facts;
mod files;
mod folder;
mod freeze;
mod image;
mod ledger;
mod link;
mod maker;
mod meter;
mod metering;
mod network;
mod open;
mod pool;
mod recover;
mod retire;
mod run;
mod sandbox;
mod self_test;
mod setup;
mod shop;
mod template;
mod verdict;

pub use agent::Agent;
pub use config::{AgentConfig, AppAhead, FoldersConfig, Pools};
pub use madang_network::{NetworkConfig, look as network_look};
pub use madang_storage::Sharing;
pub use setup::StartError;
