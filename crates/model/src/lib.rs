//! The nouns of Madang as types, and the rules that hold for them whatever machine they run on.
//!
//! Everybody calls this crate; it calls only `madang-ids` and never does IO, never reads a clock, never names tokio, SQL or HTTP.
//! Start at [`run`] for what one execution is, at [`limits`] for what bounds it, at [`verdict`] for how it ends.

pub mod blob;
pub mod limits;
pub mod run;
pub mod usage;
pub mod verdict;

pub use blob::Blob;
pub use limits::{Limits, LimitsAsked};
pub use run::{File, Outcome, RunEvent, RunEventBody, RunSpec, Step, Steps, Stdin, TerminalSize, Work};
pub use usage::Usage;
pub use verdict::Verdict;
