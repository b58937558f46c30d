//! Folders: what the node's volumes are asked, and how a sandbox gets what it is to see of them.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, PoisonError},
};

use madang_model::{FolderMount, FolderPlace, FolderUsage};
use madang_node_api::{AppConnection, Enforcement, MOUNTS_MAX, NodeError, SandboxSpec, VolumeSeen};
use madang_sandbox::Slot;
use madang_storage::{Holding, Lent, Served, Sharing, StorageError, Volumes};

use crate::agent::Agent;

/// Of a path below `/home/work`.
const PATH_BYTES_MAX: usize = 1024;
/// Between whoever asks and the thread that answers.
const BETWEEN_BYTES: usize = 256 << 10;

/// Folders that a sandbox is given: where each goes, and that it has them.
#[derive(Debug)]
pub(crate) struct Lending {
    pub lent: Lent,
    pub trees: Vec<(String, OwnedFd)>,
}

impl Agent {
    /// Where this node's folders are, for whoever moves bytes in and out of them.
    pub fn volumes(&self) -> Arc<Volumes> {
        Arc::clone(&self.volumes)
    }

    /// From now on `served` answers whoever asks for what is in folders.
    pub fn folders_serve(&self, served: Served) {
        *self.folders_served.write().unwrap_or_else(PoisonError::into_inner) = Some(served);
    }

    /// See `Node::folder_connect`.
    pub(crate) fn folder_stream(&self) -> Result<AppConnection, NodeError> {
        let nobody = || NodeError::Unavailable("this node serves no folders".to_owned());
        let (near, far) = tokio::io::duplex(BETWEEN_BYTES);
        let served = self.folders_served.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(nobody)?;
        served.serve(Box::new(far)).map_err(|error| node_error(&error))?;
        Ok(Box::new(near))
    }

    /// Asks the volumes, which block.
    pub(crate) async fn folders<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Volumes) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let volumes = Arc::clone(&self.volumes);
        let asked = tokio::task::spawn_blocking(move || ask(&volumes));
        asked.await.map_err(|error| NodeError::Internal(error.to_string()))?.map_err(|error| node_error(&error))
    }

    pub(crate) async fn folder_count(&self, place: FolderPlace) -> Result<FolderUsage, NodeError> {
        self.volumes.usage(place).await.map_err(|error| node_error(&error))
    }

    /// What a slot is to be given before it is bound; most are given nothing.
    pub(crate) async fn lend_folders(
        &self,
        spec: &SandboxSpec,
        slot: &Arc<Slot>,
    ) -> Result<Option<Lending>, NodeError> {
        if spec.mounts.is_empty() {
            return Ok(None);
        }
        let mut mounts = spec.mounts.clone();
        // What is nearer to the top comes first: it would hide the others.
        mounts.sort_by_key(|mount| mount.at.matches('/').count());
        let (to, slot) = ((spec.id, spec.session), Arc::clone(slot));
        let lending = self.folders(move |volumes| {
            let gone = |error| StorageError::Unavailable(format!("the slot is gone: {error}"));
            let (lent, trees) = volumes.lend(to, &mounts, &slot.user_namespace().map_err(gone)?)?;
            Ok(Lending { lent, trees: mounts.into_iter().map(|mount| mount.at).zip(trees).collect() })
        });
        lending.await.map(Some)
    }
}

/// What no node would do, before anything is made for it.
pub(crate) fn check(mounts: &[FolderMount]) -> Result<(), NodeError> {
    if mounts.len() > MOUNTS_MAX {
        return Err(NodeError::Invalid(format!("a sandbox sees {MOUNTS_MAX} folders at most")));
    }
    for (index, mount) in mounts.iter().enumerate() {
        let at = &mount.at;
        let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
        if at.len() > PATH_BYTES_MAX || !at.split('/').all(plain) {
            return Err(NodeError::Invalid(format!("{at:?} is no plain path below the work directory")));
        }
        if mounts[..index].iter().any(|other| other.at == *at) {
            return Err(NodeError::Invalid(format!("two folders at {at}")));
        }
    }
    Ok(())
}

/// As the node says of itself.
pub(crate) fn seen(volumes: &Volumes) -> VolumeSeen {
    let place = volumes.place();
    match volumes.holding() {
        Holding::Images => VolumeSeen { enforcement: Enforcement::Image, note: String::new(), place },
        Holding::Counted(why) => VolumeSeen { enforcement: Enforcement::Counted, note: why.clone(), place },
        Holding::Shared(Sharing { writable }) => {
            let sessions = if *writable { "nothing holds sessions that write" } else { "sessions may only read" };
            let note = format!("folders are on a shared place: uploads are counted, {sessions}");
            VolumeSeen { enforcement: Enforcement::Counted, note, place }
        }
    }
}

fn node_error(error: &StorageError) -> NodeError {
    let text = error.to_string();
    match error {
        StorageError::Invalid(_) | StorageError::Mismatch(_) | StorageError::Denied(_) => NodeError::Invalid(text),
        StorageError::NotFound(what) => NodeError::NotFound(what.clone()),
        StorageError::Conflict(_) => NodeError::Conflict(text),
        StorageError::Full(_) | StorageError::Limit(_) => NodeError::Limit(text),
        StorageError::Unavailable(_) | StorageError::Broken(_) => NodeError::Unavailable(text),
        StorageError::Io { .. } => NodeError::Internal(text),
    }
}

#[cfg(test)]
mod tests {
    use madang_ids::{FolderId, UserId};
    use madang_model::{FolderOwner, MountAccess};

    use super::*;

    #[test]
    fn only_plain_paths_below_are_mounted_at_and_each_once() {
        let owner = FolderOwner::User(UserId::new());
        let at =
            |at: &str| FolderMount { folder: FolderId::new(), owner, at: at.to_owned(), access: MountAccess::ReadOnly };
        assert!(check(&[at("a"), at("a/b"), at(".config")]).is_ok());
        assert!(check(&[at("a"), at("a")]).is_err());
        for bad in ["", "/a", "a/", "..", "a/../b", "a//b", "./a", "a\0b"] {
            assert!(check(&[at(bad)]).is_err(), "{bad:?}");
        }
    }
}
