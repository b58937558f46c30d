//! The name server of a sandbox: it answers what policy lets be asked, and opens the addresses that it answers with.
//!
//! What is asked and answered is judged in [`message`], which does no IO; [`upstream`] asks this machine's resolvers, [`serve`] listens.

mod message;
mod peer;
mod serve;
mod upstream;

pub use message::{Pin, Rules};
pub use serve::{Served, resolver_text, serve};
pub use upstream::Upstream;
