//! Templates: the root file system of an image, assembled once, read-only, to be cloned for every slot.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
};

use madang_model::root::{RootPlan, directory_mode};
use rustix::{
    fs::{CWD, FileType, Mode, makedev, mknodat},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
        fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, open_tree,
        unmount,
    },
};

use crate::spawner::ground::Ground;

/// Where drivers are inside.
const LANGUAGES: &str = "opt/madang/languages";
/// Character devices of `/dev`: name, major, minor. Linux `Documentation/admin-guide/devices.txt`.
pub(super) const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
pub(super) const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

impl Ground {
    /// Assembles the template called `key` from `plan`, with drivers from `languages`.
    pub(super) fn make_template(&mut self, key: &str, plan: &RootPlan, languages: &Path) -> io::Result<()> {
        let root = Self::template_path(key);
        if root.exists() {
            // Slots hold their own clones; the old one may go.
            unmount(&root, UnmountFlags::DETACH)?;
        } else {
            fs::create_dir(&root)?;
        }
        if plan.layers.is_empty() {
            mount("tmpfs", &root, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755,size=16m")?;
        } else {
            let layers = self.on_machine(|| overlay(&plan.layers, plan.userxattr))?;
            place(&layers, &root)?;
        }
        for directory in &plan.directories {
            make_directory(&inside(&root, directory)?, directory_mode(directory))?;
        }
        for link in &plan.links {
            let path = inside(&root, &link.path)?;
            if fs::symlink_metadata(&path).is_err() {
                symlink(&link.target, path)?;
            }
        }
        let languages = [(languages.to_owned(), format!("/{LANGUAGES}"))];
        let binds = plan.binds.iter().map(|bind| (bind.source.clone(), bind.target.clone()));
        for (source, target) in binds.chain(languages) {
            let clone = self.on_machine(|| clone_tree(&source))?;
            place(&clone, &inside(&root, &target)?)?;
        }
        // No device anywhere but in `/dev`, which is mounted after this.
        seal(&root, libc::MOUNT_ATTR_NODEV)?;
        make_devices(&root.join("dev"), self.rootless)?;
        if self.rootless {
            for (name, ..) in DEVICES {
                let device = self.on_machine(|| clone_tree(&Path::new("/dev").join(name)))?;
                place(&device, &root.join("dev").join(name))?;
            }
        }
        make_sys(&root.join("sys"))?;
        seal(&root, 0)
    }
}

/// A path of the plan beneath the template's root; plans come from images, which are not ours.
fn inside(root: &Path, path: &str) -> io::Result<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let mut reached = root.to_owned();
    for part in relative.components() {
        if fs::symlink_metadata(&reached).is_ok_and(|seen| seen.is_symlink()) {
            return Err(io::Error::other(format!("{path} goes through a symbolic link of the image")));
        }
        reached.push(part);
    }
    if plain { Ok(reached) } else { Err(io::Error::other(format!("{path} is no plain absolute path"))) }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(seen) if seen.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::other(format!("{} is in the way of a mount", path.display()))),
        Err(_) => {
            fs::DirBuilder::new().mode(mode).create(path)?;
            // Past the process's umask.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        }
    }
}

fn overlay(layers: &[PathBuf], userxattr: bool) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // One call a layer: joined by colons they would not fit, and names may hold colons. The topmost comes first.
    for layer in layers.iter().rev() {
        let path = CString::new(layer.as_os_str().as_encoded_bytes())?;
        fsconfig_set_string(&context, "lowerdir+", path)?;
    }
    if userxattr {
        fsconfig_set_flag(&context, "userxattr")?;
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)?)
}

pub(super) fn clone_tree(source: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, source, flags)?)
}

fn place(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

fn make_devices(path: &Path, rootless: bool) -> io::Result<()> {
    mount("tmpfs", path, "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755,size=64k")?;
    for (name, major, minor) in DEVICES {
        let node = path.join(name);
        if rootless {
            // No right to make device nodes: the machine's own are mounted over these.
            fs::write(&node, "")?;
        } else {
            mknodat(CWD, &node, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))?;
            fs::set_permissions(&node, fs::Permissions::from_mode(0o666))?;
        }
    }
    for (name, target) in DEVICE_LINKS {
        symlink(target, path.join(name))?;
    }
    fs::create_dir(path.join("pts"))?;
    fs::create_dir(path.join("shm"))
}

/// The few files of `/sys` that programs ask how many processors there are.
fn make_sys(path: &Path) -> io::Result<()> {
    mount("tmpfs", path, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"mode=0755,size=64k")?;
    let cpu = path.join("devices/system/cpu");
    fs::create_dir_all(&cpu)?;
    ["online", "possible", "present"].iter().try_for_each(|name| fs::write(cpu.join(name), "0\n"))
}

/// Read-only, all of it, whatever is mounted below.
fn seal(root: &Path, also: u64) -> io::Result<()> {
    let attributes = MountAttr {
        set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | also,
        clear: 0,
        propagation: libc::MS_PRIVATE,
        user_namespace: 0,
    };
    let path = CString::new(root.as_os_str().as_encoded_bytes())?;
    set_attributes(CWD, &path, libc::AT_RECURSIVE, &attributes)
}

/// mount_setattr(2).
pub(crate) fn set_attributes(
    directory: impl AsFd,
    path: &CStr,
    flags: libc::c_int,
    attributes: &MountAttr,
) -> io::Result<()> {
    // SAFETY: path and attributes outlive the call; their size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
pub(crate) struct MountAttr {
    pub set: u64,
    pub clear: u64,
    pub propagation: u64,
    pub user_namespace: u64,
}
