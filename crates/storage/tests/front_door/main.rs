//! Folders over HTTP, as clients and guests meet them: a real listener, real sockets, real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod client;
mod crowd;
mod download;
mod ground;
mod hostile;
mod names;
mod put;
mod resume;
mod way;
