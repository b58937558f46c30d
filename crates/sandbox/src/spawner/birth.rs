//! Making one slot: cgroup, namespaces, root file system, init.
//!
//! The parent does only what the child cannot do for itself (clone, id maps, cgroups) and never waits for it: everything else
//! happens in the child, so that slots are made in parallel although the spawner has one thread.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat},
    mount::{
        MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, move_mount, open_tree, unmount,
    },
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
    process::pivot_root,
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{
    cgroup::Cgroup,
    link::{SOCKET_NAME, path_of},
    spawner::{
        SlotSpec, device,
        ground::{Ground, NEW_ROOT},
        seed,
    },
};

/// Ids of a slot's range.
const IDS: u32 = 65_536;
/// The guest's id inside.
pub const GUEST_ID: u32 = 1000;
/// One file for so many bytes of disk, at least the second number: tiny files cost kernel memory.
const BYTES_A_FILE: u64 = 4096;
const FILES_MIN: u64 = 1024;
/// Nodes that wait to be accepted by a slot's init.
const BACKLOG: i32 = 4;
/// Files of `/proc` that tell about the machine, shown empty.
const MASKED: [&str; 16] = [
    "kcore",
    "keys",
    "timer_list",
    "sysrq-trigger",
    "key-users",
    "latency_stats",
    "cmdline",
    "kallsyms",
    "iomem",
    "ioports",
    "modules",
    "interrupts",
    "diskstats",
    "partitions",
    "locks",
    "config.gz",
];
/// Directories of `/proc` of the same kind.
const MASKED_DIRECTORIES: [&str; 6] = ["acpi", "bus", "fs", "irq", "scsi", "driver"];
/// A directory of every template in which nothing is.
const EMPTY: &str = "var/tmp";
/// Kinds of namespaces, as `/proc/sys/user/max_*_namespaces` calls them: init and guests make none.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
/// Per-slot files over their namesakes: `/run/madang/seen/<name>` over `<path>`.
const SEEN: [(&str, &str); 4] = [
    ("meminfo", "proc/meminfo"),
    ("cpuinfo", "proc/cpuinfo"),
    ("online", "sys/devices/system/cpu/online"),
    ("resolv.conf", "etc/resolv.conf"),
];
/// `CLONE_INTO_CGROUP` of clone3(2), which the C library's type is too narrow for.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// Where init finds its socket.
const LISTENER: i32 = 3;

