//! What a sandbox has used since it was given out. Pure: counters and times go in, sums that only grow come out.

use madang_model::Usage;
use madang_network::Transferred;
use madang_sandbox::Counters;
use serde::{Deserialize, Serialize};

use crate::meter::Began;

/// Sums, and where the kernel's counters stood when they were last added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    counters: Counters,
    /// Microseconds since the machine started.
    looked_us: u64,
    /// The number of the last reading.
    sequence: u64,
    usage: Usage,
    /// Accelerators that are held, thousandths.
    #[serde(default)]
    accelerator_millis: u64,
    /// Where the link's counters stood.
    #[serde(default)]
    transferred: Transferred,
}

impl Tally {
    /// Begins where the counters stand: what a slot used while it waited is nobody's.
    pub fn start(counters: Counters, now_us: u64) -> Self {
        let usage = Usage { memory_peak_bytes: counters.memory_bytes, ..Usage::default() };
        let transferred = Transferred::default();
        Self { counters, looked_us: now_us, sequence: 0, usage, accelerator_millis: 0, transferred }
    }

    /// The same, of a sandbox that holds accelerators.
    pub fn holding(self, accelerator_millis: u64) -> Self {
        Self { accelerator_millis, ..self }
    }

    /// As [`Tally::start`] did then, where all that was kept of it is where a meter began.
    pub fn since(began: &Began, now_us: u64) -> Self {
        Self::start(began.counters, began.up_ms.saturating_mul(1000).min(now_us))
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The next reading's number.
    pub fn number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Adds what the counters have grown by. One that shrank (they are another group's, or none's) adds nothing.
    pub fn count(&mut self, now_us: u64, counters: &Counters) {
        let (user, system) = counters.cpu_since(&self.counters);
        self.usage.cpu_user_us = self.usage.cpu_user_us.saturating_add(user);
        self.usage.cpu_system_us = self.usage.cpu_system_us.saturating_add(system);
        self.memory(now_us, counters.memory_bytes);
        self.peak(counters.memory_peak_bytes);
        self.counters = *counters;
    }

    /// Time goes on, and so much memory is in use now: it counts as the mean of both ends.
    pub fn memory(&mut self, now_us: u64, bytes: u64) {
        let us = now_us.saturating_sub(self.looked_us);
        let both = u128::from(self.counters.memory_bytes) + u128::from(bytes);
        let kib_ms = both * u128::from(us) / (2 * 1024 * 1000);
        self.usage.memory_kib_ms = self.usage.memory_kib_ms.saturating_add(u64::try_from(kib_ms).unwrap_or(u64::MAX));
        self.usage.wall_us = self.usage.wall_us.saturating_add(us);
        let held_us = u128::from(self.usage.wall_us) * u128::from(self.accelerator_millis) / 1_000;
        self.usage.accelerator_us = u64::try_from(held_us).unwrap_or(u64::MAX);
        self.looked_us = self.looked_us.max(now_us);
        self.counters.memory_bytes = bytes;
        self.peak(bytes);
    }

    /// So much has gone over the network in all, as its link counts.
    pub fn transfer(&mut self, now: Transferred) {
        let Transferred { in_bytes, out_bytes } = now.since(self.transferred);
        self.usage.received_bytes = self.usage.received_bytes.saturating_add(in_bytes);
        self.usage.sent_bytes = self.usage.sent_bytes.saturating_add(out_bytes);
        self.transferred = now;
    }

    /// So much was in use at once. The kernel's own peak begins anew with every run.
    pub fn peak(&mut self, bytes: u64) {
        self.usage.memory_peak_bytes = self.usage.memory_peak_bytes.max(bytes);
    }

    /// Adds what is not among the counters.
    pub fn add(&mut self, usage: &Usage) {
        self.usage = self.usage.then(usage);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counters(user: u64, system: u64, memory: u64) -> Counters {
        Counters {
            cpu_user_us: user,
            cpu_system_us: system,
            memory_bytes: memory,
            memory_peak_bytes: memory,
            ..Counters::default()
        }
    }

    #[test]
    fn what_was_used_before_is_not_counted() {
        let mut tally = Tally::start(counters(700, 300, 2048), 1_000_000);
        tally.count(3_000_000, &counters(800, 350, 4096));
        let usage = tally.usage();
        assert_eq!((usage.cpu_user_us, usage.cpu_system_us, usage.wall_us), (100, 50, 2_000_000));
        // Two seconds of three KiB.
        assert_eq!((usage.memory_kib_ms, usage.memory_peak_bytes), (6_000, 4096));
    }

    #[test]
    fn half_a_device_for_two_seconds_is_one_second_of_it() {
        let mut tally = Tally::start(Counters::default(), 1_000_000).holding(500);
        for now_us in (1_000_000..=3_000_000).step_by(333) {
            tally.count(now_us, &Counters::default());
        }
        tally.count(3_000_000, &Counters::default());
        assert_eq!((tally.usage().wall_us, tally.usage().accelerator_us), (2_000_000, 1_000_000));
    }

    #[test]
    fn what_a_link_counts_is_added_once_and_one_that_is_gone_takes_nothing_away() {
        let mut tally = Tally::start(Counters::default(), 0);
        let link = |in_bytes, out_bytes| Transferred { in_bytes, out_bytes };
        for seen in [link(100, 10), link(100, 10), link(150, 30), link(0, 0), link(5, 5)] {
            tally.transfer(seen);
        }
        assert_eq!((tally.usage().received_bytes, tally.usage().sent_bytes), (155, 35));
    }

    #[test]
    fn user_time_that_shrinks_takes_nothing_away() {
        let mut tally = Tally::start(counters(0, 0, 0), 0);
        tally.count(1, &counters(900, 100, 0));
        tally.count(2, &counters(800, 300, 0));
        assert_eq!((tally.usage().cpu_user_us, tally.usage().cpu_system_us), (900, 200));
    }

    #[test]
    fn a_peak_is_kept_when_the_kernel_s_begins_anew() {
        let mut tally = Tally::start(counters(0, 0, 10), 0);
        tally.peak(5_000);
        tally.count(1, &counters(0, 0, 20));
        assert_eq!(tally.usage().memory_peak_bytes, 5_000);
    }

    #[test]
    fn a_machine_that_started_anew_adds_neither_time_nor_counters() {
        let mut tally = Tally::start(counters(0, 0, 1024), 5_000_000);
        tally.count(6_000_000, &counters(500, 0, 1024));
        let before = tally.usage();
        tally.count(1_000_000, &Counters::default());
        assert_eq!(tally.usage(), before);
    }

    proptest! {
        #[test]
        fn sums_only_grow_and_cpu_is_what_the_kernel_says(looks in prop::collection::vec((0u64..1000, 0u64..1000, 0u64..1 << 30, 0u64..1_000_000), 1..50)) {
            let mut tally = Tally::start(Counters::default(), 0);
            let (mut total, mut now) = (0, 0);
            for (cpu, part, memory, later) in looks {
                total += cpu;
                now += later;
                let before = tally.usage();
                let user = total * part / 1000;
                tally.count(now, &counters(user, total - user, memory));
                let after = tally.usage();
                prop_assert!(after.cpu_user_us >= before.cpu_user_us && after.cpu_system_us >= before.cpu_system_us);
                prop_assert!(after.memory_kib_ms >= before.memory_kib_ms && after.memory_peak_bytes >= before.memory_peak_bytes);
                prop_assert_eq!(after.cpu_us(), total);
                prop_assert_eq!(after.wall_us, now);
            }
        }
    }
}
