//! What sandboxes leave in the kernel and on disk, counted from outside.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The namespaces that a sandbox has of its own.
const NAMESPACES: [&str; 7] = ["mnt", "net", "pid", "user", "ipc", "uts", "cgroup"];
/// Deeper than any tree of ours.
const DEPTH_MAX: usize = 32;

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Processes in other PID namespaces than ours, and processes of our program.
    pub processes: usize,
    pub mounts: usize,
    pub cgroups: usize,
    /// Namespaces of any kind that some process is in.
    pub namespaces: usize,
    /// Files and directories in the server's home.
    pub files: usize,
}

impl Census {
    /// Counts; `madang` is our program, `home` the server's, if there is one.
    pub fn take(madang: &Path, home: Option<&Path>) -> Self {
        let own = fs::read_link("/proc/self/ns/pid").ok();
        let madang = fs::canonicalize(madang).ok();
        let mut namespaces: BTreeSet<PathBuf> = BTreeSet::new();
        let mut processes = 0;
        for process in numbered("/proc") {
            let pid_namespace = fs::read_link(process.join("ns/pid")).ok();
            let of_ours = madang.is_some() && fs::read_link(process.join("exe")).ok() == madang;
            if of_ours || (pid_namespace.is_some() && pid_namespace != own) {
                processes += 1;
            }
            namespaces.extend(NAMESPACES.iter().filter_map(|kind| fs::read_link(process.join("ns").join(kind)).ok()));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self {
            processes,
            mounts: mounts.lines().count(),
            cgroups: directories(Path::new("/sys/fs/cgroup"), DEPTH_MAX),
            namespaces: namespaces.len(),
            files: home.map_or(0, |home| entries(home, DEPTH_MAX)),
        }
    }

    /// How much more there is now than `before`, kind by kind; less of one does not make up for more of another.
    pub fn more_than(&self, before: &Census) -> Vec<(&'static str, usize)> {
        let kinds = [
            ("processes", self.processes, before.processes),
            ("mounts", self.mounts, before.mounts),
            ("cgroups", self.cgroups, before.cgroups),
            ("namespaces", self.namespaces, before.namespaces),
            ("files", self.files, before.files),
        ];
        kinds.into_iter().filter(|(_, now, then)| now > then).map(|(kind, now, then)| (kind, now - then)).collect()
    }
}

fn numbered(folder: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default();
        !name.is_empty() && name.iter().all(u8::is_ascii_digit)
    })
}

fn directories(folder: &Path, depth: usize) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    below.map(|entry| 1 + if depth > 0 { directories(&entry.path(), depth - 1) } else { 0 }).sum()
}

fn entries(folder: &Path, depth: usize) -> usize {
    let entries_here = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: fs::DirEntry| {
        let deeper = depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir());
        1 + if deeper { entries(&entry.path(), depth - 1) } else { 0 }
    };
    entries_here.map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_appears_is_counted_and_what_goes_is_not_held_against_it() {
        let home = tempfile::tempdir().unwrap();
        let us = std::env::current_exe().unwrap();
        let before = Census::take(&us, Some(home.path()));
        assert!(before.processes >= 1, "this test itself runs our program");
        fs::create_dir(home.path().join("left")).unwrap();
        fs::write(home.path().join("left/file"), "").unwrap();
        let after = Census { mounts: 0, ..Census::take(&us, Some(home.path())) };
        assert_eq!(after.files, before.files + 2);
        assert!(after.more_than(&before).contains(&("files", 2)));
        assert!(!after.more_than(&before).iter().any(|(kind, _)| *kind == "mounts"));
    }
}
