//! Looking at what guests have made: never through a link, never deeper than there are descriptors for.

use std::{
    collections::HashSet,
    ffi::CString,
    io,
    os::fd::{AsFd, OwnedFd},
};

use madang_model::FolderUsage;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat},
    io::Errno,
    path::Arg,
};

use super::failed;
use crate::StorageError;

/// Directories in directories that are looked into.
pub(super) const DEPTH_MAX: usize = 128;
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

/// What is in a directory that is open for reading, from its beginning.
pub(super) fn names(directory: impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// What the directory and all below it take.
pub(super) fn usage(top: &OwnedFd) -> Result<FolderUsage, StorageError> {
    let mut count = Count { sum: FolderUsage::default(), linked: HashSet::new() };
    count.directory(top, DEPTH_MAX)?;
    Ok(count.sum)
}

struct Count {
    sum: FolderUsage,
    linked: HashSet<u64>,
}

impl Count {
    fn directory(&mut self, directory: &OwnedFd, depth: usize) -> Result<(), StorageError> {
        let looking = || failed("looking at what a folder holds");
        if depth == 0 {
            return Err(StorageError::Invalid(format!("a folder has directories more than {DEPTH_MAX} deep")));
        }
        let seen = statat(directory, c"", AtFlags::EMPTY_PATH).map_err(|error| looking()(error.into()))?;
        self.add(seen.st_blocks as u64);
        let open = step(directory, ".").map_err(looking())?;
        for name in names(&open).map_err(looking())? {
            // What is gone by now is not counted.
            let seen = match statat(&open, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                seen => seen.map_err(|error| looking()(error.into()))?,
            };
            if FileType::from_raw_mode(seen.st_mode) == FileType::Directory {
                if let Ok(below) = step(&open, &name) {
                    self.directory(&below, depth - 1)?;
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
