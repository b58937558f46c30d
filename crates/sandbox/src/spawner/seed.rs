//! What an image has in the work directory, copied to where a sandbox may write. Most images have nothing there, and then this is one look.
//!
//! It runs in the child, as root of the slot's own user namespace and in the slot's cgroup: what is copied is the sandbox's memory, and no more
//! of it than its disk holds. What is read comes from an image, which is not ours: every step goes beneath the one before and through no link.

use std::{ffi::CString, fs::File, io, os::fd::OwnedFd};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod,
        fchown, futimens, mkdirat, openat2, readlinkat, statat, symlinkat,
    },
    io::Errno,
};

const WALLS: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const MAKE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Images have no deeper names.
const DEPTH_MAX: usize = 128;

/// Copies what is in a directory of the root into another; all of it becomes `guest`'s.
pub(super) fn copy(root: &str, (from, to): (&str, &str), guest: u32) -> io::Result<()> {
    let root = rustix::fs::open(root, DIRECTORY, Mode::empty())?;
    let from = match openat2(&root, from, DIRECTORY, Mode::empty(), WALLS) {
        Ok(from) => from,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let to = openat2(&root, to, DIRECTORY, Mode::empty(), WALLS)?;
    let copied = directory(&from, &to, guest, DEPTH_MAX);
    copied.map_err(|error| io::Error::new(error.kind(), format!("the image's work directory: {error}")))
}

fn directory(from: &OwnedFd, to: &OwnedFd, guest: u32, depth: usize) -> io::Result<()> {
    if depth == 0 {
        return Err(io::Error::other("it is too deep"));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let name = name.to_owned();
        let seen = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory => {
                let below = openat2(from, &name, DIRECTORY, Mode::empty(), WALLS)?;
                mkdirat(to, &name, Mode::RWXU)?;
                let made = openat2(to, &name, DIRECTORY, Mode::empty(), WALLS)?;
                directory(&below, &made, guest, depth - 1)?;
                settle(&made, &seen, guest)?;
            }
            FileType::RegularFile => file(from, to, (&name, &seen), guest)?,
            FileType::Symlink => {
                symlinkat(readlinkat(from, &name, Vec::new())?, to, &name)?;
                let (uid, gid) = ids(guest);
                chownat(to, &name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            // Unpacking makes nothing else.
            _ => {}
        }
    }
    Ok(())
}

fn file(from: &OwnedFd, to: &OwnedFd, (name, seen): (&CString, &Stat), guest: u32) -> io::Result<()> {
    let mut source = File::from(openat2(from, name, READ, Mode::empty(), WALLS)?);
    let made = openat2(to, name, MAKE, Mode::RUSR | Mode::WUSR, WALLS)?;
    let mut target = File::from(made);
    io::copy(&mut source, &mut target)?;
    settle(&target.into(), seen, guest)
}

/// Owner, mode and time. The owner may change what is its own, whatever the image says.
fn settle(made: &OwnedFd, seen: &Stat, guest: u32) -> io::Result<()> {
    let (uid, gid) = ids(guest);
    fchown(made, uid, gid)?;
    fchmod(made, Mode::from_raw_mode(seen.st_mode & 0o1777))?;
    let time = Timespec { tv_sec: seen.st_mtime, tv_nsec: 0 };
    Ok(futimens(made, &Timestamps { last_access: time, last_modification: time })?)
}

fn ids(guest: u32) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(guest)), Some(Gid::from_raw(guest)))
}
