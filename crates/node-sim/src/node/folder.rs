//! What a simulated node does with folders.

use std::{
    collections::HashMap,
    sync::{
        MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use madang_ids::{FolderId, SandboxId};
use madang_model::{FolderPlace, FolderQuota, FolderUsage};
use madang_node_api::NodeError;
use tokio::sync::watch;

use super::SimNode;
use crate::sandbox::SimSandbox;

/// Copies that take as long as whoever tests wants.
#[derive(Default)]
pub(super) struct Copies {
    held: watch::Sender<bool>,
    asked: AtomicUsize,
}

impl SimNode {
    /// A folder that has taken so much, as by sandboxes that write.
    pub fn folder_fill(&self, place: FolderPlace, usage: FolderUsage) -> Result<(), NodeError> {
        self.volume().fill(place, usage)
    }

    /// From now on owners that have folders are given no more room than this, as by a server that may not grow file systems.
    pub fn folder_room_bound(&self, room: FolderQuota) {
        self.volume().room_bound(room);
    }

    /// While this is `true` no copy comes to its end.
    pub fn folder_copies_hold(&self, held: bool) {
        self.inner.copies.held.send_replace(held);
    }

    /// How often a copy was asked for.
    pub fn folder_copies_asked(&self) -> usize {
        self.inner.copies.asked.load(Ordering::Relaxed)
    }

    pub(super) fn folder_removed(&self, place: FolderPlace) -> Result<(), NodeError> {
        let _sandboxes = self.unless_lent(place.folder)?;
        self.volume().remove(place);
        Ok(())
    }

    pub(super) async fn folder_copied(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        self.inner.copies.asked.fetch_add(1, Ordering::Relaxed);
        // Its sender lives as long as we do.
        let _ = self.inner.copies.held.subscribe().wait_for(|held| !held).await;
        let goes = from.folder == to.folder && self.volume().is_with(from);
        let _sandboxes = if goes { Some(self.unless_lent(from.folder)?) } else { None };
        self.volume().copy(from, to)
    }

    /// As long as this is held no sandbox comes to have it.
    fn unless_lent(&self, folder: FolderId) -> Result<MutexGuard<'_, HashMap<SandboxId, SimSandbox>>, NodeError> {
        let sandboxes = self.lock();
        let sees = |sandbox: &&SimSandbox| sandbox.spec.mounts.iter().any(|mount| mount.folder == folder);
        match sandboxes.values().find(sees) {
            None => Ok(sandboxes),
            Some(sandbox) => Err(NodeError::Conflict(format!("it is mounted in session {}", sandbox.spec.session))),
        }
    }
}
