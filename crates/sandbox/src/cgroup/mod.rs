//! Control groups, both versions behind one description. Directories are held open: nothing is looked up by path later.

mod freeze;
mod tree;
mod v1;
mod v2;

pub use freeze::{GivenBack, Swap};
pub use tree::{Held, pid_namespace};

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{Mode, OFlags, mkdirat, openat},
    io::Errno,
};

/// Where cgroup file systems are looked for.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The kernel's least quota is a thousandth of a second in our period of a tenth.
const CPU_MILLIS_MIN: u64 = 10;

/// What a slot's processes together may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CgroupLimits {
    /// Memory with swap, bytes.
    pub memory_bytes: u64,
    /// Processes and threads, init included.
    pub pids: u64,
    /// CPU bandwidth in thousandths of one CPU.
    pub cpu_millis: u64,
}

/// What the kernel counted since the group was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    pub cpu_user_us: u64,
    pub cpu_system_us: u64,
    pub memory_bytes: u64,
    pub memory_peak_bytes: u64,
    pub oom_kills: u64,
    /// Forks refused because of the process limit.
    pub fork_refusals: u64,
}

impl Counters {
    /// User and system time since `before`. Of both only the sum is exact everywhere: ticks divide it, so that one of them may shrink.
    pub fn cpu_since(&self, before: &Self) -> (u64, u64) {
        let cpu = |of: &Self| of.cpu_user_us.saturating_add(of.cpu_system_us);
        let grown = cpu(self).saturating_sub(cpu(before));
        let user = self.cpu_user_us.saturating_sub(before.cpu_user_us).min(grown);
        (user, grown - user)
    }
}

/// One controller as it is mounted on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// `memory`, `pids`, …; `unified` for version 2.
    pub(crate) name: String,
    pub(crate) mount: PathBuf,
}

/// Which version carries the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    /// None can be used: limits fall back to resource limits of processes.
    Missing,
}

/// Our parent groups, one directory per hierarchy, all slots below them.
#[derive(Debug)]
pub struct Cgroups {
    pub version: Version,
    /// Controllers that exist elsewhere and not here, for `doctor`.
    pub missing: Vec<&'static str>,
    parents: Arc<[Parent]>,
}

#[derive(Debug)]
struct Parent {
    name: String,
    path: PathBuf,
    directory: OwnedFd,
}

impl Cgroups {
    /// Finds what this machine has and makes the parent groups called `madang-<instance>`.
    pub fn open(instance: &str) -> io::Result<Self> {
        let found = hierarchies(&std::fs::read_to_string(MOUNTS)?);
        let group = format!("madang-{instance}");
        let v1: Vec<_> = found.iter().filter(|hierarchy| v1::CONTROLLERS.contains(&hierarchy.name.as_str())).collect();
        if !v1.is_empty() {
            let parents = v1.iter().map(|hierarchy| Parent::open(hierarchy, &group)).collect::<io::Result<Vec<_>>>();
            let freezer = found.iter().find(|hierarchy| hierarchy.name == v1::FREEZER);
            return match parents {
                Ok(mut parents) => {
                    let missing = missing(&parents);
                    // The last, after those that count. Without it nothing can be frozen, and that is all.
                    parents.extend(freezer.and_then(|hierarchy| Parent::open(hierarchy, &group).ok()));
                    Ok(Self { version: Version::V1, missing, parents: parents.into() })
                }
                Err(error) => Self::without(error),
            };
        }
        match found.iter().find(|hierarchy| hierarchy.name == "unified") {
            Some(unified) => match v2::prepare(&unified.mount, &group).and_then(|()| Parent::open(unified, &group)) {
                Ok(parent) => Ok(Self {
                    version: Version::V2,
                    missing: v2::missing(&unified.mount),
                    parents: Arc::from([parent]),
                }),
                Err(error) => Self::without(error),
            },
            None => Ok(Self::none()),
        }
    }

