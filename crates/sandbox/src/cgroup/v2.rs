//! Version 2: one hierarchy for all. Linux `Documentation/admin-guide/cgroup-v2.rst`.

use std::{fs, io, path::Path};

use super::{Cgroup, CgroupLimits, Counters};

const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
const PERIOD_US: u64 = 100_000;

/// Turns the controllers on for the children of the root and of our group.
///
/// Where we ourselves sit in the group whose children we limit (in a container), the kernel refuses: then we move into a leaf.
pub(super) fn prepare(mount: &Path, group: &str) -> io::Result<()> {
    let there = controllers(mount);
    let wanted: Vec<String> =
        CONTROLLERS.iter().filter(|name| there.contains(name)).map(|name| format!("+{name}")).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted = wanted.join(" ");
    let ours = mount.join(group);
    make_group(&ours)?;
    let enable = || fs::write(mount.join("cgroup.subtree_control"), &wanted);
    if enable().is_err() {
        step_aside(mount)?;
        enable()?;
    }
    fs::write(ours.join("cgroup.subtree_control"), &wanted)
}

fn step_aside(mount: &Path) -> io::Result<()> {
    let leaf = mount.join("madang-host");
    make_group(&leaf)?;
    for pid in fs::read_to_string(mount.join("cgroup.procs"))?.lines() {
        // Kernel threads and those that ended meanwhile stay where they are.
        let _ = fs::write(leaf.join("cgroup.procs"), pid);
    }
    Ok(())
}

/// One that somebody else has made, this moment perhaps, is as good.
fn make_group(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn controllers(mount: &Path) -> Vec<&'static str> {
    let text = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
    CONTROLLERS.into_iter().filter(|name| text.split_ascii_whitespace().any(|word| word == *name)).collect()
}

pub(super) fn missing(mount: &Path) -> Vec<&'static str> {
    let there = controllers(mount);
    CONTROLLERS.into_iter().filter(|name| !there.contains(name)).collect()
}

pub(super) fn limit(group: &Cgroup, limits: &CgroupLimits) -> io::Result<()> {
    let put = |file, value: String| group.put_if_there("unified", file, &value);
    put("memory.max", limits.memory_bytes.to_string())?;
    // Swap has a limit of its own here; none of it makes the sum the memory limit.
    put("memory.swap.max", "0".to_owned())?;
    put("pids.max", limits.pids.to_string())?;
    limit_cpu(group, limits.cpu_millis)
}

pub(super) fn limit_cpu(group: &Cgroup, cpu_millis: u64) -> io::Result<()> {
    let quota_us = cpu_millis.saturating_mul(PERIOD_US / 1000);
    group.put_if_there("unified", "cpu.max", &format!("{quota_us} {PERIOD_US}"))
}

pub(super) fn counters(group: &Cgroup) -> Counters {
    let cpu = group.text("unified", "cpu.stat").unwrap_or_default();
    Counters {
        cpu_user_us: super::field(&cpu, "user_usec"),
        cpu_system_us: super::field(&cpu, "system_usec"),
        memory_bytes: group.number("unified", "memory.current"),
        memory_peak_bytes: group.number("unified", "memory.peak"),
        oom_kills: group.field("unified", "memory.events", "oom_kill"),
        fork_refusals: group.field("unified", "pids.events", "max"),
    }
}
