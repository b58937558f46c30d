//! Which processes belong to a run, and ending them.

use std::{collections::BTreeMap, fs};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A tree that grows faster than this many looks is not chased further; the caller ends the whole slot.
const LOOKS_MAX: usize = 20;

struct Process {
    parent: i32,
    session: i32,
}

/// Every process of the slot by pid.
fn processes() -> BTreeMap<i32, Process> {
    let Ok(directory) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, read(pid)?))).collect()
}

fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so fields count from the last closing one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Process { parent: fields.get(1)?.parse().ok()?, session: fields.get(3)?.parse().ok()? })
}

fn members(leader: i32) -> Vec<i32> {
    let all = processes();
    let belongs = |pid: i32| {
        let mut at = pid;
        // Bounded by the number of processes: parents change while we look.
        for _ in 0..all.len() {
            let Some(process) = all.get(&at) else { return false };
            if at == leader || process.session == leader {
                return true;
            }
            at = process.parent;
        }
        false
    };
    all.keys().copied().filter(|&pid| pid != 1 && belongs(pid)).collect()
}

/// Does `act` to every process of the slot but init, and to those that they start meanwhile.
pub fn each(mut act: impl FnMut(Pid)) {
    let mut seen = Vec::new();
    for _ in 0..LOOKS_MAX {
        let fresh: Vec<i32> = processes().into_keys().filter(|pid| *pid != 1 && !seen.contains(pid)).collect();
        if fresh.is_empty() {
            return;
        }
        fresh.iter().filter_map(|&pid| Pid::from_raw(pid)).for_each(&mut act);
        seen.extend(fresh);
    }
}

/// Ends all that descends from `leader` or is of its session. False when it kept growing.
///
/// First everything is stopped and only then killed: a child whose parent has died belongs to nobody. What left its session and
/// lost its parent before we look is not found; it ends with the slot.
pub fn kill_tree(leader: Pid) -> bool {
    let mut seen = Vec::new();
    let mut grew = true;
    for _ in 0..LOOKS_MAX {
        let fresh: Vec<i32> = members(leader.as_raw_pid()).into_iter().filter(|pid| !seen.contains(pid)).collect();
        signal(&fresh, Signal::STOP);
        grew = !fresh.is_empty();
        if !grew {
            break;
        }
        seen.extend(fresh);
    }
    signal(&seen, Signal::KILL);
    let _ = kill_process_group(leader, Signal::KILL);
    !grew
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids.iter().filter_map(|&pid| Pid::from_raw(pid)) {
        let _ = kill_process(pid, signal);
    }
}

/// Ends every process of the slot but init, at once: one call, atomic against forks.
pub fn kill_all() {
    // SAFETY: a plain system call; -1 means every process this one may signal, which are those of its PID namespace.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}
