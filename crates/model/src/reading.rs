//! What a sandbox has used so far, as its node counted it, and what can not be true of it. Pure.
//!
//! A reading is the whole sum since the sandbox was made, not what was new: losing one loses nothing once the next is there, and the
//! same one twice, or an older one late, changes nothing. What is billed is the difference of two.

use madang_ids::{SandboxId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{Limits, Usage};

/// The kernel hands out CPU time in pieces and clocks are not read at one instant: what a limit allows, and so much more, can be true.
const SLACK_US: u64 = 2_000_000;
/// A group may be over its limits for moments, and memory of the kernel counts.
const SLACK_TIMES: u64 = 2;
/// So much may a node's clock have been set forward.
const CLOCK_SLACK_MS: u64 = 60_000;
/// Nothing moves more bytes in a microsecond: 100 GB in a second.
const BYTES_PER_US_MAX: u64 = 100_000;
/// Nothing holds more accelerators.
const ACCELERATORS_MAX: u64 = 1_024;

/// A sandbox's counters at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub sandbox: SandboxId,
    pub session: SessionId,
    /// Counts up from 1 within the sandbox, over restarts of its agent too. Not every number need come.
    pub sequence: u64,
    /// When, Unix time, milliseconds, by the node's clock.
    pub at_ms: u64,
    /// There will be no more: the sandbox has ended.
    pub last: bool,
    /// Everything since the sandbox was made.
    pub usage: Usage,
}

/// Why a reading cannot be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadingFault {
    #[error("{counter} went from {before} back to {after}")]
    Shrank { counter: &'static str, before: u64, after: u64 },
    #[error("{counter} grew by {by}, more than the {possible} that its limits allow in that time")]
    Impossible { counter: &'static str, by: u64, possible: u64 },
}

impl Reading {
    /// What is new since `before`, the usage of an older reading of the same sandbox.
    pub fn since(&self, before: &Usage, limits: &Limits) -> Result<Usage, ReadingFault> {
        let now = &self.usage;
        let grown = |counter, before: u64, after: u64| {
            after.checked_sub(before).ok_or(ReadingFault::Shrank { counter, before, after })
        };
        let new = Usage {
            wall_us: grown("wall_us", before.wall_us, now.wall_us)?,
            cpu_user_us: grown("cpu_user_us", before.cpu_user_us, now.cpu_user_us)?,
            cpu_system_us: grown("cpu_system_us", before.cpu_system_us, now.cpu_system_us)?,
            memory_peak_bytes: now.memory_peak_bytes.max(before.memory_peak_bytes),
            memory_kib_ms: grown("memory_kib_ms", before.memory_kib_ms, now.memory_kib_ms)?,
            read_bytes: grown("read_bytes", before.read_bytes, now.read_bytes)?,
            written_bytes: grown("written_bytes", before.written_bytes, now.written_bytes)?,
            received_bytes: grown("received_bytes", before.received_bytes, now.received_bytes)?,
            sent_bytes: grown("sent_bytes", before.sent_bytes, now.sent_bytes)?,
            accelerator_us: grown("accelerator_us", before.accelerator_us, now.accelerator_us)?,
        };
        // Judged by the whole life: a burst after a pause is possible, more than there ever was is not.
        check_possible(now, limits)?;
        Ok(new)
    }
}

/// How far the use of a sandbox has been counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meter {
    /// The newest reading that counted.
    pub sequence: u64,
    /// What it said.
    pub usage: Usage,
}

impl Meter {
    /// What the reading adds; none where it, or a newer one, has counted. One that cannot be true changes nothing: no sandbox is older than
    /// its session, whose life has lasted so long.
    pub fn count(&mut self, reading: &Reading, limits: &Limits, life_ms: u64) -> Result<Option<Usage>, ReadingFault> {
        if reading.sequence <= self.sequence {
            return Ok(None);
        }
        let (by, possible) = (reading.usage.wall_us, life_ms.saturating_add(CLOCK_SLACK_MS).saturating_mul(1_000));
        if by > possible {
            return Err(ReadingFault::Impossible { counter: "wall_us", by, possible });
        }
        let new = reading.since(&self.usage, limits)?;
        let memory_peak_bytes = new.memory_peak_bytes;
        *self = Self { sequence: reading.sequence, usage: Usage { memory_peak_bytes, ..reading.usage } };
        Ok(Some(new))
    }
}

