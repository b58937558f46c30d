//! Time that no clock setting moves, the same for every process of this machine until it starts anew.

use std::{
    fs,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

static FIRST: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), uptime_us()));

/// Microseconds since the machine started. Compared between processes it is right to a hundredth of a second.
pub fn up_us() -> u64 {
    let (then, up_us) = *FIRST;
    up_us + then.elapsed().as_micros() as u64
}

/// Unix time, milliseconds.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Line 1 of `/proc/uptime` (proc(5)).
fn uptime_us() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    let up = Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default();
    up.as_micros() as u64
}
