//! What the spawner stands on: two mount namespaces, cgroup directories, the init program, and the templates made so far.
//!
//! Templates are assembled from the machine's file system in one namespace, and live in another that holds nothing else: every slot
//! starts as a copy of that one, so it must be small.

use std::{
    fs, io,
    io::Write as _,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FlockOperation, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, flock, memfd_create},
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change,
        move_mount, open_tree, unmount,
    },
    process::{fchdir, getuid, pivot_root},
    thread::{
        CapabilitiesSecureBits, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
        set_capabilities_secure_bits, unshare_unsafe,
    },
};

use crate::cgroup::Cgroups;

/// Directories of the small namespace: where templates are, and where a slot's root is assembled.
pub(super) const TEMPLATES: &str = "/templates";
pub(super) const NEW_ROOT: &str = "/new";

/// Everything slots are made from.
pub(super) struct Ground {
    pub(super) cgroups: Cgroups,
    /// Where slots have their directories, with the sockets of their inits.
    pub(super) slots: OwnedFd,
    /// The init program, sealed.
    pub(super) init: OwnedFd,
    /// What is weaker than it could be.
    pub(super) notes: Vec<String>,
    /// We are not root on this machine: one id, no cgroups of our own.
    pub(super) rootless: bool,
    machine: OwnedFd,
    small: OwnedFd,
}

impl Ground {
    pub(super) fn open(instance: &str, slots: &Path) -> io::Result<Self> {
        let mut notes = Vec::new();
        let rootless = !getuid().is_root();
        let cgroups = if rootless { Cgroups::none() } else { Cgroups::open(instance)? };
        let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let slots_directory = rustix::fs::open(slots, directory, Mode::empty())?;
        // Held until we and every child that has not become an init yet are gone: the next server looks for slots only then.
        flock(&slots_directory, FlockOperation::LockShared)?;
        if rootless {
            become_root_of_nothing()?;
            notes.push("not root: no cgroups, so memory and processes are limited per process only; all slots share one user id".to_owned());
        }
        if !rootless {
            // Slots are cloned under ids of their own; changing ours for that must not cost capabilities.
            set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
        }
        unshare(UnshareFlags::NEWNS)?;
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
        let machine = namespace()?;
        make_small_namespace(slots, &mut notes, &cgroups)?;
        let small = namespace()?;
        Ok(Self { cgroups, slots: slots_directory, init: sealed_init()?, notes, rootless, machine, small })
    }

    /// Runs `act` where the machine's own files are to be seen.
    pub(super) fn on_machine<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mount_only = Some(LinkNameSpaceType::Mount);
        move_into_link_name_space(self.machine.as_fd(), mount_only)?;
        let result = act();
        move_into_link_name_space(self.small.as_fd(), mount_only)?;
        result
    }

    pub(super) fn template_path(key: &str) -> PathBuf {
        Path::new(TEMPLATES).join(key)
    }
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: this process has one thread and shares no descriptors or file-system state with another.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

fn namespace() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A user namespace in which our one id is root: enough to mount and to make further namespaces.
fn become_root_of_nothing() -> io::Result<()> {
    let (uid, gid) = (getuid().as_raw(), rustix::process::getgid().as_raw());
    unshare(UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Enters a mount namespace with nothing in it but `/proc` and room for templates.
fn make_small_namespace(scratch: &Path, notes: &mut Vec<String>, cgroups: &Cgroups) -> io::Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", scratch, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")?;
    for directory in ["proc", "templates", "new", "moves"] {
        fs::create_dir(scratch.join(directory))?;
    }
    let proc = open_tree(CWD, "/proc", OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    move_mount(&proc, "", CWD, scratch.join("proc"), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    if cgroups.version == crate::cgroup::Version::V1
        && mount("none", scratch.join("moves"), "cgroup", MountFlags::empty(), c"none,name=madang,favordynmods")
            .is_err()
    {
        notes.push("cgroup moves are slow here: a hierarchy with favordynmods cannot be mounted".to_owned());
    }
    let root = rustix::fs::open(scratch, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fchdir(&root)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

/// The init program in memory that nobody can change, guests who find a way to it included.
fn sealed_init() -> io::Result<OwnedFd> {
    let memory = memfd_create("madang-slot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = fs::File::from(memory);
    file.write_all(crate::SLOT_INIT)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    // A second, read-only opening: a file open for writing cannot be executed.
    Ok(rustix::fs::open(crate::link::path_of(&file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
