//! What this machine offers sandboxes, and what it costs where something is missing. For `madang doctor`.
//!
//! Everything is looked at by asking the kernel, and nothing is changed. Start at [`look`].

use std::{fs, io};

use rustix::{
    mount::{FsOpenFlags, fsconfig_set_flag, fsopen},
    process::{PidfdFlags, geteuid, pidfd_open},
};

use crate::cgroup::{Hierarchy, Swap, Version, hierarchies};

/// One thing that a kernel has or has not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Feature {
    pub name: &'static str,
    pub state: FeatureState,
    /// Which one, where there are several; why not, where it is missing.
    pub detail: String,
    /// What is lost without it; empty where it is in use.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cost: &'static str,
}

/// Whether sandboxes here are made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureState {
    InUse,
    /// Weaker or slower, but it works.
    Missing,
    /// Nothing runs without it.
    Required,
}

/// Every feature, looked at now.
pub fn look() -> Vec<Feature> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = hierarchies(&mountinfo);
    let version = version(&found);
    let mut all = vec![privileges()];
    all.extend(cgroups(&found, version));
    all.push(quick_moves(version));
    all.push(freezer(&found, version));
    all.push(swap_for_the_frozen());
    all.push(user_namespaces());
    all.extend(calls());
    all.push(landlock());
    all.push(seccomp());
    all.push(overlay());
    all.push(folders());
    all
}

fn in_use(name: &'static str, detail: impl Into<String>) -> Feature {
    Feature { name, state: FeatureState::InUse, detail: detail.into(), cost: "" }
}

fn missing(name: &'static str, detail: impl Into<String>, cost: &'static str) -> Feature {
    Feature { name, state: FeatureState::Missing, detail: detail.into(), cost }
}

fn required(name: &'static str, detail: impl Into<String>) -> Feature {
    Feature { name, state: FeatureState::Required, detail: detail.into(), cost: "no sandbox can be made" }
}

fn privileges() -> Feature {
    const COST: &str =
        "one user id for all sandboxes, no control groups: memory and processes are limited per process only";
    match geteuid().is_root() {
        true => in_use("root", "a range of user ids and a control group for each sandbox"),
        false => missing("root", "rootless", COST),
    }
}

fn version(found: &[Hierarchy]) -> Version {
    let has = |name: &str| found.iter().any(|hierarchy| hierarchy.name == name);
    match (has("memory") || has("pids") || has("cpu"), has("unified")) {
        _ if !geteuid().is_root() => Version::Missing,
        (true, _) => Version::V1,
        (false, true) => Version::V2,
        (false, false) => Version::Missing,
    }
}

/// Each controller, and whether swap counts.
fn cgroups(found: &[Hierarchy], version: Version) -> Vec<Feature> {
    const ROWS: [(&str, &str, &str); 3] = [
        ("memory", "memory limit", "a sandbox may use all of the machine's memory"),
        ("pids", "process limit", "a fork bomb fills the machine's process table"),
        ("cpu", "processor share", "a sandbox may use whole processors"),
    ];
    let unified = found.iter().find(|hierarchy| hierarchy.name == "unified");
    let controllers = unified.and_then(|unified| fs::read_to_string(unified.mount.join("cgroup.controllers")).ok());
    let has = |controller: &str| match version {
        Version::V1 => found.iter().any(|hierarchy| hierarchy.name == controller),
        Version::V2 => controllers.iter().any(|list| list.split_whitespace().any(|word| word == controller)),
        Version::Missing => false,
    };
    let said = match version {
        Version::V1 => "control groups, version 1",
        Version::V2 => "control groups, version 2",
        Version::Missing => "no control groups that we may use",
    };
    let row = |(controller, name, cost)| if has(controller) { in_use(name, said) } else { missing(name, said, cost) };
    ROWS.into_iter().map(row).chain([swap(found, version)]).collect()
}

fn swap(found: &[Hierarchy], version: Version) -> Feature {
    const NAME: &str = "swap counted";
    const COST: &str = "a sandbox may swap beyond its memory limit";
    let no_swap = fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() <= 1);
    let memory = found.iter().find(|hierarchy| hierarchy.name == "memory");
    match (version, memory) {
        (Version::V1, Some(memory)) if memory.mount.join("memory.memsw.limit_in_bytes").exists() => {
            in_use(NAME, "memory.memsw")
        }
        (Version::V2, _) => in_use(NAME, "memory.swap.max"),
        _ if no_swap => in_use(NAME, "this machine has no swap"),
        _ => missing(NAME, "the kernel does not account swap (swapaccount=1 turns it on)", COST),
    }
}

fn freezer(found: &[Hierarchy], version: Version) -> Feature {
    const NAME: &str = "freezer";
    const COST: &str = "sessions cannot be suspended";
    let hierarchy = found.iter().find(|hierarchy| hierarchy.name == "freezer");
    match (version, hierarchy) {
        (Version::V1, Some(hierarchy)) => in_use(NAME, hierarchy.mount.display().to_string()),
        (Version::V2, _) => in_use(NAME, "cgroup.freeze"),
        (Version::V1, None) => missing(NAME, "control groups of version 1, and no freezer among them", COST),
        (Version::Missing, _) => missing(NAME, "no control groups that we may use", COST),
    }
}

