//! Ends sandboxes that carry a lease when control has not been heard for that long: control may then start them elsewhere.
//!
//! What counts is when the beat was *sent* that control has answered: control has heard it no earlier, so its own clock of the silence
//! never runs ahead of ours. The moment is written down, in time since the machine booted, so that an agent that is started anew during a
//! silence goes on counting.

use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use madang_node_api::Node;
use tokio::{task::JoinHandle, time::Instant};

/// Below the member's directory.
pub(super) const FILE: &str = "heard";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The file is written this often at most.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Where the kernel says which boot this is, and for how long it has run, sleep included.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";

/// When control was last heard.
#[derive(Clone)]
pub(super) struct Heard {
    file: Arc<PathBuf>,
    at: Arc<Mutex<At>>,
    uptime_ms: fn() -> u64,
}

struct At {
    instant: Instant,
    uptime_ms: u64,
    written: Option<Instant>,
}

/// By the kernel.
pub(super) fn uptime_ms() -> u64 {
    let text = fs::read_to_string(UPTIME).unwrap_or_default();
    let seconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default();
    (seconds * 1000.0) as u64
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}

impl Heard {
    /// Goes on from what an agent before this one wrote down; without that the silence begins now.
    pub fn open(file: PathBuf, clock: fn() -> u64) -> Self {
        let now = clock();
        let before = fs::read_to_string(&file).unwrap_or_default();
        let known = before.split_once(' ').filter(|(boot, _)| *boot == boot_id());
        let known: Option<u64> = known.and_then(|(_, at)| at.trim().parse().ok());
        let uptime_ms = known.map_or(now, |at| at.min(now));
        let at = At { instant: Instant::now(), uptime_ms, written: None };
        let heard = Self { file: Arc::new(file), at: Arc::new(Mutex::new(at)), uptime_ms: clock };
        // Else an agent after this one, which has never been answered, would count from its own start.
        if known.is_none() {
            heard.keep(uptime_ms);
        }
        heard
    }

    /// A beat that was sent then was answered.
    pub fn answered(&self, sent: Instant) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if sent <= at.instant && at.written.is_some() {
            return;
        }
        at.instant = sent;
        at.uptime_ms = (self.uptime_ms)().saturating_sub(sent.elapsed().as_millis() as u64);
        if at.written.is_none_or(|written| written.elapsed() >= WRITE_EVERY) {
            at.written = Some(Instant::now());
            self.keep(at.uptime_ms);
        }
    }

    fn keep(&self, uptime_ms: u64) {
        if let Err(error) = self.write(uptime_ms) {
            tracing::warn!(%error, "when control was heard cannot be written down");
        }
    }

    /// In place and always as long: a disk that is full meanwhile has room for it, and must not make the silence look longer.
    fn write(&self, uptime_ms: u64) -> io::Result<()> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&*self.file)?;
        file.write_all_at(format!("{} {uptime_ms:020}\n", boot_id()).as_bytes(), 0)
    }

    /// How long control has been silent, by the clock that says more.
    pub fn silence(&self) -> Duration {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let by_uptime = Duration::from_millis((self.uptime_ms)().saturating_sub(at.uptime_ms));
        at.instant.elapsed().max(by_uptime)
    }
}

/// Looks until it is dropped.
pub(super) struct Fence(JoinHandle<()>);

impl Drop for Fence {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn start(node: Arc<dyn Node>, heard: Heard) -> Fence {
    Fence(tokio::spawn(async move {
        loop {
            let silence = heard.silence().as_millis() as u64;
            for (sandbox, _) in node.leases().into_iter().filter(|(_, lease_ms)| silence >= *lease_ms) {
                tracing::warn!(%sandbox, silence, "control is silent for longer than the sandbox's lease; it is ended");
                if let Err(error) = node.sandbox_close(sandbox).await {
                    tracing::error!(%sandbox, %error, "a sandbox whose lease is over cannot be ended");
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_goes_on_over_a_restart() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE);
        let long = Duration::from_secs(600);
        let before = uptime_ms().saturating_sub(long.as_millis() as u64);
        fs::write(&file, format!("{} {before}\n", boot_id())).unwrap();
        let least = long.min(Duration::from_millis(uptime_ms() - before));
        assert!(Heard::open(file.clone(), uptime_ms).silence() >= least);
        fs::write(&file, format!("another-boot {before}\n")).unwrap();
        assert!(Heard::open(file.clone(), uptime_ms).silence() < long);
        fs::write(&file, "rubbish").unwrap();
        assert!(Heard::open(file, uptime_ms).silence() < long);
    }

    #[tokio::test]
    async fn an_answer_ends_the_silence_and_is_written_down() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE);
        let heard = Heard::open(file.clone(), uptime_ms);
        heard.answered(Instant::now());
        assert!(heard.silence() < Duration::from_secs(3600));
        assert!(fs::read_to_string(file).unwrap().starts_with(&boot_id()));
    }
}
