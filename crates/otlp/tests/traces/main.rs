//! Traces through the front door: real requests to real servers, a collector over HTTP that reads what it is sent.
//!
//! One process sends spans of one kind only, so every test shares one collector and looks for its own trace.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod collector;
mod dead;
mod request;
mod world;