    fn without(error: io::Error) -> io::Result<Self> {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(Self::none()),
            _ => Err(error),
        }
    }

    /// No cgroups at all.
    pub fn none() -> Self {
        Self { version: Version::Missing, missing: v1::CONTROLLERS.to_vec(), parents: Arc::from([]) }
    }

    /// The group called `name`, made if it is not there.
    pub fn make(&self, name: &str) -> io::Result<Cgroup> {
        for parent in self.parents.iter().filter(|parent| parent.counts()) {
            match mkdirat(&parent.directory, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Cgroup { version: self.version, parents: Arc::clone(&self.parents), name: name.to_owned() })
    }

    /// Removes our parent groups if nothing is left in them; the next start makes them again.
    pub fn leave(&self) {
        for parent in self.parents.iter() {
            // A session's group below keeps it, and is meant to.
            let _ = std::fs::remove_dir(&parent.path);
        }
    }

    /// Names of every group below our parents.
    pub fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for parent in self.parents.iter() {
            names.extend(tree::names_in(&parent.directory)?);
        }
        Ok(names)
    }
}

fn missing(parents: &[Parent]) -> Vec<&'static str> {
    v1::CONTROLLERS.iter().copied().filter(|name| !parents.iter().any(|parent| parent.name == **name)).collect()
}

impl Parent {
    fn open(hierarchy: &Hierarchy, group: &str) -> io::Result<Self> {
        let path = hierarchy.mount.join(group);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let root = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { name: hierarchy.name.clone(), path, directory: root })
    }

    /// Whether every slot has a group here: entering one costs milliseconds, and most slots are never frozen.
    fn counts(&self) -> bool {
        self.name != v1::FREEZER
    }
}

/// One slot's group in every hierarchy. It holds no descriptor of its own: a node has thousands of these.
#[derive(Debug, Clone)]
pub struct Cgroup {
    version: Version,
    parents: Arc<[Parent]>,
    name: String,
}

impl Cgroup {
    /// Moves a process in. Version 2 processes are better born inside, see [`Cgroup::birthplace`].
    pub fn attach(&self, pid: i32) -> io::Result<()> {
        let mut counting = self.parents.iter().filter(|parent| parent.counts());
        counting.try_for_each(|parent| self.write(parent, "cgroup.procs", &pid.to_string()))
    }

    /// Whether anything is limited and counted at all.
    pub fn counts(&self) -> bool {
        self.version != Version::Missing
    }

    /// Whether processes must be moved in: they cannot be born inside.
    pub fn moves(&self) -> bool {
        self.version == Version::V1
    }

    /// The directory that `clone3` can put a child into, on version 2.
    pub fn birthplace(&self) -> io::Result<Option<OwnedFd>> {
        match (self.version, self.parents.first()) {
            (Version::V2, Some(parent)) => open_directory(parent.directory.as_fd(), &self.name).map(Some),
            _ => Ok(None),
        }
    }

    pub fn limit(&self, limits: &CgroupLimits) -> io::Result<()> {
        match self.version {
            Version::V1 => v1::limit(self, limits),
            Version::V2 => v2::limit(self, limits),
            Version::Missing => Ok(()),
        }
    }

    /// CPU bandwidth alone, in thousandths of one CPU; less than the kernel can keep becomes the least that it can.
    pub fn limit_cpu(&self, cpu_millis: u64) -> io::Result<()> {
        let cpu_millis = cpu_millis.max(CPU_MILLIS_MIN);
        match self.version {
            Version::V1 => v1::limit_cpu(self, cpu_millis),
            Version::V2 => v2::limit_cpu(self, cpu_millis),
            Version::Missing => Ok(()),
        }
    }

    /// Counters now; what is not counted on this machine is zero.
    pub fn counters(&self) -> Counters {
        match self.version {
            Version::V1 => v1::counters(self),
            Version::V2 => v2::counters(self),
            Version::Missing => Counters::default(),
        }
    }

    /// Memory in use now, bytes: the one counter that is read often.
    pub fn memory_bytes(&self) -> u64 {
        match self.version {
            Version::V1 => self.number("memory", "memory.usage_in_bytes"),
            Version::V2 => self.number("unified", "memory.current"),
            Version::Missing => 0,
        }
    }

