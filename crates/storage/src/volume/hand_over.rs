//! A folder goes to another owner, and so into another file system.
//!
//! Which of both has it is said by the register alone, and changed in one step when the copy is whole: what a crash leaves before that is
//! made anew, what it leaves of the former owner's after that is removed. Tickets name the folder and not its owner, so they lead to the
//! new place from then on; while it is copied they change nothing.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use madang_ids::FolderId;
use madang_model::FolderPlace;
use rustix::fs::{OFlags, syncfs};

use super::{Volumes, copy, failed, remove, scope};
use crate::{
    StorageError,
    door::{Door, WeakDoor},
};

/// So many are looked through for those that nobody uses any more.
const DOORS_MIN: usize = 64;

/// The doors before which somebody stands.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    doors: HashMap<FolderPlace, WeakDoor>,
    /// As many as this, and they are looked through.
    full: usize,
}

impl Doors {
    fn of(&self, place: FolderPlace) -> Door {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = known.doors.get(&place).and_then(WeakDoor::upgrade) {
            return door;
        }
        if known.doors.len() >= known.full {
            known.doors.retain(|_, door| door.upgrade().is_some());
            known.full = DOORS_MIN.max(2 * known.doors.len());
        }
        let door = Door::default();
        known.doors.insert(place, door.downgrade());
        door
    }

    /// One that was shut for good when the folder went away from there stays so; whoever comes now has another.
    fn renew(&self, place: FolderPlace) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).doors.remove(&place);
    }
}

impl Volumes {
    /// The way into a folder for whoever changes what is in it: taken before the folder is opened.
    pub(super) fn door_of(&self, folder: FolderId) -> Result<Door, StorageError> {
        let place = self.register.find(folder)?;
        let door = self.doors.of(place);
        if self.register.find(folder)? == place {
            return Ok(door);
        }
        Err(StorageError::Unavailable("the folder has just gone to another owner; try again".to_owned()))
    }

    /// When this returns the folder is where it is to be, for whoever has a ticket or mounts it; what the former owner had is to be removed.
    pub(super) fn hand_over(&self, from: FolderPlace, to: FolderPlace) -> Result<(), StorageError> {
        let root = self.rooms(to.owner)?;
        match self.register.find(from.folder)? {
            known if known == to => return scope::folder(&root, to.folder).map(drop),
            known if known != from => {
                return Err(StorageError::Conflict(format!("folder {} is somebody else's", from.folder)));
            }
            _ => {}
        }
        let source = scope::folder(&self.rooms(from.owner)?, from.folder)?;
        let shut = self.doors.of(from).shut()?;
        // Whoever is lent it later sees the door.
        self.lending.unless_lent(from.folder, || Ok(()))?;
        let moved = self.move_into(&source, &root, to);
        match moved {
            Ok(()) => shut.for_good(),
            Err(_) => drop(shut),
        }
        moved
    }

    fn move_into(&self, source: &OwnedFd, root: &OwnedFd, to: FolderPlace) -> Result<(), StorageError> {
        let swept = root.try_clone().map_err(failed("opening a scope"))?;
        // Of a time that was cut off; the folder may have changed since.
        scope::take_out(root, to.folder).map_err(failed("removing a copy that was cut off"))?;
        let moved = copy::into_scope(source, root, to.folder).and_then(|()| {
            // What is removed next is on the disk here.
            let disk = scope::open(root, ".", OFlags::RDONLY).map_err(failed("opening a scope"))?;
            syncfs(disk).map_err(|errno| failed("bringing a copy to the disk")(errno.into()))?;
            self.doors.renew(to);
            self.register.change(to)
        });
        if moved.is_err()
            && let Err(error) = scope::take_out(root, to.folder)
        {
            tracing::warn!(folder = %to.folder, %error, "a copy that is not wanted stays until it is tried again");
        }
        remove::in_background(swept);
        moved
    }
}