fn check_possible(usage: &Usage, limits: &Limits) -> Result<(), ReadingFault> {
    let wall_us = usage.wall_us.saturating_add(SLACK_US);
    let times = |amount: u64, by: u64| u64::try_from(u128::from(amount) * u128::from(by)).unwrap_or(u64::MAX);
    let cpu_possible = times(wall_us, limits.cpu_millis.max(1)) / 1_000 * SLACK_TIMES;
    let kib_possible = times(wall_us / 1_000, limits.memory_bytes / 1_024).saturating_mul(SLACK_TIMES);
    let bytes_possible = wall_us.saturating_mul(BYTES_PER_US_MAX);
    let rows = [
        ("read_bytes", usage.read_bytes, bytes_possible),
        ("written_bytes", usage.written_bytes, bytes_possible),
        ("received_bytes", usage.received_bytes, bytes_possible),
        ("sent_bytes", usage.sent_bytes, bytes_possible),
        ("accelerator_us", usage.accelerator_us, wall_us.saturating_mul(ACCELERATORS_MAX)),
        ("cpu_us", usage.cpu_us(), cpu_possible),
        ("memory_kib_ms", usage.memory_kib_ms, kib_possible),
        ("memory_peak_bytes", usage.memory_peak_bytes, limits.memory_bytes.saturating_mul(SLACK_TIMES)),
    ];
    match rows.into_iter().find(|(_, by, possible)| by > possible) {
        Some((counter, by, possible)) => Err(ReadingFault::Impossible { counter, by, possible }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(usage: Usage) -> Reading {
        Reading { sandbox: SandboxId::new(), session: SessionId::new(), sequence: 2, at_ms: 0, last: false, usage }
    }

    fn limits() -> Limits {
        Limits { cpu_millis: 1_000, memory_bytes: 1 << 30, ..Limits::default() }
    }

    #[test]
    fn the_difference_is_what_is_new() {
        let before = Usage { wall_us: 10, cpu_user_us: 4, memory_peak_bytes: 7, ..Usage::default() };
        let after = Usage { wall_us: 30, cpu_user_us: 5, memory_peak_bytes: 6, sent_bytes: 1, ..Usage::default() };
        let new = Usage { wall_us: 20, cpu_user_us: 1, memory_peak_bytes: 7, sent_bytes: 1, ..Usage::default() };
        assert_eq!(reading(after).since(&before, &limits()), Ok(new));
    }

    #[test]
    fn a_meter_counts_each_use_once_whatever_becomes_of_readings() {
        let at = |sequence, cpu_user_us| {
            let usage = Usage { wall_us: 1_000_000, cpu_user_us, ..Usage::default() };
            Reading { sequence, ..reading(usage) }
        };
        let told = [at(1, 10), at(1, 10), at(4, 40), at(3, 30), at(4, 40), at(5, 39), at(6, 45)];
        let mut meter = Meter::default();
        let mut sum = 0;
        for reading in &told {
            sum += meter.count(reading, &limits(), 0).map_or(0, |new| new.unwrap_or_default().cpu_user_us);
        }
        assert_eq!((sum, meter.sequence), (45, 6));
        let longer_than_life = reading(Usage { wall_us: 61_000_001, ..Usage::default() });
        let refused = Meter::default().count(&longer_than_life, &limits(), 1_000);
        assert!(matches!(refused, Err(ReadingFault::Impossible { counter: "wall_us", .. })), "{refused:?}");
    }

    #[test]
    fn numbers_that_shrink_or_exceed_what_is_possible_are_refused() {
        let before = Usage { wall_us: 10, read_bytes: 5, ..Usage::default() };
        let shrunk = reading(Usage { wall_us: 10, read_bytes: 4, ..Usage::default() }).since(&before, &limits());
        assert_eq!(shrunk, Err(ReadingFault::Shrank { counter: "read_bytes", before: 5, after: 4 }));
        let minute = Usage { wall_us: 60_000_000, ..Usage::default() };
        for impossible in [
            Usage { cpu_user_us: 200_000_000, ..minute },
            Usage { memory_kib_ms: u64::MAX, ..minute },
            Usage { memory_peak_bytes: 1 << 40, ..minute },
            Usage { sent_bytes: u64::MAX, ..minute },
            Usage { accelerator_us: u64::MAX, ..minute },
        ] {
            let refused = reading(impossible).since(&Usage::default(), &limits());
            assert!(matches!(refused, Err(ReadingFault::Impossible { .. })), "{refused:?}");
        }
        let busy = Usage { cpu_user_us: 61_000_000, ..minute };
        assert!(reading(busy).since(&Usage::default(), &limits()).is_ok());
    }
}
