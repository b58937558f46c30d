//! The link through its front door: a hub and members over real sockets, simulated nodes behind.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod break_and_heal;
mod contract;
mod fence;
mod harness;
mod join;
mod stranger;
