//! Directories made, names moved and removed.

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, chmod, mkdirat, renameat, statat, unlinkat},
    io::Errno,
    path::Arg,
};

use super::{Tree, TreePath, failed, open_beneath};
use crate::{StorageError, rename::rename_new, transfer::token};

const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);
/// Removal goes so deep with directories open; what is deeper is first brought up.
const OPEN_DEPTH_MAX: usize = 32;
/// A directory that somebody fills again while it is emptied is left for later after so many rounds.
const EMPTY_ROUNDS_MAX: usize = 4;
/// What a directory on its way out is called in the staging directory.
pub(crate) const GONE: &str = ".gone";

/// Directories on the way to what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    MustExist,
    Make,
}

/// What is there already under that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Refuse,
    /// A directory that is to be made is there then; a file makes place for the new one.
    Accept,
}

impl Tree {
    pub fn make_directory(&self, path: &TreePath, parents: Parents, existing: Existing) -> Result<(), StorageError> {
        let Some((above, name)) = path.split_last() else {
            return match existing {
                Existing::Accept => Ok(()),
                Existing::Refuse => Err(StorageError::Conflict("the folder is there already".to_owned())),
            };
        };
        let _passing = self.pass()?;
        let parent = self.open_parents(&above, parents)?;
        match mkdirat(&parent, name, DIRECTORY_MODE) {
            Err(Errno::EXIST) if existing == Existing::Accept => {
                // A file of that name is none.
                open_beneath(&parent, name, OFlags::PATH | OFlags::DIRECTORY).map(drop).map_err(|errno| match errno {
                    Errno::NOTDIR => StorageError::Conflict(format!("{path} is there already and is no directory")),
                    errno => failed(path)(errno),
                })
            }
            made => made.map_err(failed(path)),
        }
    }

    /// The directory at `path`, made with all above it if that is wanted.
    pub(crate) fn open_parents(&self, path: &TreePath, parents: Parents) -> Result<OwnedFd, StorageError> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(StorageError::NotFound(_)) if parents == Parents::Make => {}
            other => return other,
        }
        let mut at = self.open(&TreePath::default(), OFlags::PATH | OFlags::DIRECTORY)?;
        for name in path.names() {
            match mkdirat(&at, name, DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(path)(errno)),
            }
            at = open_beneath(&at, name, OFlags::PATH | OFlags::DIRECTORY).map_err(failed(path))?;
        }
        Ok(at)
    }

    /// Another name, in this directory or elsewhere in the folder.
    pub fn rename(&self, from: &TreePath, to: &TreePath, existing: Existing) -> Result<(), StorageError> {
        if to != from && to.is_within(from) {
            return Err(StorageError::Conflict(format!("{to} is inside of {from}")));
        }
        let (old, old_name) = self.parent(from)?;
        statat(&old, old_name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(from))?;
        let (new, new_name) = self.parent(to)?;
        let _passing = self.pass()?;
        rename(&old, old_name, &new, new_name, existing).map_err(failed(to))
    }

    /// A file, a link, an empty directory.
    pub fn remove(&self, path: &TreePath) -> Result<(), StorageError> {
        let (parent, name) = self.parent(path)?;
        let _passing = self.pass()?;
        match unlinkat(&parent, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => unlinkat(&parent, name, AtFlags::REMOVEDIR),
            other => other,
        }
        .map_err(failed(path))
    }

    /// Whatever is there, with all beneath it: out of sight in one step, and then gone bit by bit. What a crash leaves is removed by
    /// [`Tree::clear_gone`].
    pub fn remove_all(&self, path: &TreePath) -> Result<(), StorageError> {
        let (parent, name) = self.parent(path)?;
        let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed(path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.remove(path);
        }
        let passing = self.pass()?;
        let Ok(staging) = self.staging() else {
            // Nothing may be written; what is there may go all the same, if not in one step.
            return self.empty(&parent, name, 0, &mut Vec::new()).map_err(failed(path));
        };
        let gone = format!("{}{GONE}", token()?);
        match rename_new(&parent, name, staging, gone.as_str()) {
            // A directory that its owner may not write cannot get another parent.
            Err(Errno::ACCESS) => {
                permit(&open_beneath(&parent, name, OFlags::PATH | OFlags::DIRECTORY).map_err(failed(path))?);
                rename_new(&parent, name, staging, gone.as_str())
            }
            other => other,
        }
        .map_err(failed(path))?;
        // The rest happens beside the folder.
        drop(passing);
        self.clear(staging, gone).map_err(failed(path))
    }

    /// Removes what removals that were cut off have left.
    pub(crate) fn clear_gone(&self) -> Result<(), Errno> {
        let Ok(staging) = self.staging() else { return Ok(()) };
        let mut left = Vec::new();
        for entry in Dir::read_from(&open_beneath(staging, b".", OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(GONE) {
                left.push(name);
            }
        }
        left.into_iter().try_for_each(|name| self.clear(staging, name))
    }

    fn clear(&self, staging: &OwnedFd, gone: String) -> Result<(), Errno> {
        let mut left = vec![gone];
        while let Some(name) = left.pop() {
            self.empty(staging, name.as_bytes(), 0, &mut left)?;
        }
        Ok(())
    }

    /// Whoever sweeps meanwhile removes the same: what is not there any more is done.
    fn empty(&self, parent: &OwnedFd, name: &[u8], depth: usize, left: &mut Vec<String>) -> Result<(), Errno> {
        let Some(directory) = there(open_beneath(parent, name, OFlags::PATH | OFlags::DIRECTORY))? else {
            return Ok(());
        };
        permit(&directory);
        for _ in 0..EMPTY_ROUNDS_MAX {
            let reading = open_beneath(parent, name, OFlags::RDONLY | OFlags::DIRECTORY);
            let Some(directory) = there(reading)? else { return Ok(()) };
            // A directory that somebody else has removed is read to its end at once.
            for entry in Dir::read_from(&directory)?.map_while(|entry| there(entry).transpose()) {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                match unlinkat(&directory, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(Errno::ISDIR) if depth < OPEN_DEPTH_MAX => self.empty(&directory, name, depth + 1, left)?,
                    Err(Errno::ISDIR) => left.extend(there(self.bring_up(&directory, name))?),
                    Err(errno) => return Err(errno),
                }
            }
            match unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY) => {}
                other => return there(other).map(drop),
            }
        }
        Err(Errno::BUSY)
    }

    fn bring_up(&self, from: &OwnedFd, name: &[u8]) -> Result<String, Errno> {
        permit(&open_beneath(from, name, OFlags::PATH | OFlags::DIRECTORY)?);
        let staging = self.staging().map_err(|_| Errno::NOSPC)?;
        let gone = format!("{}{GONE}", token().map_err(|_| Errno::IO)?);
        rename_new(from, name, staging, gone.as_str())?;
        Ok(gone)
    }
}

pub(crate) fn rename(
    from: impl AsFd,
    name: impl Arg + Copy,
    to: impl AsFd,
    new_name: impl Arg + Copy,
    existing: Existing,
) -> Result<(), Errno> {
    match existing {
        Existing::Refuse => rename_new(from, name, to, new_name),
        Existing::Accept => renameat(from, name, to, new_name),
    }
}

/// Nothing, where it is not there any more.
fn there<T>(found: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

/// Lets its owner into a directory that is to be removed. Where that fails, removing it says why.
fn permit(directory: &OwnedFd) {
    let _ = chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), Mode::RWXU);
}
