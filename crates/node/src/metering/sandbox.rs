//! The meter of one session's sandbox: its counters, and the file that lets the next agent count on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use madang_ids::{SandboxId, SessionId};
use madang_model::{Reading, Usage};
use madang_node_api::{READING_MS, READING_MS_MAX, READING_MS_MIN, SandboxSpec};
use madang_sandbox::{Cgroup, Slot};

use super::{Tally, clock};
use crate::{device::Hold, network::Wire};

/// In a slot's directory: the tally as of the last reading.
const FILE: &str = "meter.json";

/// Counts what one sandbox uses.
#[derive(Debug)]
pub struct SandboxMeter {
    pub sandbox: SandboxId,
    session: SessionId,
    cgroup: Cgroup,
    /// The slot's.
    directory: PathBuf,
    every_ms: AtomicU64,
    held: Mutex<Held>,
    /// Devices count as long as they are held, and are held until the last reading is taken: nothing runs in the sandbox then.
    hold: OnceLock<Arc<Hold>>,
    wire: OnceLock<Wire>,
}

/// What a sandbox has of its machine besides its group.
#[derive(Debug, Default)]
pub struct Carried {
    pub hold: Option<Arc<Hold>>,
    pub wire: Option<Wire>,
}

#[derive(Debug)]
struct Held {
    tally: Tally,
    due: Instant,
    /// The last reading was taken.
    ended: bool,
}

impl SandboxMeter {
    /// Counts from now on, as the slot is given out.
    pub fn start(spec: &SandboxSpec, slot: &Slot, slots: &Path, carried: Carried) -> Self {
        let Carried { hold, wire } = carried;
        slot.cgroup.reset_peak();
        let tally = Tally::start(slot.cgroup.counters(), clock::up_us());
        let tally = tally.holding(hold.as_ref().map_or(0, |hold| hold.millis()));
        let meter = Self::of(spec, &slot.name, slot.cgroup.clone(), slots, tally);
        hold.into_iter().for_each(|hold| meter.holds(hold));
        wire.into_iter().for_each(|wire| meter.carries(wire));
        meter
    }

    /// The network of its sandbox, also where it has had it since before this agent.
    pub fn carries(&self, wire: Wire) {
        // A second time it is the same.
        let _ = self.wire.set(wire);
    }

    pub fn wire(&self) -> Option<Wire> {
        self.wire.get().cloned()
    }

    fn count(&self, tally: &mut Tally) {
        tally.count(clock::up_us(), &self.cgroup.counters());
        if let Some(wire) = self.wire.get() {
            tally.transfer(wire.transferred());
        }
    }

    /// The devices of its sandbox, also where it has held them since before this agent.
    pub fn holds(&self, hold: Arc<Hold>) {
        // A second time it is the same devices.
        let _ = self.hold.set(hold);
    }

    /// Counts on where an agent before this one stopped: where the last reading stood, or else where `claimed` did.
    pub fn resume(spec: &SandboxSpec, name: &str, cgroup: Cgroup, slots: &Path, claimed: Option<Tally>) -> Self {
        let kept = fs::read(slots.join(name).join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let begin = || Tally::start(cgroup.counters(), clock::up_us());
        let tally = kept.or(claimed).unwrap_or_else(begin);
        Self::of(spec, name, cgroup, slots, tally)
    }

    fn of(spec: &SandboxSpec, name: &str, cgroup: Cgroup, slots: &Path, tally: Tally) -> Self {
        let held = Held { tally, due: Instant::now() + Duration::from_millis(READING_MS), ended: false };
        Self {
            sandbox: spec.id,
            session: spec.session,
            cgroup,
            directory: slots.join(name),
            every_ms: AtomicU64::new(READING_MS),
            held: Mutex::new(held),
            hold: OnceLock::new(),
            wire: OnceLock::new(),
        }
    }

    /// As it stands, without looking.
    pub fn tally(&self) -> Tally {
        self.held().tally
    }

    /// What was used so far.
    pub fn usage(&self) -> Usage {
        let mut held = self.held();
        if !held.ended {
            self.count(&mut held.tally);
        }
        held.tally.usage()
    }

    /// A run has looked: so much memory is in use.
    pub fn saw_memory(&self, bytes: u64) {
        self.held().tally.memory(clock::up_us(), bytes);
    }

    /// A run knows of a peak that the kernel is about to forget.
    pub fn saw_peak(&self, bytes: u64) {
        self.held().tally.peak(bytes);
    }

    /// What a run used of things that the group does not count.
    pub fn add(&self, usage: &Usage) {
        self.held().tally.add(usage);
    }

    /// From now on it is read this often, first so long from now.
    pub fn read_every(&self, ms: u64) {
        let ms = ms.clamp(READING_MS_MIN, READING_MS_MAX);
        self.every_ms.store(ms, Ordering::Relaxed);
        let due = Instant::now() + Duration::from_millis(ms);
        let mut held = self.held();
        held.due = held.due.min(due);
    }

    /// When it is to be read.
    pub fn due(&self) -> Instant {
        self.held().due
    }

    /// Reads, and keeps what was read before anybody hears of it. None after the last reading.
    pub fn read(&self) -> io::Result<Option<Reading>> {
        let mut held = self.held();
        held.due = Instant::now() + Duration::from_millis(self.every_ms.load(Ordering::Relaxed));
        if held.ended {
            return Ok(None);
        }
        self.count(&mut held.tally);
        let mut tally = held.tally;
        let sequence = tally.number();
        self.keep(&tally)?;
        held.tally = tally;
        Ok(Some(self.reading(&tally, sequence)))
    }

    /// The last reading, once nothing of the sandbox runs; the same one if asked again. `counted`: its group is still there.
    pub fn end(&self, counted: Counted) -> Reading {
        let mut held = self.held();
        if !held.ended && counted == Counted::Yes {
            self.count(&mut held.tally);
        }
        held.ended = true;
        // Not written into the meter's file: whoever ends it again after a crash gives the same number.
        let mut tally = held.tally;
        let sequence = tally.number();
        Reading { last: true, ..self.reading(&tally, sequence) }
    }

    fn reading(&self, tally: &Tally, sequence: u64) -> Reading {
        let (sandbox, session) = (self.sandbox, self.session);
        Reading { sandbox, session, sequence, at_ms: clock::unix_ms(), last: false, usage: tally.usage() }
    }

    fn keep(&self, tally: &Tally) -> io::Result<()> {
        let partial = self.directory.join("meter.part");
        fs::write(&partial, serde_json::to_vec(tally)?)?;
        fs::rename(partial, self.directory.join(FILE))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the kernel still has a sandbox's counters: not after the machine started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Yes,
    Gone,
}
