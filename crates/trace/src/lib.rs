//! Spans of what is done for whoever asks, and how a trace goes on in another process.
//!
//! `control`, `node-link` and `node` begin a span with [`span!`] around each step that somebody waits for, and hand the trace on with a
//! [`Context`], in the headers of a request or beside an order. Spans are of the finest level and of a target of their own: a log at its
//! usual level has none of them, and each costs one comparison. Whoever exports them (`otlp`, behind a feature of `cli`) says so by
//! [`carry_with`]; without it every context is empty. This crate never exports anything, and no span has what a user wrote, a name that
//! a user chose, a secret or an address in it: ids, numbers and words of ours only. Start at [`span!`] and [`Context`].

mod context;

pub use context::{Carrier, Context, TRACEPARENT, TRACESTATE, carry_with};
#[doc(hidden)]
pub use tracing;

/// The target of every span of ours.
pub const TARGET: &str = "madang_trace";

/// A span of what is done for whoever asks: a name of ours, and fields. `root` in front: of no other span here, so that it may last
/// longer than whatever it began in.
#[macro_export]
macro_rules! span {
    (root $name:literal $(, $($fields:tt)*)?) => {
        $crate::tracing::trace_span!(target: $crate::TARGET, parent: None, $name $(, $($fields)*)?)
    };
    ($name:literal $(, $($fields:tt)*)?) => {
        $crate::tracing::trace_span!(target: $crate::TARGET, $name $(, $($fields)*)?)
    };
}
