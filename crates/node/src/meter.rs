//! What a run used: the kernel's counters before and after, and memory looked at in between.

use std::time::{Duration, Instant};

use madang_model::Usage;
use madang_network::Transferred;
use madang_sandbox::{Cgroup, Counters};
use serde::{Deserialize, Serialize};

use crate::metering::up_us;

/// Memory and CPU of a run are looked at this often at least, while it is young; later ever more seldom.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_LAST: Duration = Duration::from_secs(1);
/// A run's age over this is the time between looks.
const LOOKS_AN_AGE: u32 = 10;

/// Running counts of one run.
#[derive(Debug)]
pub struct Meter {
    start: Counters,
    began: Instant,
    looked: Instant,
    memory_bytes: u64,
    kib_ms: f64,
    transferred: Transferred,
}

/// Where counting began, to be kept: a server after this one counts on from there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Began {
    pub counters: Counters,
    /// Since the machine started, in milliseconds: a clock that is set makes no run older. A record without it counts from now on.
    #[serde(default = "up_ms")]
    pub up_ms: u64,
    /// What had gone over the network.
    #[serde(default)]
    pub transferred: Transferred,
}

fn up_ms() -> u64 {
    up_us() / 1_000
}

/// What changed since the start.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub usage: Usage,
    pub oom_kills: u64,
    pub fork_refusals: u64,
}

impl Meter {
    /// `transferred`: what has gone over the network before.
    pub fn start(cgroup: &Cgroup, transferred: Transferred) -> Self {
        // The peak so far is the sandbox's: it is read before it is forgotten.
        let (start, now) = (cgroup.counters(), Instant::now());
        cgroup.reset_peak();
        Self { start, began: now, looked: now, memory_bytes: start.memory_bytes, kib_ms: 0.0, transferred }
    }

    /// Goes on where another meter of the same group began.
    pub fn resume(began: Began) -> Self {
        let age = Duration::from_millis(up_ms().saturating_sub(began.up_ms));
        let start = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        let counters = began.counters;
        let (memory_bytes, transferred) = (counters.memory_bytes, began.transferred);
        Self { start: counters, began: start, looked: start, memory_bytes, kib_ms: 0.0, transferred }
    }

    pub fn began(&self) -> Began {
        let up_ms = up_ms().saturating_sub(self.began.elapsed().as_millis() as u64);
        Began { counters: self.start, up_ms, transferred: self.transferred }
    }

    pub fn began_at(&self) -> Instant {
        self.began
    }

    /// The highest memory in use before the run.
    pub fn peak_before(&self) -> u64 {
        self.start.memory_peak_bytes
    }

    /// When to look next, given how much CPU time may still be used on `cpus`.
    pub fn next_look(&self, cpu_left_us: u64, cpus: u32) -> Instant {
        let by_age = (self.began.elapsed() / LOOKS_AN_AGE).clamp(LOOK_FIRST, LOOK_LAST);
        let by_cpu = Duration::from_micros(cpu_left_us / u64::from(cpus.max(1))).max(Duration::from_millis(2));
        Instant::now() + by_age.min(by_cpu)
    }

    /// CPU time used so far, µs.
    pub fn cpu_us(&self, cgroup: &Cgroup) -> u64 {
        cgroup.cpu_us().saturating_sub(self.start.cpu_user_us + self.start.cpu_system_us)
    }

    /// Adds the memory held since the last look, taken as the mean of both ends. Returns what is held now.
    pub fn look(&mut self, cgroup: &Cgroup) -> u64 {
        let bytes = cgroup.memory_bytes();
        self.add(bytes);
        bytes
    }

    fn add(&mut self, memory_bytes: u64) {
        let now = Instant::now();
        let ms = now.duration_since(self.looked).as_secs_f64() * 1000.0;
        self.kib_ms += (self.memory_bytes + memory_bytes) as f64 / 2048.0 * ms;
        (self.looked, self.memory_bytes) = (now, memory_bytes);
    }

    /// Everything since the start. `read` and `written` come from init, which waits for the processes.
    pub fn read(&mut self, cgroup: &Cgroup, read_bytes: u64, written_bytes: u64) -> Counted {
        let now = cgroup.counters();
        self.add(now.memory_bytes);
        let (cpu_user_us, cpu_system_us) = now.cpu_since(&self.start);
        let usage = Usage {
            wall_us: self.began.elapsed().as_micros() as u64,
            cpu_user_us,
            cpu_system_us,
            memory_peak_bytes: now.memory_peak_bytes,
            memory_kib_ms: self.kib_ms as u64,
            read_bytes,
            written_bytes,
            // What went over the network the caller knows; accelerators are counted for whole sandboxes.
            ..Usage::default()
        };
        Counted {
            usage,
            oom_kills: now.oom_kills.saturating_sub(self.start.oom_kills),
            fork_refusals: now.fork_refusals.saturating_sub(self.start.fork_refusals),
        }
    }

    /// The same with what has gone over the network, where so much has in all.
    pub fn wired(&self, counted: Counted, transferred: Transferred) -> Counted {
        let Transferred { in_bytes, out_bytes } = transferred.since(self.transferred);
        let usage = Usage { received_bytes: in_bytes, sent_bytes: out_bytes, ..counted.usage };
        Counted { usage, ..counted }
    }
}
