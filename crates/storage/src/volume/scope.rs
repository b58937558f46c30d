//! A scope: one owner's folders, on this machine's disk as
//!
//! ```text
//! scopes/usr_…/image         the file system
//!              quota.json    what it is to hold
//! ```
//!
//! and in the file system, of which guests see single folders only,
//!
//! ```text
//! folders/fld_…   one folder, of the ids that guests have
//! staging/fld_…   what is not yet, or no longer, a part of it
//! copying/…       copies that are not whole
//! dying/…         what is to be removed
//! spare/          takes up what the file system has over the quota: see `measure`
//! ```

use std::{
    fs,
    io::{self, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
};

use madang_ids::FolderId;
use madang_model::{FolderOwner, FolderQuota};
use madang_sandbox::spawner::GUEST_ID;
use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chmodat, chownat, mkdirat, openat2},
    io::Errno,
};

use super::{Holding, failed, image};
use crate::{StorageError, rename::rename_new};

pub(super) const SCOPES: &str = "scopes";
const FOLDERS: &str = "folders";
const STAGING: &str = "staging";
pub(super) const COPYING: &str = "copying";
pub(super) const DYING: &str = "dying";
pub(super) const SPARE: &str = "spare";
pub(super) const SPARE_FILES: &str = "spare/files";
/// Every directory that we make; what `mkfs` makes besides is `lost+found`.
pub(super) const DIRECTORIES: [&str; 6] = [FOLDERS, STAGING, COPYING, DYING, SPARE, SPARE_FILES];
/// Names that are tried for something that dies.
const NAMES_MAX: u32 = 100_000;

/// Below the top, never through a link: names here are ours, but directories of guests are not far.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS);

#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub owner: FolderOwner,
    pub directory: PathBuf,
}

/// As in paths.
pub(super) fn owner_text(owner: FolderOwner) -> String {
    match owner {
        FolderOwner::User(id) => id.to_string(),
        FolderOwner::Project(id) => id.to_string(),
    }
}

pub(super) fn owner_of(text: &str) -> Option<FolderOwner> {
    let project = || text.parse().ok().map(FolderOwner::Project);
    text.parse().ok().map(FolderOwner::User).or_else(project)
}

/// Removes what a server before this one had begun to make an image of.
pub(super) fn sweep_partial(home: &Path) -> io::Result<()> {
    for scope in fs::read_dir(home.join(SCOPES))? {
        let scope = scope?;
        if !scope.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(scope.path())? {
            let entry = entry?;
            if image::is_partial(&entry.file_name()) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

impl Scope {
    pub fn of(home: &Path, owner: FolderOwner) -> Self {
        Self { owner, directory: home.join(SCOPES).join(owner_text(owner)) }
    }

    pub fn image(&self) -> PathBuf {
        self.directory.join("image")
    }

    /// Where folders are if nothing holds their owner.
    pub fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// One whose quota cannot be read (a machine lost its power) is made again, around what there is.
    pub fn is_made(&self) -> bool {
        self.quota().is_ok()
    }

    /// What it was last told to hold.
    pub fn quota(&self) -> Result<FolderQuota, StorageError> {
        let read = fs::read(self.directory.join("quota.json")).map_err(failed("reading a quota"))?;
        serde_json::from_slice(&read).map_err(|error| failed("reading a quota")(error.into()))
    }

    pub fn quota_keep(&self, quota: FolderQuota) -> io::Result<()> {
        let partial = self.directory.join("quota.part");
        let mut file = fs::File::create(&partial)?;
        file.write_all(&serde_json::to_vec(&quota)?)?;
        // Else a machine that loses its power may find the name and nothing behind it.
        file.sync_all()?;
        fs::rename(partial, self.directory.join("quota.json"))?;
        fs::File::open(&self.directory)?.sync_all()
    }

    /// Makes what is not there yet: whole, or not at all.
    pub fn make(&self, quota: FolderQuota, holding: &Holding) -> Result<(), StorageError> {
        let making = || failed(format!("making room for folders of {}", owner_text(self.owner)));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(making())?;
        match holding {
            Holding::Images if !self.image().exists() => image::make(&self.image(), quota),
            Holding::Images => Ok(()),
            Holding::Counted(_) | Holding::Shared(_) => fs::create_dir_all(self.tree()).map_err(making()),
        }
    }
}

/// A directory below the top, opened.
pub(super) fn open(root: impl AsFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat2(root, path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), BENEATH)?)
}

/// Everything that is there in a scope without folders.
pub(super) fn furnish(root: impl AsFd) -> io::Result<()> {
    for directory in DIRECTORIES {
        match mkdirat(&root, directory, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => {}
            made => made?,
        }
    }
    // Uploads and guests' directories are reached through these, by descriptor, as a guest.
    for directory in [FOLDERS, STAGING] {
        chmodat(&root, directory, Mode::from_raw_mode(0o711), AtFlags::empty())?;
    }
    chmodat(&root, ".", Mode::from_raw_mode(0o711), AtFlags::empty())?;
    Ok(())
}

/// The path of a folder below the top.
pub(super) fn path_of(folder: FolderId) -> String {
    format!("{FOLDERS}/{folder}")
}

pub(super) fn folder(root: &OwnedFd, folder: FolderId) -> Result<OwnedFd, StorageError> {
    match open(root, &path_of(folder), OFlags::PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StorageError::NotFound(format!("folder {folder}")))
        }
        opened => opened.map_err(failed("opening a folder")),
    }
}

