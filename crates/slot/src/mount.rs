//! Folders, hung up below `/home/work`: each step of the path is taken by itself, as the guest, and none through a link. What is on the way
//! may be another folder, with whatever somebody has planted in it.

use std::{io, os::fd::OwnedFd};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2},
    io::Errno,
    mount::{MoveMountFlags, move_mount},
};

const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const ONE_STEP: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Hangs the mount up at `at`; directories that are missing on the way are made.
pub fn hang(folder: Option<OwnedFd>, at: &str) -> io::Result<()> {
    let folder = folder.ok_or(io::ErrorKind::InvalidInput)?;
    let mut reached = rustix::fs::open(crate::program::WORK, FLAGS, Mode::empty())?;
    for name in at.split('/') {
        // Nor the work directory itself: nothing of the slot's would be seen any more.
        if matches!(name, "" | "." | "..") {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        reached = match openat2(&reached, name, FLAGS, Mode::empty(), ONE_STEP) {
            Err(Errno::NOENT) => {
                mkdirat(&reached, name, Mode::from_raw_mode(0o755))?;
                openat2(&reached, name, FLAGS, Mode::empty(), ONE_STEP)?
            }
            opened => opened?,
        };
    }
    let by_descriptors = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(&folder, "", &reached, "", by_descriptors)?)
}
