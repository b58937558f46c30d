//! File system calls that cannot leave a directory: every one goes through a descriptor opened beneath it and through no link.

use std::{os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags},
    io::Errno,
};

use super::OpaqueMark;
use crate::tar::EntryName;

/// A directory and the descriptor of the directory below it that was used last.
pub(super) struct Beneath {
    root: OwnedFd,
    last: Option<(String, OwnedFd)>,
}

/// Never out, never through a link of any kind, never onto another file system.
const WALLS: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Beneath {
    pub(super) fn open(root: &Path) -> Result<Beneath, Errno> {
        let root = fs::open(root, DIRECTORY, Mode::empty())?;
        Ok(Beneath { root, last: None })
    }

    /// Makes a directory, or changes the mode of one that is there.
    pub(super) fn directory(&mut self, name: &EntryName, mode: u32) -> Result<(), Errno> {
        let (above, last) = name.split();
        let parent = self.parent(above)?;
        match fs::mkdirat(parent, last, Mode::from_raw_mode(mode)) {
            Ok(()) => {}
            Err(Errno::EXIST) if kind_at(parent, last)? == FileType::Directory => {}
            Err(errno) => return Err(errno),
        }
        let made = fs::openat2(parent, last, DIRECTORY, Mode::empty(), WALLS)?;
        fs::fchmod(&made, Mode::from_raw_mode(mode))
    }

    /// Makes an empty file, which must not be there yet.
    pub(super) fn create(&mut self, name: &EntryName) -> Result<OwnedFd, Errno> {
        let (above, last) = name.split();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat2(self.parent(above)?, last, flags, Mode::from_raw_mode(0o600), WALLS)
    }

    pub(super) fn symlink(&mut self, name: &EntryName, target: &str) -> Result<(), Errno> {
        let (above, last) = name.split();
        fs::symlinkat(target, self.parent(above)?, last)
    }

    /// Gives the file `target` a second name.
    pub(super) fn hard_link(&mut self, name: &EntryName, target: &EntryName) -> Result<(), Errno> {
        let (target_above, target_last) = target.split();
        let target_parent = self.existing(target_above)?;
        let (above, last) = name.split();
        // Without AT_SYMLINK_FOLLOW a link would be linked, not followed.
        fs::linkat(&target_parent, target_last, self.parent(above)?, last, AtFlags::empty())
    }

    /// What is there; links are not followed, neither on the way nor at the end.
    pub(super) fn kind(&mut self, name: &EntryName) -> Result<FileType, Errno> {
        let (above, last) = name.split();
        kind_at(&self.existing(above)?, last)
    }

    /// What overlayfs takes for "nothing here": a character device with number 0:0, which needs no privilege and opens nothing.
    pub(super) fn whiteout(&mut self, name: &EntryName) -> Result<(), Errno> {
        let (above, last) = name.split();
        fs::mknodat(self.parent(above)?, last, FileType::CharacterDevice, Mode::empty(), 0)
    }

    /// Makes lower layers' contents of a directory invisible.
    pub(super) fn mark_opaque(&mut self, directory: &str, mark: OpaqueMark) -> Result<(), Errno> {
        fs::fsetxattr(self.parent(directory)?, mark.attribute(), b"y", XattrFlags::empty())
    }

    /// Opens a directory that must exist.
    fn existing(&self, directory: &str) -> Result<OwnedFd, Errno> {
        let path = if directory.is_empty() { "." } else { directory };
        fs::openat2(&self.root, path, DIRECTORY, Mode::empty(), WALLS)
    }

    /// Opens a directory, making what is missing of it. Archives go directory by directory, so the last one is kept open.
    fn parent(&mut self, directory: &str) -> Result<&OwnedFd, Errno> {
        if self.last.as_ref().is_none_or(|(known, _)| known != directory) {
            let opened = match self.existing(directory) {
                Err(Errno::NOENT) => self.make(directory)?,
                opened => opened?,
            };
            self.last = Some((directory.to_owned(), opened));
        }
        Ok(&self.last.as_ref().expect("it was set just above").1)
    }

    fn make(&self, directory: &str) -> Result<OwnedFd, Errno> {
        let mut reached = self.existing("")?;
        for part in directory.split('/') {
            match fs::mkdirat(&reached, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => fs::chmodat(&reached, part, Mode::from_raw_mode(0o755), AtFlags::empty())?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            reached = fs::openat2(&reached, part, DIRECTORY, Mode::empty(), WALLS)?;
        }
        Ok(reached)
    }
}

fn kind_at(parent: &OwnedFd, name: &str) -> Result<FileType, Errno> {
    let seen = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(seen.st_mode))
}

/// Gives a finished file its mode and time of change.
pub(super) fn settle(file: &OwnedFd, mode: u32, mtime: i64) -> Result<(), Errno> {
    fs::fchmod(file, Mode::from_raw_mode(mode))?;
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    fs::futimens(file, &Timestamps { last_access: time, last_modification: time })
}
