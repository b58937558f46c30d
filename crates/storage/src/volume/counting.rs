//! What folders hold, counted name by name. That takes as long as a guest likes, so few are counted at once, one of an owner's, and
//! whoever asks for what is being counted already waits for that answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use madang_model::{FolderOwner, FolderPlace, FolderUsage};
use tokio::sync::{Semaphore, watch};

use super::{Volumes, lock, scope, walk};
use crate::{StorageError, share::Shares};

/// Folders that are counted at once.
const COUNTS_AT_ONCE_MAX: usize = 4;
/// Folders that are counted or wait for it; more are refused.
const COUNTS_MAX: usize = 1_024;

type Counted = Result<FolderUsage, Arc<StorageError>>;

#[derive(Debug)]
pub(super) struct Counting {
    under_way: Mutex<HashMap<FolderPlace, watch::Receiver<Option<Counted>>>>,
    turns: Semaphore,
    of_an_owner: Shares<FolderOwner>,
}

impl Default for Counting {
    fn default() -> Self {
        let turns = Semaphore::new(COUNTS_AT_ONCE_MAX);
        Self { under_way: Mutex::default(), turns, of_an_owner: Shares::new(1) }
    }
}

impl Volumes {
    /// See `Node::folder_usage`.
    pub async fn usage(self: &Arc<Self>, place: FolderPlace) -> Counted {
        let broke_off = || Arc::new(StorageError::Unavailable("a count broke off".to_owned()));
        let mut counted = self.count(place)?;
        let counted = counted.wait_for(Option::is_some).await.map_err(|_| broke_off())?;
        counted.as_ref().map_or_else(|| Err(broke_off()), Clone::clone)
    }

    /// Where the answer will be.
    fn count(self: &Arc<Self>, place: FolderPlace) -> Result<watch::Receiver<Option<Counted>>, Arc<StorageError>> {
        let mut under_way = lock(&self.counting.under_way);
        // One that will never have an answer is none.
        if let Some(asked) = under_way.get(&place).filter(|asked| asked.has_changed().is_ok()) {
            return Ok(asked.clone());
        }
        if under_way.len() >= COUNTS_MAX {
            return Err(Arc::new(StorageError::Limit("too many folders are being counted".to_owned())));
        }
        let (answer, answered) = watch::channel(None);
        under_way.insert(place, answered.clone());
        let volumes = Arc::clone(self);
        tokio::spawn(async move {
            let counted = volumes.count_alone(place).await.map_err(Arc::new);
            lock(&volumes.counting.under_way).remove(&place);
            let _ = answer.send(Some(counted));
        });
        Ok(answered)
    }

    async fn count_alone(self: &Arc<Self>, place: FolderPlace) -> Result<FolderUsage, StorageError> {
        let own = self.counting.of_an_owner.of(place.owner);
        // Nobody closes them.
        let _turns = (own.acquire().await, self.counting.turns.acquire().await);
        let volumes = Arc::clone(self);
        let look = move || walk::usage(&scope::folder(&volumes.rooms(place.owner)?, place.folder)?);
        let broke_off = |_| Err(StorageError::Unavailable("a count broke off".to_owned()));
        tokio::task::spawn_blocking(look).await.unwrap_or_else(broke_off)
    }
}
