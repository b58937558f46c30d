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
        let scope = self.owners.entry(owner).or_insert_with(|| Scope { quota, folders: BTreeMap::new() });
        scope.quota = quota;
        Ok(())
    }

    pub fn owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        let scope = self.owners.get(&owner).ok_or_else(|| NodeError::NotFound("a quota of this owner".into()))?;
        Ok(FolderOwnerUsage { used: scope.used(), quota: scope.quota })
    }

    pub fn make(&mut self, place: FolderPlace) -> Result<(), NodeError> {
        let scope = self.scope(place.owner)?;
        if scope.folders.contains_key(&place.folder) { Ok(()) } else { scope.put(place.folder, EMPTY) }
    }

    pub fn remove(&mut self, place: FolderPlace) {
        if let Some(scope) = self.owners.get_mut(&place.owner) {
            scope.folders.remove(&place.folder);
        }
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
        let usage = self.usage(from)?;
        let scope = self.scope(to.owner)?;
        if scope.folders.contains_key(&to.folder) { Ok(()) } else { scope.put(to.folder, usage) }
    }

    /// Whether all of them are here.
    pub fn mount(&self, mounts: &[FolderMount]) -> Result<(), NodeError> {
        if mounts.len() > MOUNTS_MAX {
            return Err(NodeError::Invalid(format!("a sandbox sees {MOUNTS_MAX} folders at most")));
        }
        mounts.iter().try_for_each(|mount| self.usage(mount.place()).map(drop))
    }

    fn scope(&mut self, owner: FolderOwner) -> Result<&mut Scope, NodeError> {
        self.owners.get_mut(&owner).ok_or_else(|| NodeError::NotFound("a quota of this owner".into()))
    }
}
