//! How far a copy is, on a terminal; nothing where nobody watches.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use madang_client::Progress;
use madang_ids::ByteSize;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
const BAR_CHARS: u64 = 24;
const NAME_CHARS_MAX: usize = 32;

/// The bar of one file.
pub struct Bar {
    name: String,
    length: u64,
    drawn: Mutex<Option<Instant>>,
    watched: bool,
}

impl Bar {
    pub fn new(name: &str, length: u64) -> Arc<Self> {
        let name = crate::print::first_line(name, NAME_CHARS_MAX);
        Arc::new(Self { name, length, drawn: Mutex::default(), watched: io::stderr().is_terminal() })
    }

    /// For whoever counts bytes.
    pub fn progress(self: &Arc<Self>) -> Progress {
        let bar = Arc::clone(self);
        Arc::new(move |done| bar.at(done))
    }

    /// So many bytes are there.
    pub fn at(&self, done: u64) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.watched && drawn.is_none_or(|at| at.elapsed() >= EVERY) {
            *drawn = Some(Instant::now());
            // If stderr is gone there is nobody left to tell.
            let _ = write!(io::stderr(), "\r{}\x1b[K", self.line(done));
        }
    }

    fn line(&self, done: u64) -> String {
        let share = |whole: u64| whole.saturating_mul(done.min(self.length)).checked_div(self.length).unwrap_or(whole);
        let full = usize::try_from(share(BAR_CHARS)).unwrap_or(0);
        let bar: String = (0..BAR_CHARS as usize).map(|at| if at < full { '#' } else { '.' }).collect();
        format!("{} {bar} {:3} % of {}", self.name, share(100), ByteSize(self.length))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.watched {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end_and_never_beyond() {
        let bar = Bar::new("a", 200);
        assert_eq!(bar.line(0), "a ........................   0 % of 200B");
        assert_eq!(bar.line(100), "a ############............  50 % of 200B");
        assert_eq!(bar.line(300), bar.line(200));
        assert!(Bar::new("empty", 0).line(0).contains("100 %"));
    }
}
