//! On what machine a number was measured.

use std::{fs, thread};

/// Cores, processor, memory, kernel, in one line.
pub fn describe() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = memory_bytes("MemTotal").unwrap_or(0) >> 30;
    let cgroup = if fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false) { "v2" } else { "v1" };
    format!("{cores} × {processor}, {memory} GiB, Linux {}, cgroup {cgroup}", kernel.trim())
}

/// A line of `/proc/meminfo`, in bytes.
pub fn memory_bytes(name: &str) -> Option<u64> {
    let text = field("/proc/meminfo", name)?;
    text.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert!(memory_bytes("MemAvailable").unwrap() > 0);
        assert!(memory_bytes("MemTotal").unwrap() >= memory_bytes("MemAvailable").unwrap());
        assert_eq!(memory_bytes("NoSuchLine"), None);
    }
}
