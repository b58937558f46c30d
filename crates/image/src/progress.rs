//! How far a long operation has come, told to whoever waits for it.

use std::{fmt, sync::Arc};

/// One report. Amounts are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressStep<'a> {
    /// `download sha256:…`, `unpack sha256:…`.
    pub what: &'a str,
    pub done: u64,
    /// Zero where it is not known.
    pub total: u64,
}

/// A callback; it is called from several threads, and often: it must not block.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(ProgressStep<'_>) + Send + Sync>);

impl Progress {
    pub fn new(told: impl Fn(ProgressStep<'_>) + Send + Sync + 'static) -> Progress {
        Progress(Arc::new(told))
    }

    /// Nobody wants to know.
    #[must_use]
    pub fn silent() -> Progress {
        Progress::new(|_| {})
    }

    pub(crate) fn tell(&self, what: &str, done: u64, total: u64) {
        (self.0)(ProgressStep { what, done, total });
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
