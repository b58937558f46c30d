//! Folders of a simulated node: what they are said to hold, and whose they are.

use std::collections::BTreeMap;

use madang_ids::FolderId;
use madang_model::{FolderMount, FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage};
use madang_node_api::{MOUNTS_MAX, NodeError};

/// What an empty directory takes.
const EMPTY: FolderUsage = FolderUsage { bytes: 4096, files: 1 };

#[derive(Clone, Default)]
pub(crate) struct SimVolume {
    owners: BTreeMap<FolderOwner, Scope>,
    /// Whose a folder is, for those who know only its id.
    register: BTreeMap<FolderId, FolderOwner>,
    /// An owner that has folders is given no more room than this.
    room: Option<FolderQuota>,
}

#[derive(Clone)]
struct Scope {
    quota: FolderQuota,
    folders: BTreeMap<FolderId, FolderUsage>,
}

impl Scope {
    fn used(&self) -> FolderUsage {
        let add = |sum: FolderUsage, one: &FolderUsage| FolderUsage {
            bytes: sum.bytes.saturating_add(one.bytes),
            files: sum.files.saturating_add(one.files),
        };
        self.folders.values().fold(FolderUsage::default(), add)
    }

    fn put(&mut self, folder: FolderId, usage: FolderUsage) -> Result<(), NodeError> {
        let before = self.folders.insert(folder, usage);
        if fits(self.used(), self.quota) {
            return Ok(());
        }
        match before {
            Some(before) => self.folders.insert(folder, before),
            None => self.folders.remove(&folder),
        };
        Err(NodeError::Limit("the quota of its owner is used up".into()))
    }
}

fn fits(used: FolderUsage, quota: FolderQuota) -> bool {
    used.bytes <= quota.bytes && used.files <= quota.files
}

impl SimVolume {
    pub fn owner_set(&mut self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError> {
        let room = self.room.filter(|_| self.owners.contains_key(&owner));
        let held = room.map_or(quota, |room| FolderQuota {
            bytes: quota.bytes.clamp(FolderQuota::LEAST.bytes, room.bytes),
            files: quota.files.clamp(FolderQuota::LEAST.files, room.files),
        });
        let scope = self.owners.entry(owner).or_insert_with(|| Scope { quota, folders: BTreeMap::new() });
        scope.quota = held;
        if held == quota { Ok(()) } else { Err(NodeError::Unavailable("folders cannot grow here".into())) }
    }

    pub fn room_bound(&mut self, room: FolderQuota) {
        self.room = Some(room);
    }

    pub fn owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        let scope = self.owners.get(&owner).ok_or_else(|| NodeError::NotFound("a quota of this owner".into()))?;
        Ok(FolderOwnerUsage { used: scope.used(), quota: scope.quota })
    }

    pub fn make(&mut self, place: FolderPlace) -> Result<(), NodeError> {
        self.scope(place.owner)?;
        self.enter(place)?;
        let scope = self.scope(place.owner)?;
        if scope.folders.contains_key(&place.folder) { Ok(()) } else { scope.put(place.folder, EMPTY) }
    }

    pub fn remove(&mut self, place: FolderPlace) {
        if let Some(scope) = self.owners.get_mut(&place.owner) {
            scope.folders.remove(&place.folder);
        }
        self.forget(place);
    }

    fn enter(&mut self, place: FolderPlace) -> Result<(), NodeError> {
        match *self.register.entry(place.folder).or_insert(place.owner) == place.owner {
            true => Ok(()),
            false => Err(NodeError::Conflict(format!("folder {} is somebody else's", place.folder))),
        }
    }

    fn forget(&mut self, place: FolderPlace) {
        if self.register.get(&place.folder) == Some(&place.owner) {
            self.register.remove(&place.folder);
        }
    }

    pub fn is_with(&self, place: FolderPlace) -> bool {
        self.register.get(&place.folder) == Some(&place.owner)
    }

    pub fn usage(&self, place: FolderPlace) -> Result<FolderUsage, NodeError> {
        let found = self.owners.get(&place.owner).and_then(|scope| scope.folders.get(&place.folder));
        found.copied().ok_or_else(|| NodeError::NotFound(format!("folder {}", place.folder)))
    }

    pub fn fill(&mut self, place: FolderPlace, usage: FolderUsage) -> Result<(), NodeError> {
        self.usage(place)?;
        self.scope(place.owner)?.put(place.folder, usage)
    }

    pub fn copy(&mut self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        if from.folder == to.folder && from.owner != to.owner {
            return self.hand_over(from, to);
        }
        let usage = self.usage(from)?;
        if self.scope(to.owner)?.folders.contains_key(&to.folder) {
            return Ok(());
        }
        self.enter(to)?;
        let put = self.scope(to.owner)?.put(to.folder, usage);
        if put.is_err() {
            self.forget(to);
        }
        put
    }

    fn hand_over(&mut self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        let known = self.register.get(&from.folder);
        if known == Some(&to.owner) {
            return self.usage(to).map(drop);
        }
        if known.is_some_and(|owner| *owner != from.owner) {
            return Err(NodeError::Conflict(format!("folder {} is somebody else's", from.folder)));
        }
        let usage = self.usage(from)?;
        self.scope(to.owner)?.put(to.folder, usage)?;
        self.register.insert(to.folder, to.owner);
        Ok(())
    }

    /// Whether all of them are here.
    pub fn mount(&self, mounts: &[FolderMount]) -> Result<(), NodeError> {
        if mounts.len() > MOUNTS_MAX {
            return Err(NodeError::Invalid(format!("a sandbox sees {MOUNTS_MAX} folders at most")));
        }
        mounts.iter().try_for_each(|mount| match self.register.get(&mount.folder) == Some(&mount.owner) {
            true => self.usage(mount.place()).map(drop),
            false => Err(NodeError::NotFound(format!("folder {}", mount.folder))),
        })
    }

    fn scope(&mut self, owner: FolderOwner) -> Result<&mut Scope, NodeError> {
        self.owners.get_mut(&owner).ok_or_else(|| NodeError::NotFound("a quota of this owner".into()))
    }
}
