//! What is in a group besides what we put there: processes of others, in any hierarchy, and groups below it. Guests can bring neither;
//! hands with the powers of root can.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, OwnedFd},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{AtFlags, Dir, Mode, OFlags, openat, statat, unlinkat},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
};

use super::{Cgroup, Cgroups, Parent, Version, read_whole, write_at};

/// Groups below one that are looked at in one turn; the others come after them.
const BELOW_MAX: usize = 1024;

impl Cgroups {
    /// How many hierarchies the group of every slot is in.
    pub fn hierarchies(&self) -> usize {
        self.parents.iter().filter(|parent| parent.counts()).count()
    }

    /// Whether there is a group of this name in any of them.
    pub fn has(&self, name: &OsStr) -> bool {
        self.parents.iter().any(|parent| statat(&parent.directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
    }

    /// Kills what is in the group and below it, in every hierarchy. True when there was nothing.
    pub fn kill(&self, name: &OsStr) -> bool {
        let all = self
            .parents
            .iter()
            .flat_map(|parent| groups(parent, name.as_ref()).into_iter().map(move |at| (parent, at)));
        let mut empty = true;
        for (parent, at) in all {
            let pids = processes(parent, &at);
            empty &= pids.is_empty();
            if !pids.iter().any(|pid| is_spared(*pid)) && self.version == Version::V2 {
                // The kernel knows no gap between looking and killing; older ones do not know the file.
                let _ = write_at(&parent.directory, &at.join("cgroup.kill"), "1");
            }
            pids.into_iter().filter_map(|pid| Held::there(&self.parents, &at, pid)).for_each(|held| held.end());
        }
        // What is frozen does not even die.
        self.thaw(name);
        empty
    }

    /// Removes the group with those below it; they must be empty of processes. A group that is not there is removed already.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.parents.iter().try_for_each(|parent| remove(parent, name.as_ref()))
    }
}

impl Cgroup {
    /// Processes of the group in one hierarchy, by its place among them.
    pub fn processes_in(&self, hierarchy: usize) -> Vec<i32> {
        self.parents.get(hierarchy).map(|parent| processes(parent, self.name.as_ref())).unwrap_or_default()
    }

    /// Groups below this one in one hierarchy: we make none.
    pub fn below(&self, hierarchy: usize) -> Vec<PathBuf> {
        let mut all = self.parents.get(hierarchy).map(|parent| groups(parent, self.name.as_ref())).unwrap_or_default();
        all.drain(..all.len().min(1));
        all
    }

    /// Ends what is in a group below this one, and removes it if that was nothing.
    pub fn end_below(&self, below: &Path) {
        for parent in self.parents.iter() {
            let pids = processes(parent, below);
            if pids.is_empty() {
                // It is tried again when it is seen again.
                let _ = remove(parent, below);
            }
            pids.into_iter().filter_map(|pid| Held::there(&self.parents, below, pid)).for_each(|held| held.end());
        }
    }

    /// The process of this number, if it is in the group.
    pub fn hold(&self, pid: i32) -> Option<Held<'_>> {
        Held::there(&self.parents, self.name.as_ref(), pid)
    }
}

/// A process that was in a group when it was taken hold of. Its number cannot come to mean another one.
#[derive(Debug)]
pub struct Held<'a> {
    parents: &'a [Parent],
    pid: i32,
    pidfd: OwnedFd,
}

impl<'a> Held<'a> {
    fn there(parents: &'a [Parent], at: &Path, pid: i32) -> Option<Self> {
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let held = Self { parents, pid, pidfd };
        // Looked at after it was opened: what is there now is what we hold.
        let is_there = parents.iter().any(|parent| processes(parent, at).contains(&pid));
        (is_there && held.is_alive()).then_some(held)
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The PID namespace that it is in, if that may be known.
    pub fn namespace(&self) -> Option<u64> {
        let namespace = pid_namespace(self.pid)?;
        self.is_alive().then_some(namespace)
    }

    /// What it calls itself.
    pub fn name(&self) -> String {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        name.trim_end().escape_debug().to_string()
    }

    /// Kills it. This process itself, and the first of the machine, are moved out instead.
    pub fn end(&self) {
        if is_spared(self.pid) {
            let out =
                |parent: &Parent| write_at(&parent.directory, Path::new("../cgroup.procs"), &self.pid.to_string());
            // Where it is not it need not go.
            self.parents.iter().for_each(|parent| drop(out(parent)));
            return;
        }
        // It may have ended meanwhile.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    fn is_alive(&self) -> bool {
        let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }
}

/// The number of the PID namespace of a process (namespaces(7)); the caller sees to it that the process is the one that is meant.
pub fn pid_namespace(pid: i32) -> Option<u64> {
    rustix::fs::stat(format!("/proc/{pid}/ns/pid")).ok().map(|seen| seen.st_ino)
}

/// Whoever moves us, or the machine's init, into a slot's group has made a mistake that must not take everything down.
fn is_spared(pid: i32) -> bool {
    pid == 1 || pid == getpid().as_raw_nonzero().get()
}

fn processes(parent: &Parent, at: &Path) -> Vec<i32> {
    let text = read_whole(&parent.directory, &at.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The group, if it is there, and those below it: each before its own.
fn groups(parent: &Parent, name: &Path) -> Vec<PathBuf> {
    let mut all = vec![name.to_owned()];
    let mut next = 0;
    while let Some(group) = all.get(next).cloned() {
        next += 1;
        match statat(&parent.directory, &group, AtFlags::SYMLINK_NOFOLLOW) {
            // A directory has two links, and one more for each directory in it.
            Ok(seen) if seen.st_nlink > 2 => all.extend(directories(parent, &group)),
            Ok(_) => {}
            Err(_) => {
                next -= 1;
                all.remove(next);
            }
        }
        all.truncate(BELOW_MAX);
    }
    all
}

fn directories(parent: &Parent, group: &Path) -> Vec<PathBuf> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = openat(&parent.directory, group, flags, Mode::empty()) else { return Vec::new() };
    names_in(directory.as_fd()).unwrap_or_default().into_iter().map(|name| group.join(name)).collect()
}

/// Names of the directories in a directory.
pub(super) fn names_in(directory: impl AsFd) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = Dir::read_from(directory)?.flatten();
    let folders = entries.filter(|entry| entry.file_type() == rustix::fs::FileType::Directory);
    let names = folders.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
    Ok(names.filter(|name| name != "." && name != "..").collect())
}

fn remove(parent: &Parent, name: &Path) -> io::Result<()> {
    match unlinkat(&parent.directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // Its processes keep it, or groups below it.
        Err(Errno::BUSY) => {
            for below in groups(parent, name).iter().rev() {
                match unlinkat(&parent.directory, below, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
