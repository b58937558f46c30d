//! What a node and the init of a slot say to each other, and how a driver speaks to init.
//!
//! The node and `slot` call this crate. It never does IO: frames go in and out as bytes. The node treats what comes from a
//! slot as hostile (a guest might have taken init over), and init treats what comes from a driver as hostile.
//! Start at [`ToSlot`] and [`FromSlot`]; the driver's line protocol (`docs/design/0002-driver-protocol.md`) is in [`driver`].

mod app;
pub mod driver;
mod frame;
mod message;

pub use app::{APP_LABEL_BYTES_MAX, AppAnswer, AppAsk, AppFault, AppKept, AppNumber, AppStart, ConnectTo};
pub use frame::{FRAME_BYTES_MAX, FrameError, decode, encode};
pub use message::{
    ASIDE, Bind, Cause, CommitWhen, DriverSeen, DriverStatus, Entry, EntryKind, Exit, FileAnswer, FileAsk, FileFault,
    FromSlot, Keep, OwnLimits, PROBE_LAST_LINE, Prepare, Probe, RunKept, RunNumber, Start, StartDriver, Stream, ToSlot,
    VERSION, Verb,
};
