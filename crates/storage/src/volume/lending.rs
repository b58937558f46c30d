//! Which sandbox has which folder.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use madang_ids::{FolderId, SandboxId, SessionId};
use madang_model::FolderMount;

use super::{Volumes, lock, scope::Scope};
use crate::StorageError;

#[derive(Debug, Default)]
pub(super) struct Lending {
    lent: Mutex<BTreeMap<FolderId, BTreeMap<SandboxId, SessionId>>>,
}

impl Lending {
    fn begin(&self, (sandbox, session): (SandboxId, SessionId), mounts: &[FolderMount]) {
        let mut lent = lock(&self.lent);
        for mount in mounts {
            lent.entry(mount.folder).or_default().insert(sandbox, session);
        }
    }

    fn end(&self, sandbox: SandboxId) {
        lock(&self.lent).retain(|_, to| {
            to.remove(&sandbox);
            !to.is_empty()
        });
    }

    /// Does `act` unless a sandbox has the folder, and while it can get into none.
    pub fn unless_lent(
        &self,
        folder: FolderId,
        act: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let lent = lock(&self.lent);
        match lent.get(&folder) {
            None => act(),
            Some(to) => {
                let sessions: Vec<String> = to.values().map(ToString::to_string).collect();
                Err(StorageError::Conflict(format!("it is mounted in session {}", sessions.join(", "))))
            }
        }
    }
}

/// A sandbox has folders as long as this lives.
#[derive(Debug)]
pub struct Lent {
    lending: Arc<Lending>,
    sandbox: SandboxId,
}

impl Lent {
    /// Nothing runs in the sandbox any more, whoever still holds this.
    pub fn end(&self) {
        self.lending.end(self.sandbox);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.end();
    }
}

impl Volumes {
    /// Mounts of the folders for one sandbox, in their order, to be hung up by whoever is root of `ids`, the sandbox's user namespace.
    pub fn lend(
        &self,
        to: (SandboxId, SessionId),
        mounts: &[FolderMount],
        ids: &OwnedFd,
    ) -> Result<(Lent, Vec<OwnedFd>), StorageError> {
        // Before they are looked for: from here on nobody removes them.
        let lent = self.lent_before(to, mounts);
        let lend = |mount: &FolderMount| {
            let known = self.register.find(mount.folder)?;
            if known != mount.place() {
                return Err(StorageError::NotFound(format!("folder {}", mount.folder)));
            }
            // Whoever gives it to another owner sees that it is lent, or is seen here.
            drop(self.door_of(mount.folder)?.pass()?);
            let (scope, mount) = (Scope::of(&self.home, mount.owner), mount.clone());
            let ids = ids.try_clone().map_err(super::failed("lending a folder"))?;
            self.keeper.with(move |rooms| rooms.lend(&scope, &mount, &ids))
        };
        let trees = mounts.iter().map(lend).collect::<Result<_, _>>()?;
        Ok((lent, trees))
    }

    /// A sandbox has these folders already: it was found again.
    pub fn lent_before(&self, to: (SandboxId, SessionId), mounts: &[FolderMount]) -> Lent {
        self.lending.begin(to, mounts);
        Lent { lending: Arc::clone(&self.lending), sandbox: to.0 }
    }
}
