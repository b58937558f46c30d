//! What sessions' sandboxes have used: counted by the kernel, read from time to time, kept until control has it.
//!
//! [`Tally`] is the arithmetic, [`SandboxMeter`] reads one sandbox's counters, [`Spool`] keeps what nobody has acknowledged, [`read`] decides
//! when. One-shot sandboxes are not read: what they used stands in the end of their only run.

mod clock;
mod ended;
mod read;
mod sandbox;
mod spool;
mod tally;

pub use clock::up_us;
pub use read::read_on_time;
pub use sandbox::{Carried, Counted, SandboxMeter};
pub use spool::{Refusal, Spool};
pub use tally::Tally;
