//! The proxy by its front door: real sockets before it and behind it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod passing;
mod streams;
mod tickets;
mod world;
