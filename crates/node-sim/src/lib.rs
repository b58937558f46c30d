//! A node that simulates: it implements `node-api`, runs no process and touches no disk.
//!
//! Tests of `control` and of the link call it in place of the real node, and `madang bench schedule` makes a thousand of them. It keeps the
//! contract that `testkit` checks of every node. What it does is what its [`Script`] says: how long a start takes, which starts fail,
//! which machine with which devices it claims to be. A sandbox in which nothing runs costs memory only, no task and no timer. Start at
//! [`SimNode`].

mod app;
mod clock;
mod exec;
mod image;
mod known;
mod meter;
mod node;
mod past;
mod program;
mod run;
mod sandbox;
mod script;
mod volume;

pub use node::SimNode;
pub use script::{Clock, Script, Start};
