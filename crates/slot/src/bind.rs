//! The claim: what the request asks for is written into the waiting slot, then init gives its powers up.

use std::{fs, io};

use madang_slot_api::Bind;
use rustix::{
    mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_string, fspick},
    process::{Pid, Resource, Rlimit, getrlimit, prlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// Files that are mounted over their namesakes of `/proc` and `/sys`; made by the spawner, written here.
const SEEN: &str = "/run/madang/seen";

/// Applies `bind` to the slot and to the interpreter that waits in it.
pub fn apply(bind: &Bind, driver: Option<Pid>) -> io::Result<()> {
    if !bind.hostname.is_empty() {
        rustix::system::sethostname(bind.hostname.as_bytes())?;
    }
    if let Some(bytes) = bind.disk_bytes {
        resize_disk(bytes)?;
    }
    if let Some(pid) = driver {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(bind.open_files);
        let open_files = bind.open_files.min(most);
        let exactly = Rlimit { current: Some(open_files), maximum: Some(open_files) };
        prlimit(Some(pid), Resource::Nofile, exactly)?;
        for (resource, value) in bind.own_limits.iter().flat_map(crate::walls::resources) {
            prlimit(Some(pid), resource, Rlimit { current: Some(value), maximum: Some(value) })?;
        }
    }
    if !bind.cpus.is_empty() {
        pin(&bind.cpus, driver)?;
    }
    show_limits(bind)
}

fn resize_disk(bytes: u64) -> io::Result<()> {
    let picked = fspick(rustix::fs::CWD, "/home/work", FsPickFlags::FSPICK_CLOEXEC)?;
    fsconfig_set_string(&picked, "size", bytes.to_string())?;
    Ok(fsconfig_reconfigure(&picked)?)
}

fn pin(cpus: &[u32], driver: Option<Pid>) -> io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| (cpu as usize) < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu as usize));
    sched_setaffinity(None, &set)?;
    let Some(driver) = driver else { return Ok(()) };
    let threads = fs::read_dir(format!("/proc/{}/task", driver.as_raw_pid()))?;
    for thread in threads.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        // A thread that ended meanwhile needs no pinning.
        let _ = sched_setaffinity(Pid::from_raw(thread), &set);
    }
    Ok(())
}

/// What programs that look at the machine are to see of it.
fn show_limits(bind: &Bind) -> io::Result<()> {
    let total = bind.memory_bytes / 1024;
    let rows = [
        ("MemTotal", total),
        ("MemFree", total),
        ("MemAvailable", total),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("Active", 0),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("SReclaimable", 0),
    ];
    let text: String = rows.iter().map(|(name, kib)| format!("{:<16}{kib:>8} kB\n", format!("{name}:"))).collect();
    show("meminfo", &text)?;
    if !bind.cpus.is_empty() {
        let real = fs::read_to_string(format!("{SEEN}/cpuinfo.all")).unwrap_or_default();
        let blocks: Vec<&str> =
            real.split("\n\n").filter(|block| !block.trim().is_empty()).take(bind.cpus.len()).collect();
        show("cpuinfo", &(blocks.join("\n\n") + "\n\n"))?;
        let last = bind.cpus.len() - 1;
        show("online", &if last == 0 { "0\n".to_owned() } else { format!("0-{last}\n") })?;
    }
    Ok(())
}

/// Rewrites in place: the file is mounted elsewhere, a new one beside it would not be.
fn show(name: &str, text: &str) -> io::Result<()> {
    fs::write(format!("{SEEN}/{name}"), text)
}
