//! The claim: what the request asks for is written into the waiting slot, then init gives its powers up.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};

use madang_slot_api::Bind;
use rustix::{
    io::Errno,
    mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_string, fspick},
    process::{Pid, Resource, Rlimit, getrlimit, prlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::process_tree;

/// Files that are mounted over their namesakes of `/proc` and `/sys`; made by the spawner, written here.
const SEEN: &str = "/run/madang/seen";

/// What waits in the slot, to which the claim's limits are to apply.
#[derive(Clone, Copy)]
pub enum Started {
    /// An interpreter, if anything.
    Driver(Option<Pid>),
    /// Whatever there is: apps are several processes.
    Many,
}

impl Started {
    fn each(self, mut act: impl FnMut(Pid)) {
        match self {
            Self::Driver(pid) => pid.into_iter().for_each(act),
            Self::Many => process_tree::each(&mut act),
        }
    }
}

/// Applies `bind` to the slot and to what waits in it.
pub fn apply(bind: &Bind, started: Started) -> io::Result<()> {
    if !bind.hostname.is_empty() {
        rustix::system::sethostname(bind.hostname.as_bytes())?;
    }
    if let Some(bytes) = bind.disk_bytes {
        resize_disk(bytes)?;
    }
    let mut limited = Ok(());
    started.each(|pid| {
        if let Err(error) = limit(bind, pid) {
            limited = Err(error);
        }
    });
    limited?;
    if !bind.cpus.is_empty() {
        pin(&bind.cpus, started)?;
    }
    if matches!(started, Started::Many) {
        show_environment(&bind.env)?;
    }
    show_limits(bind)
}

/// One that has ended meanwhile needs no limits.
fn limit(bind: &Bind, pid: Pid) -> io::Result<()> {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(bind.open_files);
    let own = bind.own_limits.iter().flat_map(crate::walls::resources);
    for (resource, value) in own.chain([(Resource::Nofile, bind.open_files.min(most))]) {
        match prlimit(Some(pid), resource, Rlimit { current: Some(value), maximum: Some(value) }) {
            Ok(_) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// For what an app that was started before the claim starts after it: one `KEY=VALUE` after the other, each ended by a zero byte.
fn show_environment(env: &[String]) -> io::Result<()> {
    let all: Vec<u8> = env.iter().flat_map(|entry| entry.bytes().chain([0])).collect();
    let mut file = fs::OpenOptions::new();
    file.write(true).create(true).truncate(true).mode(0o644).open(format!("{SEEN}/environment"))?.write_all(&all)
}

fn resize_disk(bytes: u64) -> io::Result<()> {
    let picked = fspick(rustix::fs::CWD, "/home/work", FsPickFlags::FSPICK_CLOEXEC)?;
    fsconfig_set_string(&picked, "size", bytes.to_string())?;
    Ok(fsconfig_reconfigure(&picked)?)
}

fn pin(cpus: &[u32], started: Started) -> io::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().filter(|&&cpu| (cpu as usize) < CpuSet::MAX_CPU).for_each(|&cpu| set.set(cpu as usize));
    sched_setaffinity(None, &set)?;
    started.each(|pid| {
        // A process or a thread that ended meanwhile needs no pinning.
        let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())).into_iter().flatten().flatten();
        for thread in threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let _ = sched_setaffinity(Pid::from_raw(thread), &set);
        }
    });
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

/// Who is asked for names.
pub fn show_resolver(text: &str) -> io::Result<()> {
    show("resolv.conf", text)
}

/// Rewrites in place: the file is mounted elsewhere, a new one beside it would not be.
fn show(name: &str, text: &str) -> io::Result<()> {
    fs::write(format!("{SEEN}/{name}"), text)
}
