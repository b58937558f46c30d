//! Processes of our server, found through `/proc` by parent and control group, never by name alone.
//!
//! The test is the subreaper of all of them: whatever loses its parent becomes our child, so nothing gets out of sight.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};

/// One process at one moment.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub state: char,
    pub words: Vec<String>,
    /// Its pid in its own PID namespace.
    pub inner: i32,
    pub groups: String,
}

pub fn adopt_orphans() {
    set_child_subreaper(Some(getpid())).unwrap();
}

/// Everything that descends from this test.
pub fn descendants() -> Vec<Process> {
    let all: Vec<Process> = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| read(&entry.path())).collect();
    let mut ours = vec![getpid().as_raw_pid()];
    let mut found = Vec::new();
    // Each turn adds one generation.
    loop {
        let next: Vec<_> = all.iter().filter(|p| ours.contains(&p.parent) && !ours.contains(&p.pid)).cloned().collect();
        if next.is_empty() {
            return found;
        }
        ours.extend(next.iter().map(|p| p.pid));
        found.extend(next);
    }
}

/// Waits for those that ended in our care; `but` is waited for by somebody else.
pub fn reap(but: Option<i32>) {
    reap_if(|pid| Some(pid) != but);
}

/// Waits for those that ended in our care and are `ours`.
pub fn reap_if(ours: impl Fn(i32) -> bool) {
    let us = getpid().as_raw_pid();
    for dead in descendants().into_iter().filter(|p| p.parent == us && p.state == 'Z' && ours(p.pid)) {
        let _ = waitpid(Pid::from_raw(dead.pid), WaitOptions::NOHANG);
    }
}

pub fn signal(pid: i32, signal: Signal) {
    // It may have ended since it was seen.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// The server that keeps its data in `home`.
pub fn server(home: &Path) -> Option<Process> {
    let home = home.display().to_string();
    let us = getpid().as_raw_pid();
    descendants()
        .into_iter()
        .find(|p| p.parent == us && p.words.get(1).is_some_and(|word| word == "up") && p.words.contains(&home))
}

pub fn spawners() -> Vec<Process> {
    let is = |p: &Process| p.state != 'Z' && p.inner == p.pid && p.words.get(1).is_some_and(|word| word == "spawner");
    descendants().into_iter().filter(is).collect()
}

/// First processes of sandboxes.
pub fn inits(instance: &str) -> Vec<Process> {
    let is = |p: &Process| p.state != 'Z' && p.inner == 1 && p.groups.contains(&format!("/{instance}/"));
    descendants().into_iter().filter(is).collect()
}

impl Process {
    /// The slot whose group it is in.
    pub fn slot(&self, instance: &str) -> Option<String> {
        let (_, rest) = self.groups.split_once(&format!("/{instance}/"))?;
        rest.split(['\n', '/']).next().map(str::to_owned)
    }
}

fn read(path: &Path) -> Option<Process> {
    let pid = path.file_name()?.to_str()?.parse().ok()?;
    let status = fs::read_to_string(path.join("status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let words = fs::read(path.join("cmdline")).ok()?;
    let words = words.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    Some(Process {
        pid,
        parent: field("PPid:")?.parse().ok()?,
        state: field("State:")?.chars().next()?,
        words,
        inner: field("NSpid:").and_then(|pids| pids.split_whitespace().next_back()?.parse().ok()).unwrap_or(pid),
        groups: fs::read_to_string(path.join("cgroup")).unwrap_or_default(),
    })
}

/// Open descriptors of a process by what they are: sockets, memory files, processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    pub sockets: usize,
    pub memories: usize,
    pub processes: usize,
}

pub fn open_in(pid: i32) -> Open {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut open = Open::default();
    for link in links.filter_map(|entry| fs::read_link(entry.path()).ok()) {
        let link = link.to_string_lossy();
        open.sockets += usize::from(link.starts_with("socket:"));
        open.memories += usize::from(link.starts_with("/memfd:"));
        open.processes += usize::from(link.contains("[pidfd]"));
    }
    open
}