pub(super) fn make_folder(root: &OwnedFd, folder: FolderId) -> io::Result<()> {
    make_for_guests(root, &path_of(folder))
}

pub(super) fn staging(root: &OwnedFd, folder: FolderId) -> io::Result<OwnedFd> {
    let path = format!("{STAGING}/{folder}");
    match make_for_guests(root, &path) {
        // Whoever makes it may not have come to the end.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => give_to_guests(root, &path)?,
        made => made?,
    }
    open(root, &path, OFlags::PATH)
}

fn make_for_guests(root: &OwnedFd, path: &str) -> io::Result<()> {
    mkdirat(root, path, Mode::from_raw_mode(0o755))?;
    give_to_guests(root, path)
}

fn give_to_guests(root: &OwnedFd, path: &str) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(GUEST_ID), Gid::from_raw(GUEST_ID));
    if rustix::process::geteuid().is_root() {
        chownat(root, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    // Past the process's umask.
    Ok(chmodat(root, path, Mode::from_raw_mode(0o755), AtFlags::empty())?)
}

/// A whole copy becomes a folder.
pub(super) fn put_in(root: &OwnedFd, copy: &str, folder: FolderId) -> io::Result<()> {
    let (from, to) = (format!("{COPYING}/{copy}"), path_of(folder));
    Ok(rename_new(root, from.as_str(), root, to.as_str())?)
}

/// The folder is none any more: what was in it dies, and what was to come into it.
pub(super) fn take_out(root: &OwnedFd, folder: FolderId) -> io::Result<()> {
    for path in [path_of(folder), format!("{STAGING}/{folder}")] {
        condemn(root, &path)?;
    }
    Ok(())
}

/// Moves something to where it dies; nothing to move is no error.
pub(super) fn condemn(root: &OwnedFd, path: &str) -> io::Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    for number in 0..NAMES_MAX {
        match rename_new(root, path, root, format!("{DYING}/{name}.{number}").as_str()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("too many of one name are being removed"))
}

#[cfg(test)]
mod tests {
    use madang_ids::{ProjectId, UserId};

    use super::*;

    #[test]
    fn owners_are_read_as_they_are_written() {
        for owner in [FolderOwner::User(UserId::new()), FolderOwner::Project(ProjectId::new())] {
            assert_eq!(owner_of(&owner_text(owner)), Some(owner));
        }
        assert_eq!(owner_of("../.."), None);
    }
}
