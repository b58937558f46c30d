//! What is beneath a folder's top directory: opened, listed, changed, searched.
//!
//! Everything here blocks, and trusts nothing that it finds: a program may have the folder mounted and change it meanwhile. Each step is
//! resolved by the kernel beneath the top (`openat2(2)`), over no symbolic link and into no other file system.

mod change;
mod entry;
mod list;
mod path;
mod room;
mod search;
mod walk;

use std::{io, os::fd::OwnedFd};

pub use change::{Existing, Parents};
pub(crate) use change::{GONE, rename};
pub use entry::{Entry, EntryKind, etag, modified_ms};
pub use list::{LIST_ENTRIES_MAX, Listing};
pub use path::{NAME_BYTES_MAX, PATH_BYTES_MAX, TreePath, percent_decoded, percent_encoded};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2},
    io::Errno,
};
pub use search::{Found, NAME_PATTERN_BYTES_MAX, SEARCH_FOUND_MAX};
pub use walk::{Met, Walk};

use crate::{Door, Passing, StorageError};

/// The kernel asks to try again when somebody renames directories on the way.
const RESOLVE_TRIES_MAX: usize = 16;
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// One folder, and the place beside it for what is not part of it.
#[derive(Debug)]
pub struct Tree {
    door: Door,
    pub(crate) root: OwnedFd,
    /// Or why there is none: a folder of an owner who may write nothing more can be read all the same.
    staging: Result<OwnedFd, String>,
}

impl Tree {
    /// With a place beside it, or why nothing may be written.
    pub fn new(door: Door, root: OwnedFd, staging: Result<OwnedFd, String>) -> Self {
        Self { door, root, staging }
    }

    /// For one change of what is in the folder.
    pub(crate) fn pass(&self) -> Result<Passing<'_>, StorageError> {
        self.door.pass()
    }

    pub(crate) fn staging(&self) -> Result<&OwnedFd, StorageError> {
        self.staging.as_ref().map_err(|why| StorageError::Full(why.clone()))
    }

    /// A file's bytes, and what it was when it was opened. Nothing waits: not even a pipe without a writer.
    pub fn file(&self, path: &TreePath) -> Result<(OwnedFd, Stat), StorageError> {
        let fd = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stat = fstat(&fd).map_err(failed(path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((fd, stat)),
            FileType::Directory => Err(StorageError::Conflict(format!("{path} is a directory"))),
            _ => Err(StorageError::Conflict(format!("{path} is no file"))),
        }
    }

    pub fn stat(&self, path: &TreePath) -> Result<Stat, StorageError> {
        let fd = self.open(path, OFlags::PATH)?;
        fstat(&fd).map_err(failed(path))
    }

    pub fn entry(&self, path: &TreePath) -> Result<Entry, StorageError> {
        Ok(Entry::of(path, &self.stat(path)?))
    }

    /// To look into: its names can be read.
    fn directory(&self, path: &TreePath) -> Result<OwnedFd, StorageError> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// To do something to a name in it.
    fn parent<'p>(&self, path: &'p TreePath) -> Result<(OwnedFd, &'p [u8]), StorageError> {
        let (parent, name) =
            path.split_last().ok_or_else(|| StorageError::Conflict("this is the folder itself".to_owned()))?;
        Ok((self.open(&parent, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }

    fn open(&self, path: &TreePath, flags: OFlags) -> Result<OwnedFd, StorageError> {
        let name = if path.is_top() { b"." } else { path.as_bytes() };
        open_beneath(&self.root, name, flags).map_err(failed(path))
    }
}

/// Opens what is there; the last name may be a symbolic link only for `O_PATH`, and then it is the link.
fn open_beneath(at: &OwnedFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    for _ in 0..RESOLVE_TRIES_MAX {
        match openat2(at, name, flags, Mode::empty(), RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// What the kernel said, by what the caller can do about it.
pub(crate) fn failed(path: &TreePath) -> impl Fn(Errno) -> StorageError {
    let path = path.to_string();
    move |errno| match errno {
        Errno::NOENT | Errno::NOTDIR => StorageError::NotFound(path.clone()),
        Errno::EXIST => StorageError::Conflict(format!("{path} is there already")),
        Errno::NOTEMPTY => StorageError::Conflict(format!("{path} is not empty")),
        Errno::ISDIR => StorageError::Conflict(format!("{path} is a directory")),
        Errno::LOOP => StorageError::Conflict(format!("{path}: symbolic links are not followed")),
        Errno::XDEV => StorageError::Conflict(format!("{path} is on another file system")),
        // A socket, or a device that is none.
        Errno::NXIO | Errno::NODEV => StorageError::Conflict(format!("{path} is neither a file nor a directory")),
        Errno::BUSY => StorageError::Conflict(format!("{path} is in use")),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            StorageError::Denied(format!("{path}: its permissions do not allow this"))
        }
        Errno::NAMETOOLONG | Errno::INVAL => StorageError::Invalid(format!("{path} is no possible path")),
        Errno::NOSPC | Errno::DQUOT => {
            StorageError::Full(format!("no space for {path}: the quota of its owner is used up"))
        }
        Errno::AGAIN => StorageError::Unavailable(format!("{path} is being moved about; try again")),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => StorageError::Unavailable("too much is open now".to_owned()),
        errno => StorageError::Io { doing: path.clone(), source: io::Error::from(errno) },
    }
}
