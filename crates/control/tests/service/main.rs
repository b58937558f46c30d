//! The server through its front door: real HTTP over a real listener and a real database, with a simulated node behind.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod accelerator;
mod access_key;
mod apps;
mod audit;
mod auth;
mod authorization;
mod browser;
mod clusters;
mod deadlines;
mod drift;
mod events;
mod files;
mod fleet;
mod folder_mounts;
mod folder_shares;
mod folders;
mod groups;
mod harness;
mod images;
mod life;
mod metrics;
mod money;
mod nodes;
mod people;
mod policy;
mod provider;
mod queue;
mod refusals;
mod reservation;
mod results;
mod runs;
mod service;
mod sessions;
mod several;
mod signed_in;
mod sockets;
mod spec;
mod ssh_key;
mod stage;
mod suspend;
mod task;
mod turnover;
mod usage;
mod web;