fn swap_for_the_frozen() -> Feature {
    const NAME: &str = "memory of what is suspended";
    const COST: &str = "a suspended session gives back cached files and keeps its programs' memory and its own files (zram is swap enough)";
    let swap = Swap::of_machine();
    let mib = swap.total_bytes >> 20;
    match swap.total_bytes {
        0 => missing(NAME, "this machine has no swap", COST),
        _ if swap.zram => in_use(NAME, format!("{mib} MiB of compressed memory")),
        _ => in_use(NAME, format!("{mib} MiB of swap")),
    }
}

fn quick_moves(version: Version) -> Feature {
    const NAME: &str = "quick cgroup moves";
    const COST: &str = "a cold start waits some 10 ms for the kernel; warm ones do not";
    match version {
        Version::V2 => in_use(NAME, "processes are born in their group (clone3)"),
        Version::Missing => missing(NAME, "no control groups", "nothing: there is nothing to move"),
        // The option is only parsed, nothing is mounted.
        Version::V1 => match fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)
            .and_then(|context| fsconfig_set_flag(&context, "favordynmods"))
        {
            Ok(()) => in_use(NAME, "a hierarchy with favordynmods"),
            Err(error) => missing(NAME, format!("favordynmods: {error}"), COST),
        },
    }
}

fn user_namespaces() -> Feature {
    const NAME: &str = "user namespaces";
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let root = geteuid().is_root();
    if number("/proc/sys/user/max_user_namespaces").is_none_or(|most| most == 0) {
        return required(NAME, "user.max_user_namespaces is 0");
    }
    if !root && number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        return required(NAME, "kernel.unprivileged_userns_clone is 0");
    }
    if !root && number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return required(NAME, "kernel.apparmor_restrict_unprivileged_userns is 1");
    }
    in_use(NAME, if root { "65536 ids for each sandbox" } else { "one id" })
}

/// System calls that sandboxes are made with.
fn calls() -> Vec<Feature> {
    let pidfd = pidfd_open(rustix::process::getpid(), PidfdFlags::empty());
    let row = |name, there: bool| {
        if there { in_use(name, "system call is there") } else { required(name, "this kernel has no such system call") }
    };
    vec![
        row("pidfd", pidfd.is_ok()),
        row("clone3", is_there(libc::SYS_clone3)),
        row("mounts by descriptor", is_there(libc::SYS_move_mount) && is_there(libc::SYS_mount_setattr)),
        row("paths beneath", is_there(libc::SYS_openat2)),
    ]
}

/// Whether the kernel knows this call: it finds the arguments, all of them zero, wrong.
fn is_there(call: i64) -> bool {
    // SAFETY: null pointers and sizes of zero, which these calls refuse before they do anything.
    let result = unsafe { libc::syscall(call, 0, std::ptr::null::<u8>(), 0, 0, 0) };
    result >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

fn landlock() -> Feature {
    const NAME: &str = "Landlock";
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: asks for the version; the kernel reads no memory of ours.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, LANDLOCK_CREATE_RULESET_VERSION)
    };
    match abi {
        1.. => in_use(NAME, format!("ABI {abi}")),
        _ => missing(NAME, io::Error::last_os_error().to_string(), "no second fence: read-only mounts hold alone"),
    }
}

fn seccomp() -> Feature {
    const NAME: &str = "seccomp";
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let wanted = ["kill_process", "errno", "allow"];
    match wanted.iter().find(|action| !actions.split_whitespace().any(|word| word == **action)) {
        None => in_use(NAME, "allow-list of system calls"),
        Some(action) => required(NAME, format!("no action `{action}`")),
    }
}

fn overlay() -> Feature {
    const NAME: &str = "overlay";
    const COST: &str = "images of several layers cannot be used; `host` can";
    let there =
        fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.lines().any(|line| line.ends_with("\toverlay")));
    if there { in_use(NAME, "layers of images") } else { missing(NAME, "the kernel has no overlay file system", COST) }
}

/// How owners of folders are held to their quotas.
fn folders() -> Feature {
    const NAME: &str = "folder quotas";
    const COST: &str = "folders hold no more than is counted at each upload, and sandboxes may only read them";
    match crate::volume::images_lack() {
        None => in_use(NAME, "a file system in a file for each owner (project quotas are not used)"),
        Some(why) => missing(NAME, why, COST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_said_once_and_what_is_missing_has_a_cost() {
        let all = look();
        let names: std::collections::BTreeSet<_> = all.iter().map(|feature| feature.name).collect();
        assert_eq!(names.len(), all.len());
        for feature in &all {
            assert!(!feature.detail.is_empty(), "{feature:?}");
            assert_eq!(feature.state == FeatureState::InUse, feature.cost.is_empty(), "{feature:?}");
        }
    }

    #[test]
    fn a_machine_without_cgroups_says_what_that_costs() {
        let rows = cgroups(&[], Version::Missing);
        assert!(rows.iter().filter(|row| row.state == FeatureState::Missing).count() >= 3, "{rows:?}");
    }
}
