//! How much goes on at once, and what has just ended.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::{FolderId, UserId};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Granted;
use crate::{StorageError, share::Shares, tree::TreePath};

/// Files on their way out, in all and of one user.
const DOWNLOADS: Bound = Bound { what: "downloads", all: 1_024, of_a_user: 256 };
/// Archives being made.
const ARCHIVES: Bound = Bound { what: "archives", all: 32, of_a_user: 4 };
/// Requests that go on to other machines, which have bounds of their own.
const RELAYED: Bound = Bound { what: "requests to other machines", all: 1_024, of_a_user: 128 };
/// Bodies on their way in …
const UPLOADS: Bound = Bound { what: "uploads", all: 512, of_a_user: 128 };
/// … and those to one folder.
const UPLOADS_OF_A_FOLDER_MAX: usize = 64;
/// Uploads whose end is remembered, for clients that lost the answer.
const ENDED_MAX: usize = 4_096;
/// Between two sweeps of a folder.
const SWEEP_MS: u64 = 3_600_000;
/// Folders of whom the last sweep is remembered.
const SWEPT_MAX: usize = 65_536;

/// An upload that has become a file.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub folder: FolderId,
    pub id: String,
    pub path: TreePath,
    pub length: u64,
}

/// How many of a kind there may be at once.
#[derive(Debug, Clone, Copy)]
struct Bound {
    what: &'static str,
    all: usize,
    of_a_user: usize,
}

#[derive(Debug)]
struct Bounded {
    bound: Bound,
    all: Arc<Semaphore>,
    of_a_user: Shares<UserId>,
}

/// One may go on as long as this lives.
pub(crate) type Turns = Vec<OwnedSemaphorePermit>;

impl Bounded {
    fn new(bound: Bound) -> Self {
        Self { bound, all: Arc::new(Semaphore::new(bound.all)), of_a_user: Shares::new(bound.of_a_user) }
    }

    fn turns(&self, user: UserId) -> Result<Turns, StorageError> {
        let Bound { what, all, of_a_user } = self.bound;
        let own = turn(self.of_a_user.of(user), &format!("{what} of yours"), of_a_user)?;
        Ok(vec![own, turn(Arc::clone(&self.all), what, all)?])
    }
}

#[derive(Debug)]
pub(crate) struct Traffic {
    downloads: Bounded,
    archives: Bounded,
    relayed: Bounded,
    uploads: Bounded,
    folders: Shares<FolderId>,
    ended: Mutex<VecDeque<Ended>>,
    swept: Mutex<HashMap<FolderId, u64>>,
    held: Mutex<HashMap<String, Holder>>,
}

#[derive(Debug, Clone)]
struct Holder {
    turn: Arc<tokio::sync::Mutex<()>>,
    let_go: CancellationToken,
}

/// Goes on with one upload; nobody else does meanwhile.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Somebody else wants to go on with it: the client's other connection is dead.
    pub let_go: CancellationToken,
    _turn: OwnedMutexGuard<()>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            downloads: Bounded::new(DOWNLOADS),
            archives: Bounded::new(ARCHIVES),
            relayed: Bounded::new(RELAYED),
            uploads: Bounded::new(UPLOADS),
            folders: Shares::new(UPLOADS_OF_A_FOLDER_MAX),
            ended: Mutex::default(),
            swept: Mutex::default(),
            held: Mutex::default(),
        }
    }
}

impl Traffic {
    pub fn download(&self, user: UserId) -> Result<Turns, StorageError> {
        self.downloads.turns(user)
    }

    pub fn archive(&self, user: UserId) -> Result<Turns, StorageError> {
        self.archives.turns(user)
    }

    pub fn relayed(&self, user: UserId) -> Result<Turns, StorageError> {
        self.relayed.turns(user)
    }

    pub fn upload(&self, granted: &Granted) -> Result<Turns, StorageError> {
        let of_folder = self.folders.of(granted.folder);
        let mut turns = vec![turn(of_folder, "uploads to this folder", UPLOADS_OF_A_FOLDER_MAX)?];
        turns.extend(self.uploads.turns(granted.user)?);
        Ok(turns)
    }

    /// Takes over one upload; whoever has it is told to let go.
    pub async fn hold(&self, folder: FolderId, id: &str) -> Hold {
        let let_go = CancellationToken::new();
        let turn = {
            let mut held = lock(&self.held);
            held.retain(|_, holder| Arc::strong_count(&holder.turn) > 1);
            let holder = Holder { turn: Arc::default(), let_go: let_go.clone() };
            let holder = match held.entry(format!("{folder}/{id}")) {
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(holder),
                std::collections::hash_map::Entry::Occupied(entry) => {
                    let known = entry.into_mut();
                    known.let_go.cancel();
                    known.let_go = let_go.clone();
                    known
                }
            };
            Arc::clone(&holder.turn)
        };
        Hold { let_go, _turn: turn.lock_owned().await }
    }

    pub fn ended(&self, ended: Ended) {
        let mut all = lock(&self.ended);
        if all.len() == ENDED_MAX {
            all.pop_front();
        }
        all.push_back(ended);
    }

    pub fn find_ended(&self, folder: FolderId, id: &str) -> Option<Ended> {
        lock(&self.ended).iter().rev().find(|ended| ended.folder == folder && ended.id == id).cloned()
    }

    pub fn is_sweep_due(&self, folder: FolderId, now_ms: u64) -> bool {
        let mut swept = lock(&self.swept);
        let due = swept.get(&folder).is_none_or(|last| now_ms.saturating_sub(*last) >= SWEEP_MS);
        if due {
            if swept.len() >= SWEPT_MAX {
                swept.clear();
            }
            swept.insert(folder, now_ms);
        }
        due
    }
}

fn turn(turns: Arc<Semaphore>, what: &str, max: usize) -> Result<OwnedSemaphorePermit, StorageError> {
    let busy = || StorageError::Limit(format!("{max} {what} are under way: try again when one has ended"));
    turns.try_acquire_owned().map_err(|_| busy())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
