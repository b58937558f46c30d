//! Readings that control has not acknowledged, and sandboxes that have ended.
//!
//! Readings are sums, so that of each sandbox only the newest is kept. The last one of each is a file until it is acknowledged: when
//! it was the only trace of a sandbox that is gone, no crash may lose it.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use madang_ids::SandboxId;
use madang_model::Reading;
use madang_node_api::{READINGS_MAX, ReadingAck};
use tokio::sync::Notify;

use super::ended::Ended;

/// Sandboxes that have ended and whose last reading nobody took; past it no more are opened.
const LAST_MAX: usize = 65_536;
const SUFFIX: &str = ".json";
/// Beside the last readings: who has ended.
const ENDED: &str = "ended";

/// All of a node.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    held: Mutex<Held>,
    arrived: Notify,
}

#[derive(Debug)]
struct Held {
    /// By the time that the sandbox's first unacknowledged reading came.
    waiting: BTreeMap<u64, Reading>,
    turns: HashMap<SandboxId, u64>,
    turn: u64,
    /// Last readings among them.
    last: usize,
    ended: Ended,
}

impl Spool {
    /// With the last readings that an agent before this one could not get rid of.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let (file, waiting, turns) = (directory.join(ENDED), BTreeMap::new(), HashMap::new());
        let held = Held { waiting, turns, turn: 0, last: 0, ended: Ended::open(file)? };
        let spool = Self { directory, held: Mutex::new(held), arrived: Notify::new() };
        for entry in fs::read_dir(&spool.directory)?.flatten().filter(|entry| entry.file_name() != ENDED) {
            let path = entry.path();
            match read_one(&path) {
                Some(reading) => spool.add(reading),
                // Half a file has never been told to anybody; whose it was is read again.
                None => fs::remove_file(&path)?,
            }
        }
        Ok(spool)
    }

    /// A newer reading of a sandbox takes the place of an older one.
    pub fn push(&self, reading: Reading) {
        self.add(reading);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// The sandbox has ended and this is all it used. If it cannot be written down it is in memory only: what it was read from must
    /// stay until it can.
    pub fn end(&self, reading: Reading) -> io::Result<()> {
        let kept = keep(&self.directory, &reading);
        self.push(reading);
        kept
    }

    /// A sandbox that was to be closed before it was here: an order to open it that comes later is an old one.
    pub fn end_unseen(&self, id: SandboxId) {
        self.held().ended.put(id);
    }

    /// Whether the sandbox was here and has ended, or there is no room for another's end.
    pub fn refuses(&self, id: SandboxId) -> Option<Refusal> {
        let held = self.held();
        match held.ended.has(id) {
            true => Some(Refusal::Ended),
            false => (held.last >= LAST_MAX).then_some(Refusal::Full),
        }
    }

    /// Waits for readings; the oldest, until they are acknowledged.
    pub async fn next(&self) -> Vec<Reading> {
        loop {
            let arrived = self.arrived.notified();
            let some: Vec<_> = self.held().waiting.values().take(READINGS_MAX).copied().collect();
            if !some.is_empty() {
                return some;
            }
            arrived.await;
        }
    }

    pub fn ack(&self, acks: &[ReadingAck]) {
        let mut held = self.held();
        let taken = acks.iter().filter_map(|ack| held.take(ack));
        let last: Vec<_> = taken.filter(|reading| reading.last).map(|reading| reading.sandbox).collect();
        if last.is_empty() {
            return;
        }
        // Until then the file of its last reading says that it has ended.
        if let Err(error) = held.ended.keep(&last) {
            tracing::error!(%error, "which sandboxes have ended cannot be written down");
            return;
        }
        for sandbox in last {
            // What stays comes again after a restart, and changes nothing.
            let _ = fs::remove_file(path(&self.directory, sandbox));
        }
    }

    fn add(&self, reading: Reading) {
        let mut held = self.held();
        let next = held.turn + 1;
        let turn = *held.turns.entry(reading.sandbox).or_insert(next);
        let before = held.waiting.get(&turn).copied();
        if before.is_some_and(|before| before.sequence >= reading.sequence) {
            return;
        }
        held.turn = held.turn.max(turn);
        held.waiting.insert(turn, reading);
        if reading.last {
            held.last += 1;
            held.ended.put(reading.sandbox);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn take(&mut self, ack: &ReadingAck) -> Option<Reading> {
        let turn = *self.turns.get(&ack.sandbox)?;
        let known = self.waiting.get(&turn).is_some_and(|reading| reading.sequence <= ack.sequence);
        if !known {
            return None;
        }
        self.turns.remove(&ack.sandbox);
        let reading = self.waiting.remove(&turn)?;
        self.last -= usize::from(reading.last);
        Some(reading)
    }
}

/// Why no sandbox is opened under an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was here and has ended: its readings are closed.
    Ended,
    /// Too many last readings wait for somebody to take them.
    Full,
}

fn path(directory: &Path, sandbox: SandboxId) -> PathBuf {
    directory.join(format!("{sandbox}{SUFFIX}"))
}

/// Writes a last reading down, if it is not there: what is there may have been told.
fn keep(directory: &Path, reading: &Reading) -> io::Result<()> {
    let path = path(directory, reading.sandbox);
    if read_one(&path).is_some() {
        return Ok(());
    }
    let partial = directory.join(format!("{}.part", reading.sandbox));
    fs::write(&partial, serde_json::to_vec(reading)?)?;
    fs::rename(partial, path)
}

fn read_one(path: &Path) -> Option<Reading> {
    let whole = path.file_name()?.to_str()?.ends_with(SUFFIX);
    serde_json::from_slice(&fs::read(path).ok().filter(|_| whole)?).ok()
}

#[cfg(test)]
mod tests {
    use madang_ids::SessionId;
    use madang_model::Usage;

    use super::*;

    fn reading(sandbox: SandboxId, sequence: u64) -> Reading {
        let usage = Usage { cpu_user_us: sequence * 10, ..Usage::default() };
        Reading { sandbox, session: SessionId::new(), sequence, at_ms: 0, last: false, usage }
    }

    fn ack(reading: &Reading) -> [ReadingAck; 1] {
        [ReadingAck { sandbox: reading.sandbox, sequence: reading.sequence }]
    }

    async fn all(spool: &Spool) -> Vec<u64> {
        let next = tokio::time::timeout(std::time::Duration::from_millis(10), spool.next()).await;
        next.unwrap_or_default().iter().map(|reading| reading.sequence).collect()
    }

    #[tokio::test]
    async fn of_each_sandbox_the_newest_waits_until_it_is_acknowledged() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::open(home.path().to_owned()).unwrap();
        let (a, b) = (SandboxId::new(), SandboxId::new());
        for reading in [reading(a, 1), reading(b, 7), reading(a, 2), reading(b, 6)] {
            spool.push(reading);
        }
        assert_eq!(all(&spool).await, [2, 7]);
        spool.ack(&ack(&reading(a, 1)));
        assert_eq!(all(&spool).await, [2, 7], "only an older one is kept");
        spool.ack(&ack(&reading(a, 2)));
        spool.ack(&ack(&reading(b, 9)));
        spool.ack(&ack(&reading(b, 9)));
        assert!(all(&spool).await.is_empty());
        assert_eq!(spool.held().turns.len(), 0, "nothing is left of them");
    }

    #[tokio::test]
    async fn a_last_reading_outlives_the_agent_as_it_was_told() {
        let home = tempfile::tempdir().unwrap();
        let spool = Spool::open(home.path().to_owned()).unwrap();
        let last = Reading { last: true, ..reading(SandboxId::new(), 4) };
        spool.end(last).unwrap();
        // Whoever finds the slot after a crash ends it once more.
        spool.end(Reading { usage: Usage::default(), ..last }).unwrap();
        fs::write(home.path().join("torn.part"), b"{").unwrap();
        drop(spool);
        let spool = Spool::open(home.path().to_owned()).unwrap();
        assert_eq!(spool.next().await, [last]);
        assert_eq!(spool.refuses(last.sandbox), Some(Refusal::Ended));
        spool.ack(&ack(&last));
        assert!(!path(home.path(), last.sandbox).exists());
        assert_eq!(spool.refuses(last.sandbox), Some(Refusal::Ended), "it stays ended");
        drop(spool);
        let spool = Spool::open(home.path().to_owned()).unwrap();
        assert_eq!(spool.refuses(last.sandbox), Some(Refusal::Ended), "also for the next agent");
        assert_eq!(spool.refuses(SandboxId::new()), None);
    }
}
