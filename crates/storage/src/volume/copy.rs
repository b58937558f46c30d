//! A folder copied: made beside the folders, and one of them when it is whole.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use madang_ids::FolderId;
use madang_sandbox::spawner::GUEST_ID;
use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, chownat, copy_file_range,
        fchmod, fstat, ftruncate, futimens, mkdirat, mknodat, openat2, readlinkat, seek, statat, symlinkat,
    },
    io::{Errno, pread, pwrite},
};

use super::{
    failed, scope,
    walk::{self, DEPTH_MAX, Names, ONE_STEP, is_gone, too_much},
};
use crate::StorageError;

/// Of one call.
const PIECE_BYTES: u64 = 16 << 20;
/// Where bytes go through our memory.
const BUFFER_BYTES: usize = 1 << 20;
/// What a file may be to all; bits that give powers are left behind.
const MODE_MASK: u32 = 0o777;

/// Copies everything in `source` to a folder that is not there yet. What is left of one that fails is removed by the caller.
pub(super) fn into_scope(source: &OwnedFd, root: &OwnedFd, folder: FolderId) -> Result<(), StorageError> {
    let name = folder.to_string();
    let path = format!("{}/{name}", scope::COPYING);
    let copied = (|| {
        // Of a copy that failed before.
        scope::condemn(root, &path)?;
        mkdirat(root, &path, Mode::from_raw_mode(0o700))?;
        let into = walk::step(&scope::open(root, scope::COPYING, OFlags::RDONLY)?, name.as_str())?;
        directory(walk::step(source, ".")?, &into, DEPTH_MAX)?;
        scope::put_in(root, &name, folder)
    })();
    copied.map_err(|error| {
        // Its room is free again, soon.
        let _ = scope::condemn(root, &path);
        failed("copying a folder")(error)
    })
}

fn directory(from: OwnedFd, into: &OwnedFd, depth: usize) -> io::Result<()> {
    if depth == 0 {
        return Err(too_much(format!("directories more than {DEPTH_MAX} deep")));
    }
    let mut names = Names::of(from)?;
    while let Some(name) = names.next().transpose()? {
        let from = names.directory()?;
        // What is gone by now, or is something else, is not copied.
        match statat(from, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => {}
            seen => entry(from, into, (&name, &seen?), depth)?,
        }
    }
    finish(into, &fstat(names.directory()?)?)
}

fn entry(from: BorrowedFd<'_>, into: &OwnedFd, (name, seen): (&CStr, &Stat), depth: usize) -> io::Result<()> {
    match FileType::from_raw_mode(seen.st_mode) {
        FileType::Directory => {
            let Some(below) = unless_gone(walk::step(from, name))? else { return Ok(()) };
            mkdirat(into, name, Mode::from_raw_mode(0o700))?;
            directory(below, &walk::step(into, name)?, depth - 1)
        }
        FileType::RegularFile => file(from, into, name),
        FileType::Symlink => {
            let target = readlinkat(from, name, Vec::new()).map_err(io::Error::from);
            let Some(target) = unless_gone(target)? else { return Ok(()) };
            symlinkat(target, into, name)?;
            own(into, name)
        }
        FileType::Fifo => {
            mknodat(into, name, FileType::Fifo, Mode::from_raw_mode(seen.st_mode & MODE_MASK), 0)?;
            own(into, name)
        }
        // Sockets and devices are nothing without what made them.
        _ => Ok(()),
    }
}

fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if is_gone(&error) => Ok(None),
        found => found.map(Some),
    }
}

fn file(from: BorrowedFd<'_>, into: &OwnedFd, name: &CStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat2(from, name, flags, Mode::empty(), ONE_STEP).map_err(io::Error::from);
    let Some(source) = unless_gone(opened)? else { return Ok(()) };
    let seen = fstat(&source)?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        // It was swapped for something else meanwhile.
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy = openat2(into, name, flags, Mode::from_raw_mode(0o600), ONE_STEP)?;
    ftruncate(&copy, seen.st_size.max(0) as u64)?;
    bytes(&source, &copy, seen.st_size.max(0) as u64)?;
    finish(&copy, &seen)
}

/// Only what was written: holes stay holes.
fn bytes(source: &OwnedFd, copy: &OwnedFd, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let begin = match seek(source, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return Ok(()),
            begin => begin?,
        };
        let end = seek(source, SeekFrom::Hole(begin))?.min(size);
        let mut read = begin;
        while read < end {
            match piece(source, copy, read, end - read)? {
                // It has become shorter.
                0 => return Ok(()),
                count => read += count as u64,
            }
        }
        at = end.max(begin + 1);
    }
    Ok(())
}

/// Copies some of what begins at `at`; how much.
fn piece(source: &OwnedFd, copy: &OwnedFd, at: u64, most: u64) -> io::Result<usize> {
    let (mut read, mut written) = (at, at);
    let piece = most.min(PIECE_BYTES) as usize;
    match copy_file_range(source, Some(&mut read), copy, Some(&mut written), piece) {
        // Another owner's file system, or one that knows no such thing: by hand.
        Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS) => {}
        copied => return Ok(copied?),
    }
    let mut buffer = vec![0; piece.min(BUFFER_BYTES)];
    let count = pread(source, &mut buffer, at)?;
    let mut done = 0;
    while done < count {
        done += pwrite(copy, &buffer[done..count], at + done as u64)?;
    }
    Ok(count)
}

fn own(directory: impl AsFd, name: &CStr) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (owner, group) = (Uid::from_raw(GUEST_ID), Gid::from_raw(GUEST_ID));
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    Ok(chownat(directory, name, Some(owner), Some(group), flags)?)
}

/// As the original is, for those who may have it.
fn finish(copy: &OwnedFd, seen: &Stat) -> io::Result<()> {
    own(copy, c"")?;
    fchmod(copy, Mode::from_raw_mode(seen.st_mode & MODE_MASK))?;
    let time = |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    let last_access = time(seen.st_atime as _, seen.st_atime_nsec as _);
    let last_modification = time(seen.st_mtime as _, seen.st_mtime_nsec as _);
    Ok(futimens(copy, &Timestamps { last_access, last_modification })?)
}
