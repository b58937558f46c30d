//! Which folders something is being done for at this moment: each once, long copies only so many, and of one owner fewer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::FolderId;
use madang_model::{FolderOwner, FolderState};
use madang_store::FolderRecord;
use tokio::sync::Notify;

/// Copies at once; more wait until one of them has ended.
const COPIES_MAX: usize = 8;
/// Of those, copies to folders of one owner.
const COPIES_OF_OWNER_MAX: usize = 2;
/// What else is done at once, which takes no longer than a node's answer.
const STEPS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Acting(Mutex<HashMap<FolderId, What>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Step,
    Copy(FolderOwner),
}

impl What {
    fn of(record: &FolderRecord) -> Self {
        match record.state {
            FolderState::Cloning { .. } => Self::Copy(record.owner),
            FolderState::Moving { to, copied: false } => Self::Copy(to),
            _ => Self::Step,
        }
    }
}

impl Acting {
    /// None where it is being done already, or too much else is. `wake` is told when it is done.
    pub fn begin(self: &Arc<Self>, record: &FolderRecord, wake: &Arc<Notify>) -> Option<Act> {
        let mut acting = self.lock();
        let what = What::of(record);
        let count = |counts: fn(&What, What) -> bool| acting.values().filter(|other| counts(other, what)).count();
        let fits = match what {
            What::Step => count(|other, _| *other == What::Step) < STEPS_MAX,
            What::Copy(_) => {
                count(|other, _| *other != What::Step) < COPIES_MAX
                    && count(|other, what| *other == what) < COPIES_OF_OWNER_MAX
            }
        };
        if !fits || acting.contains_key(&record.id) {
            return None;
        }
        acting.insert(record.id, what);
        drop(acting);
        Some(Act { acting: Arc::clone(self), folder: record.id, wake: Arc::clone(wake), then: Then::Nothing })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FolderId, What>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as this lives, something is being done for the folder.
#[derive(Debug)]
pub(crate) struct Act {
    acting: Arc<Acting>,
    folder: FolderId,
    wake: Arc<Notify>,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Wake,
}

impl Act {
    /// It was brought to its end: what waited for its turn need not wait for the next look. Never said of what failed, which would be tried
    /// again without a pause.
    pub fn done(mut self) {
        self.then = Then::Wake;
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let ended = self.acting.lock().remove(&self.folder);
        if matches!((ended, self.then), (Some(What::Copy(_)), Then::Wake)) {
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use madang_ids::{NodeId, OrganizationId, UserId};
    use madang_model::{FolderMode, FolderPermission};

    use super::*;

    fn record(owner: FolderOwner, state: FolderState) -> FolderRecord {
        FolderRecord {
            id: FolderId::new(),
            name: "f".to_owned(),
            owner,
            organization: OrganizationId::new(),
            mode: FolderMode::General,
            permission: FolderPermission::Write,
            cloneable: false,
            state,
            node: NodeId::new(),
            generation: 0,
            created_by: UserId::new(),
            created_ms: 1,
            changed_ms: 1,
        }
    }

    #[test]
    fn copies_leave_room_for_other_owners_and_for_what_is_no_copy() {
        let (acting, wake) = (Arc::new(Acting::default()), Arc::new(Notify::new()));
        let owner = || FolderOwner::User(UserId::new());
        let copy = |owner| record(owner, FolderState::Cloning { from: FolderId::new(), owner });
        let ada = owner();
        let first = copy(ada);
        let mut held = vec![acting.begin(&first, &wake).unwrap()];
        assert!(acting.begin(&first, &wake).is_none(), "it is being done");
        held.push(acting.begin(&copy(ada), &wake).unwrap());
        assert!(acting.begin(&copy(ada), &wake).is_none(), "her third has to wait");
        held.extend((held.len()..COPIES_MAX).map(|_| acting.begin(&copy(owner()), &wake).unwrap()));
        assert!(acting.begin(&copy(owner()), &wake).is_none());
        let purging = record(ada, FolderState::Purging);
        assert!(acting.begin(&purging, &wake).is_some());
        held.remove(0);
        assert!(acting.begin(&copy(ada), &wake).is_some());
    }
}
