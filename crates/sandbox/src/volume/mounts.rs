//! Mounts of volumes, and how a folder is lent to one sandbox.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::CWD,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
        fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree,
        unmount,
    },
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::spawner::{MountAttr, set_attributes};

/// Options of every file system of folders. Blocks are given out when something is written, not when it reaches the disk: else what a
/// full file system still needs for its own records would come out of nobody's quota. Errors end in a file system that is only read.
const OPTIONS: [&str; 4] = ["nodelalloc", "dioread_lock", "discard", "noinit_itable"];

/// What a sandbox may do to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// From now on the calling thread has mounts of its own: it sees those that the machine makes later, nobody sees its own.
pub fn private_namespace() -> io::Result<()> {
    // SAFETY: the new namespace and the new root and working directories are this thread's alone; no memory or descriptor is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

/// Mounts the file system of a device, nowhere yet. One that is mounted already, in a sandbox perhaps, is the same one.
pub fn mount_ext4(device: &Path) -> io::Result<OwnedFd> {
    let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", CString::new(device.as_os_str().as_encoded_bytes())?)?;
    fsconfig_set_string(&context, "errors", "remount-ro")?;
    OPTIONS.iter().try_for_each(|option| fsconfig_set_flag(&context, *option))?;
    fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOATIME;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Hangs a mount that hangs nowhere into the calling thread's namespace.
pub fn attach(tree: impl AsFd, at: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Takes it out again; whoever holds a descriptor in it goes on.
pub fn detach(at: &Path) -> io::Result<()> {
    Ok(unmount(at, UnmountFlags::DETACH)?)
}

/// A mount of the directory `path` below `root` and of nothing above it, for whoever hangs it up: without devices and without powers of
/// those who own programs in it, its ids read as those inside `ids`. The calling thread must have `root` in its namespace.
pub fn lend(root: impl AsFd, path: &str, access: Access, ids: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    let tree = open_tree(&root, path, flags)?;
    let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_IDMAP;
    if access == Access::ReadOnly {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    let user_namespace = ids.as_raw_fd() as u64;
    let attributes = MountAttr { set, clear: 0, propagation: libc::MS_PRIVATE, user_namespace };
    set_attributes(&tree, c"", libc::AT_EMPTY_PATH, &attributes)?;
    Ok(tree)
}