    /// CPU time used so far, microseconds.
    pub fn cpu_us(&self) -> u64 {
        match self.version {
            Version::V1 => self.number("cpuacct", "cpuacct.usage") / 1000,
            Version::V2 => self.counters().cpu_user_us + self.counters().cpu_system_us,
            Version::Missing => 0,
        }
    }

    /// Starts a new peak at what is in use now, where the kernel can.
    pub fn reset_peak(&self) {
        let _ = match self.version {
            Version::V1 => self
                .put("memory", "memory.memsw.max_usage_in_bytes", "0")
                .and_then(|()| self.put("memory", "memory.max_usage_in_bytes", "0")),
            _ => Ok(()),
        };
    }

    /// Every process in the group, in any hierarchy, by pid as we see it.
    pub fn processes(&self) -> BTreeSet<i32> {
        (0..self.parents.len()).flat_map(|hierarchy| self.processes_in(hierarchy)).collect()
    }

    fn parent(&self, hierarchy: &str) -> io::Result<&Parent> {
        self.parents.iter().find(|parent| parent.name == hierarchy).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, parent: &Parent, file: &str, how: OFlags) -> io::Result<File> {
        open_at(&parent.directory, format!("{}/{file}", self.name).as_ref(), how)
    }

    fn write(&self, parent: &Parent, file: &str, value: &str) -> io::Result<()> {
        write_at(&parent.directory, format!("{}/{file}", self.name).as_ref(), value)
    }

    fn put(&self, hierarchy: &str, file: &str, value: &str) -> io::Result<()> {
        self.write(self.parent(hierarchy)?, file, value)
    }

    /// As [`Cgroup::put`], but a controller or file this kernel lacks is no error.
    fn put_if_there(&self, hierarchy: &str, file: &str, value: &str) -> io::Result<()> {
        match self.put(hierarchy, file, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// A small file, by one read.
    fn text(&self, hierarchy: &str, file: &str) -> io::Result<String> {
        let mut text = [0; 4096];
        let count = self.open(self.parent(hierarchy)?, file, OFlags::RDONLY)?.read(&mut text)?;
        Ok(String::from_utf8_lossy(&text[..count]).into_owned())
    }

    fn number(&self, hierarchy: &str, file: &str) -> u64 {
        self.text(hierarchy, file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn field(&self, hierarchy: &str, file: &str, name: &str) -> u64 {
        field(&self.text(hierarchy, file).unwrap_or_default(), name)
    }
}

fn open_at(directory: &OwnedFd, path: &Path, how: OFlags) -> io::Result<File> {
    Ok(File::from(openat(directory, path, how | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?))
}

fn write_at(directory: &OwnedFd, path: &Path, value: &str) -> io::Result<()> {
    open_at(directory, path, OFlags::WRONLY)?.write_all(value.as_bytes())
}

/// A list that may be long.
fn read_whole(directory: &OwnedFd, path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_at(directory, path, OFlags::RDONLY)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The number after `name` in lines of `name number`.
fn field(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

fn open_directory(at: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    Ok(openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
}

/// The cgroup mounts in the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
pub(crate) fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let parse = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mount = Path::new(left.split(' ').nth(4)?).to_owned();
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let names: Vec<String> = match kind {
            "cgroup2" => vec!["unified".to_owned()],
            "cgroup" => options.split(',').filter(|name| v1::is_known(name)).map(str::to_owned).collect(),
            _ => return None,
        };
        Some(names.into_iter().map(move |name| Hierarchy { name, mount: mount.clone() }))
    };
    mountinfo.lines().filter_map(parse).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_versions_are_found() {
        let text = "30 25 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n\
                    31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                    32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                    34 25 0:30 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
                    33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let names: Vec<_> = hierarchies(text).into_iter().map(|h| h.name).collect();
        assert_eq!(names, ["memory", "cpu", "cpuacct", "freezer", "unified"]);
    }

    #[test]
    fn fields_are_whole_words() {
        assert_eq!(field("oom_kill_disable 1\noom_kill 7\n", "oom_kill"), 7);
        assert_eq!(field("", "oom_kill"), 0);
    }
}