impl Ground {
    /// Starts a slot; its init will listen in the slot's directory. Returns the init's pid as we see it, and its pidfd.
    pub(super) fn give_birth(&self, spec: &SlotSpec) -> io::Result<(i32, OwnedFd)> {
        let lent = self.lend(&spec.mounts)?;
        let listener = self.make_listener(&spec.name)?;
        let cgroup = self.cgroups.make(&spec.name)?;
        cgroup.limit(&spec.limits)?;
        let (go_read, go_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        match clone(&cgroup, spec.uid_base)? {
            Cloned::Child => {
                drop(go_write);
                let mut word = [0];
                let told = rustix::io::read(&go_read, &mut word);
                let result = match told {
                    Ok(1) => become_slot(self, spec, &listener, &cpuinfo, &lent),
                    _ => Err(io::Error::other("the spawner gave up")),
                };
                let why = result.err().map(|error| error.to_string()).unwrap_or_default();
                eprintln!("madang: slot {} cannot be made: {why}", spec.name);
                // SAFETY: ends the child without running the parent's handlers.
                unsafe { libc::_exit(1) }
            }
            Cloned::Parent { pid, pidfd } => {
                self.map_ids(pid, spec)?;
                if cgroup.moves() {
                    cgroup.attach(pid)?;
                }
                rustix::io::write(&go_write, &[1])?;
                Ok((pid, pidfd))
            }
        }
    }

    fn make_listener(&self, name: &str) -> io::Result<OwnedFd> {
        match mkdirat(&self.slots, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let path = format!("{}/{name}/{SOCKET_NAME}", path_of(&self.slots));
        let listener = socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        bind(&listener, &SocketAddrUnix::new(path)?)?;
        listen(&listener, BACKLOG)?;
        Ok(listener)
    }

    fn map_ids(&self, pid: i32, spec: &SlotSpec) -> io::Result<()> {
        let map = match spec.uid_base {
            Some(base) => format!("0 {base} {IDS}"),
            // Rootless: our own only id, which is 0 in our namespace.
            None => "0 0 1".to_owned(),
        };
        if spec.uid_base.is_none() {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
        }
        fs::write(format!("/proc/{pid}/uid_map"), &map)?;
        fs::write(format!("/proc/{pid}/gid_map"), &map)
    }
}

enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// As [`clone_as_is`], but the new user namespace belongs to the slot's first id: what the kernel counts for each user
/// (inotify instances, say) is then counted for each slot, and no slot uses up root's share.
fn clone(cgroup: &Cgroup, owner: Option<u32>) -> io::Result<Cloned> {
    let Some(owner) = owner else { return clone_as_is(cgroup) };
    act_as(owner)?;
    let cloned = clone_as_is(cgroup);
    if !matches!(cloned, Ok(Cloned::Child)) {
        act_as(0)?;
    }
    cloned
}

/// Changes the effective user id alone; capabilities stay, see `Ground::open`.
fn act_as(id: u32) -> io::Result<()> {
    // SAFETY: changes credentials of this process, which has one thread.
    if unsafe { libc::setresuid(u32::MAX, id, u32::MAX) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// clone3(2) into new user and PID namespaces, and into the cgroup where the kernel can.
fn clone_as_is(cgroup: &Cgroup) -> io::Result<Cloned> {
    let mut pidfd: i32 = -1;
    // SAFETY: all zeroes is a valid `clone_args`: no stack, no thread-local storage, nothing shared.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = (libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_PIDFD) as u64;
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    let birthplace = cgroup.birthplace()?;
    if let Some(birthplace) = &birthplace {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = birthplace.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM this is a fork; the process has one thread, so the child may go on as it is.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// The child's part, as root of its new user namespace. Returns only to say what failed.
fn become_slot(
    ground: &Ground,
    spec: &SlotSpec,
    listener: &OwnedFd,
    cpuinfo: &str,
    lent: &[OwnedFd],
) -> io::Result<()> {
    become_root(spec.uid_base.is_some())?;
    let spaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWCGROUP;
    // SAFETY: this process has one thread and shares nothing with another.
    unsafe { unshare_unsafe(spaces) }?;
    rustix::process::umask(Mode::empty());
    rustix::system::sethostname(b"madang")?;
    raise_loopback()?;
    assemble_root(spec, cpuinfo, lent)?;
    enter_root()?;
    forbid_namespaces()?;
    exec_init(ground, listener)
}

fn become_root(has_range: bool) -> io::Result<()> {
    // SAFETY: plain system calls on this process; the arguments are valid for the call.
    let failed = unsafe {
        (has_range && libc::setgroups(0, std::ptr::null()) != 0)
            || libc::setresgid(0, 0, 0) != 0
            || libc::setresuid(0, 0, 0) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Programs talk to themselves over 127.0.0.1; the namespace has no other interface.
fn raise_loopback() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all zeroes is a valid `ifreq`; name and flags are set below, the kernel reads nothing else.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: `request` outlives the call and is of the type that this request takes.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The template's clone with the slot's own mounts on it, at [`NEW_ROOT`].
fn assemble_root(spec: &SlotSpec, cpuinfo: &str, lent: &[OwnedFd]) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, Ground::template_path(&spec.template), flags)?;
    move_mount(&tree, "", CWD, NEW_ROOT, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    let at = |path: &str| format!("{NEW_ROOT}/{path}");
    if !lent.is_empty() {
        device::show_devices(&spec.mounts, lent)?;
    }
    let guest = if spec.uid_base.is_some() { GUEST_ID } else { 0 };

    let harmless = MountFlags::NOSUID | MountFlags::NODEV;
    let files = (spec.disk_bytes / BYTES_A_FILE).max(FILES_MIN);
    let options = CString::new(format!("mode=0711,size={},nr_inodes={files}", spec.disk_bytes))?;
    mount("tmpfs", at("run/madang"), "tmpfs", harmless, options.as_c_str())?;
    for (name, mode, target) in [("work", 0o755, "home/work"), ("tmp", 0o1777, "tmp"), ("shm", 0o1777, "dev/shm")] {
        let source = at(&format!("run/madang/{name}"));
        fs::DirBuilder::new().mode(mode).create(&source)?;
        if name == "work" {
            // Before it is hidden: what the image has there is where every sandbox of it begins.
            seed::copy(NEW_ROOT, (target, "run/madang/work"), guest)?;
        }
        mount_bind(&source, at(target))?;
    }
    std::os::unix::fs::chown(at("run/madang/work"), Some(guest), Some(guest))?;
    if !lent.is_empty() {
        device::show_libraries(&spec.mounts, lent)?;
    }

    mount("proc", at("proc"), "proc", harmless | MountFlags::NOEXEC, c"")?;
    mount(
        "devpts",
        at("dev/pts"),
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        // The machine has a few thousand terminals in all: no slot may take them from the others.
        c"newinstance,ptmxmode=0666,mode=0620,max=32",
    )?;
    for name in MASKED.map(|name| at(&format!("proc/{name}"))) {
        if fs::symlink_metadata(&name).is_ok() {
            mount_bind(at("dev/null"), name)?;
        }
    }
    for name in MASKED_DIRECTORIES.map(|name| at(&format!("proc/{name}"))) {
        if fs::symlink_metadata(&name).is_ok() {
            mount_bind(at(EMPTY), name)?;
        }
    }
    show_own_limits(&at, cpuinfo)
}

fn show_own_limits(at: &impl Fn(&str) -> String, cpuinfo: &str) -> io::Result<()> {
    let seen = at("run/madang/seen");
    fs::DirBuilder::new().mode(0o755).create(&seen)?;
    let all = format!("{seen}/cpuinfo.all");
    fs::write(&all, cpuinfo)?;
    fs::set_permissions(&all, fs::Permissions::from_mode(0o644))?;
    for (name, target) in SEEN {
        let file = format!("{seen}/{name}");
        let text = if name == "cpuinfo" { cpuinfo } else { "" };
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        mount_bind(&file, at(target))?;
    }
    Ok(())
}

/// No further namespaces in this one: not for guests, who may not ask, and not for an init that was taken over.
fn forbid_namespaces() -> io::Result<()> {
    for kind in NAMESPACES {
        match fs::write(format!("/proc/sys/user/max_{kind}_namespaces"), "0") {
            // A kind that this kernel does not have.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Leaves everything that is not the slot's behind.
fn enter_root() -> io::Result<()> {
    std::env::set_current_dir(NEW_ROOT)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

fn exec_init(ground: &Ground, listener: &OwnedFd) -> io::Result<()> {
    let complaints = leave_output_behind()?;
    let name = c"madang-init".as_ptr();
    let (arguments, environment) = ([name, std::ptr::null()], [std::ptr::null::<libc::c_char>()]);
    // SAFETY: duplicates a live descriptor to the number where init looks; the arrays are ended by null and outlive the call.
    unsafe {
        if libc::dup2(listener.as_raw_fd(), LISTENER) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::syscall(
            libc::SYS_execveat,
            ground.init.as_fd().as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            AtFlags::EMPTY_PATH.bits(),
        );
    }
    let error = io::Error::last_os_error();
    rustix::stdio::dup2_stderr(&complaints)?;
    Err(error)
}

/// Init must not keep the server's output open: sessions outlive the server. What is given back is for one last complaint.
fn leave_output_behind() -> io::Result<OwnedFd> {
    let complaints = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), LISTENER + 1)?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(complaints)
}
