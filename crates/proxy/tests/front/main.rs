//! The proxy by its front door: real sockets before it and behind it.

mod hostile;
mod passing;
mod streams;
mod tickets;
mod world;
