//! What this machine is.

use std::fs;

use madang_node_api::NodeFacts;
use madang_storage::Volumes;

use crate::{config::AgentConfig, device::Devices, folder};

/// Looks at the machine.
pub fn look(config: &AgentConfig, devices: &Devices, volumes: &Volumes) -> NodeFacts {
    let system = rustix::system::uname();
    let text = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    NodeFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: text(system.nodename()),
        os: text(system.sysname()).to_lowercase(),
        os_version: text(system.release()),
        arch: text(system.machine()),
        cpu_millis: std::thread::available_parallelism().map_or(1, |count| count.get() as u64) * 1000,
        memory_bytes: memory_bytes(),
        devices: devices.seen(),
        labels: config.labels.clone(),
        volume: Some(folder::seen(volumes)),
        apps: Vec::new(),
        apps_at: config.apps.clone(),
    }
}

/// What the kernel gives out, or less where this process's own group is limited (both versions of cgroups say so in a file).
fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    let all = machine.totalram as u64 * u64::from(machine.mem_unit.max(1));
    let read = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = read("/sys/fs/cgroup/memory.max").or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    limit.map_or(all, |limit| limit.min(all))
}
