//! Version 1: one hierarchy a controller. Linux `Documentation/admin-guide/cgroup-v1`.

use std::io;

use super::{Cgroup, CgroupLimits, Counters};

/// What limits and counts need. cpuset is left out on purpose: entering it costs milliseconds.
pub(super) const CONTROLLERS: &[&str] = &["memory", "pids", "cpu", "cpuacct"];
/// Slots enter it when they are frozen for the first time.
pub(super) const FREEZER: &str = "freezer";

pub(super) fn is_known(controller: &str) -> bool {
    CONTROLLERS.contains(&controller) || controller == FREEZER
}

const PERIOD_US: u64 = 100_000;
/// Buffers of sockets are no part of the memory limit in version 1; they get this part of it besides.
const SOCKET_MEMORY_PART: u64 = 4;

pub(super) fn limit(group: &Cgroup, limits: &CgroupLimits) -> io::Result<()> {
    limit_memory(group, limits.memory_bytes)?;
    let sockets = limits.memory_bytes / SOCKET_MEMORY_PART;
    group.put_if_there("memory", "memory.kmem.tcp.limit_in_bytes", &sockets.to_string())?;
    group.put_if_there("pids", "pids.max", &limits.pids.to_string())?;
    group.put_if_there("cpu", "cpu.cfs_period_us", &PERIOD_US.to_string())?;
    limit_cpu(group, limits.cpu_millis)
}

pub(super) fn limit_cpu(group: &Cgroup, cpu_millis: u64) -> io::Result<()> {
    let quota_us = cpu_millis.saturating_mul(PERIOD_US / 1000);
    group.put_if_there("cpu", "cpu.cfs_quota_us", &quota_us.to_string())
}

/// Memory with swap may never be below memory, so the order depends on the direction.
fn limit_memory(group: &Cgroup, bytes: u64) -> io::Result<()> {
    let bytes = bytes.to_string();
    let both = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
    let upwards =
        group.put_if_there("memory", both[1], &bytes).and_then(|()| group.put_if_there("memory", both[0], &bytes));
    upwards.or_else(|_| {
        group.put_if_there("memory", both[0], &bytes)?;
        group.put_if_there("memory", both[1], &bytes)
    })
}

pub(super) fn counters(group: &Cgroup) -> Counters {
    let (cpu_user_us, cpu_system_us) = cpu(group);
    Counters {
        cpu_user_us,
        cpu_system_us,
        memory_bytes: group.number("memory", "memory.usage_in_bytes"),
        memory_peak_bytes: group.number("memory", "memory.max_usage_in_bytes"),
        oom_kills: group.field("memory", "memory.oom_control", "oom_kill"),
        fork_refusals: group.field("pids", "pids.events", "max"),
    }
}

/// User and system time, µs. Their sum is exact; how it divides is known by the tick only, so the ticks divide it.
fn cpu(group: &Cgroup) -> (u64, u64) {
    let total = group.number("cpuacct", "cpuacct.usage") / 1000;
    let (user, system) = (group.number("cpuacct", "cpuacct.usage_user"), group.number("cpuacct", "cpuacct.usage_sys"));
    let ticked = user + system;
    if ticked == 0 {
        return (total, 0);
    }
    let user = (u128::from(total) * u128::from(user) / u128::from(ticked)) as u64;
    (user, total - user)
}
