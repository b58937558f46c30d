//! How much room a folder's owner has left, as the file system counts it.

use rustix::fs::fstatvfs;

use super::Tree;
use crate::StorageError;

impl Tree {
    /// Refuses what cannot fit before its first byte.
    pub(crate) fn check_room(&self, bytes: u64) -> Result<(), StorageError> {
        let room = fstatvfs(&self.root).map(|room| room.f_bavail.saturating_mul(room.f_frsize));
        match room {
            Ok(room) if bytes > room => Err(self.full()),
            // Where it cannot be known writing tells.
            _ => Ok(()),
        }
    }

    /// What to tell whoever meets the end of a quota.
    pub(crate) fn full(&self) -> StorageError {
        let left = match fstatvfs(&self.root) {
            Ok(room) => format!(
                ": of {} bytes {} are left, and room for {} files",
                room.f_blocks.saturating_mul(room.f_frsize),
                room.f_bavail.saturating_mul(room.f_frsize),
                room.f_favail
            ),
            Err(_) => String::new(),
        };
        StorageError::Full(format!(
            "no space: the quota that all folders of this owner share is used up{left}; remove something, or have it raised"
        ))
    }
}
