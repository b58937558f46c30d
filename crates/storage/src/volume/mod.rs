//! Where folders are: all of one owner's in a **scope**, a file system in a file that holds no more than the owner's quota.
//!
//! The file system itself is the only count there is: nothing is added up and remembered, so nothing is wrong after a crash. Start at
//! [`Volumes`]; what a scope looks like inside is in [`scope`], how its size becomes the quota in [`measure`].

mod copy;
mod counting;
mod hand_over;
mod image;
mod keeper;
mod lending;
mod measure;
mod place;
mod register;
mod remove;
mod scope;
mod turns;
mod walk;

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::{FolderId, NodeId};
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota};

pub use lending::Lent;

use crate::{Door, Roots, StorageError};
use counting::Counting;
use hand_over::Doors;
use keeper::Keeper;
use lending::Lending;
use register::Register;
use scope::Scope;
use turns::Turns;

/// No owner may hold more, whatever is asked for.
pub const QUOTA_BYTES_MAX: u64 = 8 << 40;
pub const QUOTA_FILES_MAX: u64 = 20_000_000;

/// What holds owners to their quotas on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// A file system each.
    Images,
    /// Nothing of the kernel's, for this reason: folders can be reached by transfers only, which are refused once the quota is used up.
    Counted(String),
    /// Nothing either: the place is one of several machines, which must not have one image mounted at once. Uploads are counted.
    Shared(Sharing),
}

/// A place that several machines have mounted: CephFS, or another file system of which they see one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// Sandboxes may write, though nothing holds them to the quota of a folder's owner while they do.
    pub writable: bool,
}

/// The folders of one node.
#[derive(Debug)]
pub struct Volumes {
    home: PathBuf,
    holding: Holding,
    place: Option<NodeId>,
    register: Register,
    keeper: Keeper,
    lending: Arc<Lending>,
    /// Whose scope is being made or given its quota.
    owners: Turns<FolderOwner>,
    /// Copies being made.
    copies: Turns<FolderPlace>,
    doors: Doors,
    counting: Counting,
}

