//! Real control processes and real nodes, each node with a home and a network namespace of its own. Needs root and the languages that
//! `make test` installs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apps;
mod away;
mod chaos;
mod clock;
mod disk;
mod folders;
mod images;
mod join;
mod network;
mod process;
mod takeover;
