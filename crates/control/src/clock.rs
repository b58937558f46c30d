//! The wall clock, read at the rim only.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time, milliseconds.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1_000
}

/// Unix time, microseconds.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
