//! Looking at what guests have made: never through a link, never deeper than there are descriptors for, and never more of it in memory
//! than one name of each level.

use std::{
    collections::HashSet,
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use madang_model::FolderUsage;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, statat},
    io::Errno,
    path::Arg,
};

use super::failed;
use crate::StorageError;

/// Directories in directories that are looked into.
pub(super) const DEPTH_MAX: usize = 128;
/// Names that one count looks at: hard links cost a guest next to nothing.
const COUNTED_MAX: usize = 4_000_000;
/// Files of several names that are told apart in one count; more count once for each name.
const LINKED_MAX: usize = 1_000_000;
const SECTOR_BYTES: u64 = 512;
pub(super) const ONE_STEP: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS);

/// A directory in a directory.
pub(super) fn step(directory: impl AsFd, name: impl Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat2(directory, name, flags, Mode::empty(), ONE_STEP)?)
}

/// Whether a name led to nothing, or to something else than it just did: guests work while we look.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::INVAL))
}

/// What is in a directory, name by name.
#[derive(Debug)]
pub(super) struct Names(Dir);

impl Names {
    /// Of a directory that is open for reading, from its beginning.
    pub fn of(directory: OwnedFd) -> io::Result<Self> {
        Ok(Self(Dir::new(directory)?))
    }

    pub fn directory(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.0.fd()?)
    }
}

impl Iterator for Names {
    type Item = io::Result<CString>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = match self.0.next()? {
                Ok(entry) => entry.file_name().to_owned(),
                Err(errno) => return Some(Err(errno.into())),
            };
            if name.as_bytes() != b"." && name.as_bytes() != b".." {
                return Some(Ok(name));
            }
        }
    }
}

/// What the directory and all below it take.
pub(super) fn usage(top: &OwnedFd) -> Result<FolderUsage, StorageError> {
    let mut count = Count { sum: FolderUsage::default(), linked: HashSet::new(), left: COUNTED_MAX };
    let counted = step(top, ".").and_then(|top| count.directory(top, DEPTH_MAX));
    counted.map_err(failed("looking at what a folder holds"))?;
    Ok(count.sum)
}

struct Count {
    sum: FolderUsage,
    linked: HashSet<u64>,
    /// Names that may still be looked at.
    left: usize,
}

impl Count {
    fn directory(&mut self, directory: OwnedFd, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Err(too_much(format!("a folder has directories more than {DEPTH_MAX} deep")));
        }
        self.add(fstat(&directory)?.st_blocks as u64);
        let mut names = Names::of(directory)?;
        while let Some(name) = names.next().transpose()? {
            let too_many = || too_much(format!("a folder has more than {COUNTED_MAX} names"));
            self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
            let directory = names.directory()?;
            // What is gone by now is not counted.
            let seen = match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                seen => seen?,
            };
            if FileType::from_raw_mode(seen.st_mode) == FileType::Directory {
                if let Ok(below) = step(directory, &name) {
                    self.directory(below, depth - 1)?;
                }
            } else if seen.st_nlink < 2 || self.linked.len() >= LINKED_MAX || self.linked.insert(seen.st_ino) {
                self.add(seen.st_blocks as u64);
            }
        }
        Ok(())
    }

    fn add(&mut self, sectors: u64) {
        self.sum.bytes += sectors * SECTOR_BYTES;
        self.sum.files += 1;
    }
}

/// What guests have made goes beyond a limit: see [`failed`].
pub(super) fn too_much(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