/// As an error of doing something.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> StorageError {
    let doing = doing.into();
    move |source| match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => {
            StorageError::Full("the quota of the folder's owner is used up".to_owned())
        }
        // Of ours, not the kernel's: what guests have made goes beyond a limit.
        None if source.kind() == io::ErrorKind::InvalidInput => StorageError::Invalid(source.to_string()),
        _ => StorageError::Io { doing, source },
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Volumes {
    /// The folders below `home`, which is made where it is missing, for this user only. Mounts nothing yet.
    pub fn open(home: &Path) -> Result<Arc<Self>, StorageError> {
        let holding = madang_sandbox::volume::images_lack().map_or(Holding::Images, Holding::Counted);
        Self::open_as(home, holding, None)
    }

    /// As [`Volumes::open`], where other machines have their folders too. `home` has to be there: one that is not mounted is not made.
    pub fn open_shared(home: &Path, sharing: Sharing) -> Result<Arc<Self>, StorageError> {
        let place = place::of(home)?;
        Self::open_as(home, Holding::Shared(sharing), Some(place))
    }

    fn open_as(home: &Path, holding: Holding, place: Option<NodeId>) -> Result<Arc<Self>, StorageError> {
        let make = |path: PathBuf| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        for directory in [home.to_owned(), home.join(scope::SCOPES), home.join(keeper::MOUNTS)] {
            make(directory.clone()).map_err(failed(format!("making {}", directory.display())))?;
        }
        let home = &home.canonicalize().map_err(failed(format!("looking for {}", home.display())))?;
        if place.is_none() {
            scope::sweep_partial(home).map_err(failed("looking for images that were never whole"))?;
        }
        let register = Register::open(home.join("by-id"))?;
        let keeper = Keeper::start(home.to_owned(), holding.clone())?;
        let (lending, owners, copies, doors, counting) = Default::default();
        Ok(Arc::new(Self {
            home: home.to_owned(),
            holding,
            place,
            register,
            keeper,
            lending,
            owners,
            copies,
            doors,
            counting,
        }))
    }

    pub fn holding(&self) -> &Holding {
        &self.holding
    }

    /// What every machine calls a place that they share; none of one that is this machine's alone.
    pub fn place(&self) -> Option<NodeId> {
        self.place
    }

    /// See `Node::folder_owner_set`.
    pub fn owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), StorageError> {
        let quota = quota_held(quota);
        let scope = Scope::of(&self.home, owner);
        let _turn = self.owners.take(owner);
        scope.make(quota, &self.holding)?;
        self.keeper.with(move |rooms| rooms.set(&scope, quota))
    }

    /// See `Node::folder_owner_usage`.
    pub fn owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, StorageError> {
        let scope = self.scope(owner)?;
        let quota = scope.quota()?;
        let used = self.keeper.with(move |rooms| rooms.used(&scope))?;
        Ok(FolderOwnerUsage { used, quota })
    }

    /// See `Node::folder_make`.
    pub fn make(&self, place: FolderPlace) -> Result<(), StorageError> {
        let root = self.rooms(place.owner)?;
        self.register.put(place)?;
        match scope::make_folder(&root, place.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(failed("making a folder")),
        }
    }

    /// See `Node::folder_remove`.
    pub fn remove(&self, place: FolderPlace) -> Result<(), StorageError> {
        let scope = match self.scope(place.owner) {
            Err(StorageError::NotFound(_)) => return Ok(()),
            scope => scope?,
        };
        let root = self.root_of(&scope)?;
        self.lending.unless_lent(place.folder, || {
            let gone = scope::take_out(&root, place.folder);
            gone.map_err(failed("removing a folder"))
        })?;
        self.register.forget(place)?;
        remove::in_background(root);
        Ok(())
    }

    /// See `Node::folder_clone`.
    pub fn copy(&self, from: FolderPlace, to: FolderPlace) -> Result<(), StorageError> {
        let _turn = self.copies.take(to);
        if from.folder == to.folder && from.owner != to.owner {
            return self.hand_over(from, to);
        }
        let source = scope::folder(&self.rooms(from.owner)?, from.folder)?;
        let root = self.rooms(to.owner)?;
        if scope::folder(&root, to.folder).is_ok() {
            return Ok(());
        }
        self.register.put(to)?;
        let copied = copy::into_scope(&source, &root, to.folder);
        if copied.is_err() {
            self.register.forget(to)?;
            remove::in_background(root);
        }
        copied
    }

    /// A scope that has been made.
    fn scope(&self, owner: FolderOwner) -> Result<Scope, StorageError> {
        let scope = Scope::of(&self.home, owner);
        if scope.is_made() {
            return Ok(scope);
        }
        Err(StorageError::NotFound(format!("room for folders of {}", scope::owner_text(owner))))
    }

    /// The top of a scope's file system.
    fn root_of(&self, scope: &Scope) -> Result<OwnedFd, StorageError> {
        let scope = scope.clone();
        self.keeper.with(move |rooms| rooms.root(&scope))
    }

    fn rooms(&self, owner: FolderOwner) -> Result<OwnedFd, StorageError> {
        self.root_of(&self.scope(owner)?)
    }
}

impl Roots for Volumes {
    fn door(&self, folder: FolderId) -> Result<Door, StorageError> {
        self.door_of(folder)
    }

    fn root(&self, folder: FolderId) -> Result<OwnedFd, StorageError> {
        let (register, home) = (self.register.clone(), self.home.clone());
        // On the thread that may see where scopes are: callers have given up all rights but those of guests.
        self.keeper.with(move |rooms| {
            let place = register.find(folder)?;
            scope::folder(&rooms.root(&Scope::of(&home, place.owner))?, folder)
        })
    }

    fn staging(&self, folder: FolderId) -> Result<OwnedFd, StorageError> {
        let (register, home) = (self.register.clone(), self.home.clone());
        self.keeper.with(move |rooms| {
            let scope = Scope::of(&home, register.find(folder)?.owner);
            rooms.refuse_if_used_up(&scope)?;
            let root = rooms.root(&scope)?;
            scope::folder(&root, folder)?;
            scope::staging(&root, folder).map_err(failed("making room for an upload"))
        })
    }
}

/// What can be held of a quota: never the one before, which may be more.
fn quota_held(quota: FolderQuota) -> FolderQuota {
    FolderQuota {
        bytes: quota.bytes.clamp(FolderQuota::LEAST.bytes, QUOTA_BYTES_MAX),
        files: quota.files.clamp(FolderQuota::LEAST.files, QUOTA_FILES_MAX),
    }
}
