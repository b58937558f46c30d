//! What the load knows: what was acknowledged, and what went wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use madang_client::{Client, ClientError, Place};
use madang_ids::{RunId, SessionId};
use madang_model::Verdict;
use madang_public_api::{RunState, RunView};

use crate::keyed::Keyed;

/// Why a run may honestly fail when something was killed under it.
const HONEST: [&str; 8] = [
    "the sandbox was lost",
    "the sandbox is gone",
    "the sandbox went away",
    "its session is gone",
    "the server stopped while this run was in progress",
    "cannot speak to the sandbox",
    "cannot make a sandbox",
    "cannot prepare a sandbox",
];
/// Refusals that a client may meet while things are being killed: no such session any more, not running, not available now.
const HONEST_STATUS: [u16; 4] = [404, 409, 429, 503];

#[derive(Debug, Clone)]
pub struct StoredFile {
    pub session: SessionId,
    pub path: String,
    pub bytes: Vec<u8>,
}

/// What the server has acknowledged.
#[derive(Debug, Default)]
pub struct Kept {
    pub runs: BTreeMap<RunId, RunView>,
    pub keyed: Vec<Keyed>,
    pub sessions: BTreeSet<SessionId>,
    pub files: Vec<StoredFile>,
}

pub struct World {
    pub home: PathBuf,
    pub client: Client,
    pub kept: Mutex<Kept>,
    /// Held for reading while a worker does one piece of work.
    pub gate: tokio::sync::RwLock<()>,
    pub stop: AtomicBool,
    pub wrong: Mutex<Vec<String>>,
    pub lost: AtomicUsize,
}

impl World {
    pub fn new(home: PathBuf) -> Self {
        let client = Client::new(Place::local(&home));
        Self {
            home,
            client,
            kept: Mutex::default(),
            gate: tokio::sync::RwLock::default(),
            stop: AtomicBool::new(false),
            wrong: Mutex::default(),
            lost: AtomicUsize::new(0),
        }
    }

    pub fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Results and keys so far.
    pub fn counts(&self) -> (usize, usize) {
        let kept = self.kept();
        (kept.runs.len(), kept.keyed.len())
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn complain(&self, text: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// A result that a client was given: right, or honestly lost; from now on it may not change.
    pub fn acknowledged(&self, what: &str, view: &RunView, expected: Option<&str>) -> bool {
        if view.state != RunState::Finished {
            self.complain(format!("{what}: an answer that is no result: {view:?}"));
        }
        let detail = view.whole.detail.clone().unwrap_or_default();
        let well = match view.whole.verdict {
            Some(Verdict::Ok) => expected.is_none_or(|expected| view.whole.stdout.lossy() == expected),
            Some(Verdict::InternalError) => HONEST.iter().any(|honest| detail.contains(honest)),
            Some(Verdict::Cancelled) => true,
            _ => false,
        };
        if !well {
            self.complain(format!("{what}: {:?} {detail:?} {:?}", view.whole.verdict, view.whole));
        }
        let fine = view.whole.verdict == Some(Verdict::Ok);
        if !fine {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.kept().runs.insert(view.id, view.clone());
        fine
    }

    /// An error that a client met; the server being away is none.
    pub fn refused(&self, what: &str, error: &ClientError) {
        match error {
            ClientError::Refused(problem) if !HONEST_STATUS.contains(&problem.status) => {
                self.complain(format!("{what}: {problem:?}"));
            }
            ClientError::Answer { .. } | ClientError::Endpoint(_) => self.complain(format!("{what}: {error}")),
            _ => {}
        }
    }
}

/// Within so long everything converges, says SPECIFICATION.md, where the machine is quiet; a busy one takes longer, which is said.
const PROMISE: Duration = Duration::from_secs(5);
/// What has not come by then does not come.
pub const STUCK: Duration = Duration::from_secs(150);

/// Looks until `found` finds something; the error is what it saw last.
pub async fn converges<T>(what: &str, mut found: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let began = Instant::now();
    loop {
        match found().await {
            Ok(found) => {
                if began.elapsed() > PROMISE {
                    println!("{what}: after {:?}, promised are {PROMISE:?}", began.elapsed());
                }
                return Ok(found);
            }
            Err(seen) if began.elapsed() >= STUCK => return Err(seen),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
