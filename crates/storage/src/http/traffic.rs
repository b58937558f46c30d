//! How much goes on at once, and what has just ended.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::FolderId;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{StorageError, tree::TreePath};

/// Files on their way out.
const DOWNLOADS_AT_ONCE_MAX: usize = 1_024;
/// Archives being made.
const ARCHIVES_AT_ONCE_MAX: usize = 16;
/// Bodies on their way in, in all …
const UPLOADS_AT_ONCE_MAX: usize = 512;
/// … and of one folder.
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

#[derive(Debug)]
pub(crate) struct Traffic {
    downloads: Arc<Semaphore>,
    archives: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    folders: Mutex<HashMap<FolderId, Arc<Semaphore>>>,
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
            downloads: Arc::new(Semaphore::new(DOWNLOADS_AT_ONCE_MAX)),
            archives: Arc::new(Semaphore::new(ARCHIVES_AT_ONCE_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE_MAX)),
            folders: Mutex::default(),
            ended: Mutex::default(),
            swept: Mutex::default(),
            held: Mutex::default(),
        }
    }
}

impl Traffic {
    pub fn download(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        turn(&self.downloads, "downloads", DOWNLOADS_AT_ONCE_MAX)
    }

    pub fn archive(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        turn(&self.archives, "archives", ARCHIVES_AT_ONCE_MAX)
    }

    pub fn upload(&self, folder: FolderId) -> Result<[OwnedSemaphorePermit; 2], StorageError> {
        let of_folder = {
            let mut folders = lock(&self.folders);
            // Those that nobody uses are as new ones.
            folders
                .retain(|_, turns| turns.available_permits() < UPLOADS_OF_A_FOLDER_MAX || Arc::strong_count(turns) > 1);
            Arc::clone(folders.entry(folder).or_insert_with(|| Arc::new(Semaphore::new(UPLOADS_OF_A_FOLDER_MAX))))
        };
        let one = turn(&of_folder, "uploads to this folder", UPLOADS_OF_A_FOLDER_MAX)?;
        Ok([one, turn(&self.uploads, "uploads", UPLOADS_AT_ONCE_MAX)?])
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

fn turn(turns: &Arc<Semaphore>, what: &str, max: usize) -> Result<OwnedSemaphorePermit, StorageError> {
    let busy = || StorageError::Limit(format!("{max} {what} are under way: try again when one has ended"));
    Arc::clone(turns).try_acquire_owned().map_err(|_| busy())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
