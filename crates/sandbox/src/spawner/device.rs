//! Devices and driver libraries of the machine, shown to one slot and no other.
//!
//! The spawner takes hold of each file where the machine's file system is to be seen, as a mount that hangs nowhere. The slot's child
//! hangs it into a `/dev` of its own, made of the template's devices and these. A guest cannot make a device node that works, and sees no
//! other that was made: what is not mounted here it does not have.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    },
    path::{Component, Path},
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::{MountFlags, MoveMountFlags, mount, mount_bind, mount_remount, move_mount},
};

use crate::{
    link::path_of,
    spawner::{
        LIBRARIES, MountAt, SlotMount,
        ground::{Ground, NEW_ROOT},
        template::{DEVICE_LINKS, DEVICES, MountAttr, clone_tree, set_attributes},
    },
};

/// Directories of `/dev` that more is mounted on later.
const DIRECTORIES: [&str; 2] = ["pts", "shm"];

impl Ground {
    /// Takes hold of the files, in their order.
    pub(super) fn lend(&self, mounts: &[SlotMount]) -> io::Result<Vec<OwnedFd>> {
        if mounts.is_empty() {
            return Ok(Vec::new());
        }
        self.on_machine(|| mounts.iter().map(|mount| self.lend_one(mount)).collect())
    }

    fn lend_one(&self, mount: &SlotMount) -> io::Result<OwnedFd> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", mount.source.display()));
        let mut parts = Path::new(&mount.name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(io::Error::other(format!("`{}` is no plain file name", mount.name)));
        }
        let tree = clone_tree(&mount.source).map_err(named)?;
        let (also, clear) = match mount.at {
            // Where we are not root the machine's flags cannot be lifted, and `/dev` has none in the way.
            MountAt::Device if self.rootless => (libc::MOUNT_ATTR_NOEXEC, 0),
            MountAt::Device => (libc::MOUNT_ATTR_NOEXEC, libc::MOUNT_ATTR_NODEV),
            MountAt::Library => (libc::MOUNT_ATTR_NODEV, 0),
        };
        let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | also;
        let attributes = MountAttr { set, clear, propagation: libc::MS_PRIVATE, user_namespace: 0 };
        set_attributes(&tree, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, &attributes).map_err(named)?;
        Ok(tree)
    }
}

/// In the slot's child: a `/dev` with the template's devices and the lent ones.
pub(super) fn show_devices(mounts: &[SlotMount], lent: &[OwnedFd]) -> io::Result<()> {
    let path = format!("{NEW_ROOT}/dev");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let template = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mount("tmpfs", &path, "tmpfs", flags, c"mode=0755,size=64k")?;
    for (name, ..) in DEVICES {
        let target = format!("{path}/{name}");
        make_file(&target)?;
        mount_bind(format!("{}/{name}", path_of(&template)), target)?;
    }
    for (name, target) in DEVICE_LINKS {
        symlink(target, format!("{path}/{name}"))?;
    }
    DIRECTORIES.iter().try_for_each(|name| fs::DirBuilder::new().mode(0o755).create(format!("{path}/{name}")))?;
    hang(mounts, lent, MountAt::Device, &path)?;
    Ok(mount_remount(&path, MountFlags::BIND | MountFlags::RDONLY | flags, c"")?)
}

/// In the slot's child, once `/run/madang` is its own: the lent libraries.
pub(super) fn show_libraries(mounts: &[SlotMount], lent: &[OwnedFd]) -> io::Result<()> {
    let path = format!("{NEW_ROOT}{LIBRARIES}");
    fs::DirBuilder::new().mode(0o755).create(&path)?;
    hang(mounts, lent, MountAt::Library, &path)
}

fn hang(mounts: &[SlotMount], lent: &[OwnedFd], at: MountAt, directory: &str) -> io::Result<()> {
    for (mount, tree) in mounts.iter().zip(lent).filter(|(mount, _)| mount.at == at) {
        let target = format!("{directory}/{}", mount.name);
        make_file(&target)?;
        move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    Ok(())
}

/// An empty file that something is mounted on; two of one name are a mistake.
fn make_file(path: &str) -> io::Result<()> {
    fs::OpenOptions::new().create_new(true).write(true).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}
