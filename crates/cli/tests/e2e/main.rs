//! Real programs in real sandboxes behind a real server: languages, runs, sessions, files, usage, restarts. Needs root and the languages
//! that `make test` installs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod apps;
mod backup;
mod batch;
mod cluster;
mod command;
mod drift;
mod files;
mod images;
mod life;
mod metering;
mod proxy;
mod query;
mod recipes;
mod restart;
mod rough;
mod run;
mod server;
mod session;
mod signin;
mod smoke;
mod spend;
mod ssh;
mod survive;
mod suspend;
mod usage;
