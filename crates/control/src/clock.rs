//! The wall clock, read at the rim only.
//!
//! [`now_ms`] does not jump: a clock that is set must not end sessions, runs and leases before their time, or never. It starts with the
//! machine's clock, goes as time since boot goes, and follows the machine's clock by at most a tenth: an hour is made up for in ten. It goes
//! on so over restarts of the server ([`resume`]), not of the machine. Who compares with what another machine wrote a moment ago asks
//! [`wall_ms`].

mod kept;

use std::{
    io,
    path::Path,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kept::Moment;
use rustix::time::{ClockId, clock_gettime};

/// A clock that is further off was never set before: it is believed at once.
const STEP_US_MAX: u64 = 86_400_000_000;
/// Time here goes faster or slower by one part of so many while it follows.
const SLEW: u64 = 10;
/// What is said in the log.
const STEP_US_TOLD: u64 = 1_000_000;

static STEADY: LazyLock<Mutex<Steady>> = LazyLock::new(|| Mutex::new(Steady::new(up_us(), wall_us())));

/// Goes on where the last server of this home was, and keeps that from now on known; once in a process, before anything asks for the time.
pub(crate) fn resume(home: &Path) {
    static RESUMED: AtomicBool = AtomicBool::new(false);
    if RESUMED.swap(true, Ordering::Relaxed) {
        return;
    }
    let resumed = Moment::read(home).and_then(|kept| Steady::resumed(&kept, up_us(), wall_us()));
    let Some(resumed) = resumed else { return };
    tell_step(0, resumed.off_us);
    *steady() = resumed;
}

/// Says in the log when the machine's clock is another way off than `before`.
fn tell_step(before_us: i64, off_us: i64) {
    if off_us.abs_diff(before_us) > STEP_US_TOLD {
        tracing::warn!(off_ms = off_us / 1_000, "the machine's clock was set; time here follows slowly");
    }
}

/// Keeps where time here is for the next server of this home.
pub(crate) fn keep(home: &Path) -> io::Result<()> {
    let now = {
        let mut steady = steady();
        steady.read(up_us(), wall_us());
        Moment::of(&steady)?
    };
    now.write(home)
}

fn steady() -> MutexGuard<'static, Steady> {
    STEADY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unix time, milliseconds.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1_000
}

/// Unix time, microseconds.
pub(crate) fn now_us() -> u64 {
    let mut steady = steady();
    let before = steady.off_us;
    let now = steady.read(up_us(), wall_us());
    let off = steady.off_us;
    drop(steady);
    tell_step(before, off);
    now
}

/// Unix time as the machine has it at this moment, milliseconds.
pub(crate) fn wall_ms() -> u64 {
    wall_us() / 1_000
}

fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Since the machine started, sleep included; nobody can set it (clock_gettime(2)).
fn up_us() -> u64 {
    let up = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    u64::try_from(up.as_micros()).unwrap_or(u64::MAX)
}

/// Time that goes on evenly.
#[derive(Debug)]
struct Steady {
    /// At the last look.
    up_us: u64,
    now_us: u64,
    /// How far the machine's clock was ahead then.
    off_us: i64,
}

impl Steady {
    fn new(up_us: u64, wall_us: u64) -> Self {
        Self { up_us, now_us: wall_us, off_us: 0 }
    }

    /// As if it had gone on since `kept`; none where the machine's clock is too far from that.
    fn resumed(kept: &Moment, up_us: u64, wall_us: u64) -> Option<Self> {
        let now_us = kept.now_us.saturating_add(up_us.checked_sub(kept.up_us)?);
        let near = wall_us.abs_diff(now_us) <= STEP_US_MAX;
        near.then(|| Self { up_us, now_us, off_us: wall_us.wrapping_sub(now_us).cast_signed() })
    }

    fn read(&mut self, up_us: u64, wall_us: u64) -> u64 {
        let passed = up_us.saturating_sub(self.up_us);
        let even = self.now_us.saturating_add(passed);
        let off = wall_us.abs_diff(even);
        let follow = if off > STEP_US_MAX { off } else { off.min(passed / SLEW) };
        self.now_us = if wall_us > even { even.saturating_add(follow) } else { even.saturating_sub(follow) };
        self.up_us = up_us;
        self.off_us = wall_us.wrapping_sub(self.now_us).cast_signed();
        self.now_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    const BEGAN: u64 = 500_000 * HOUR;

    #[test]
    fn a_clock_that_is_right_is_followed_exactly() {
        let mut steady = Steady::new(SECOND, BEGAN);
        for second in 1..100 {
            // A crystal's drift is far below a tenth.
            let wall = BEGAN + second * SECOND + second * 50;
            assert_eq!(steady.read(SECOND + second * SECOND, wall), wall);
        }
    }

    #[test]
    fn one_that_is_set_is_followed_slowly_and_never_backwards() {
        for step in [HOUR.cast_signed(), -HOUR.cast_signed()] {
            let mut steady = Steady::new(0, BEGAN);
            let wall = |second: u64| (BEGAN + second * SECOND).saturating_add_signed(step);
            let mut before = BEGAN;
            for second in 1..=9 * 3_600 {
                let now = steady.read(second * SECOND, wall(second));
                assert!((SECOND * 9 / 10..=SECOND * 11 / 10).contains(&(now - before)), "{second}: {}", now - before);
                before = now;
            }
            assert_ne!(before, wall(9 * 3_600), "not there yet");
            assert_eq!(steady.read(10 * HOUR, wall(36_000)), wall(36_000));
        }
    }

    #[test]
    fn a_restart_under_a_set_clock_changes_nothing() {
        let kept = Moment { boot: String::new(), up_us: HOUR, now_us: BEGAN };
        for wall in [BEGAN - HOUR, BEGAN + HOUR] {
            let steady = Steady::resumed(&kept, HOUR + SECOND, wall).unwrap();
            assert_eq!(steady.now_us, BEGAN + SECOND);
        }
        assert!(Steady::resumed(&kept, HOUR + SECOND, BEGAN + 30 * HOUR).is_none(), "it was wrong then");
        assert!(Steady::resumed(&kept, HOUR - SECOND, BEGAN).is_none(), "of another start");
    }

    #[test]
    fn one_that_was_never_set_is_believed_once_it_is() {
        let mut steady = Steady::new(0, 0);
        assert_eq!(steady.read(SECOND, BEGAN), BEGAN);
        assert_eq!(steady.read(2 * SECOND, 5 * SECOND), 5 * SECOND);
    }
}
