//! Freezing: nothing in a group runs until it is thawed, and its memory is given back as far as the kernel can.
//!
//! Version 1 has a hierarchy of its own for it (`Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst`), which a slot enters when it
//! is frozen first; version 2 has a file (`cgroup.freeze`). Memory goes by `memory.force_empty` or `memory.reclaim`: pages of files
//! always, those of programs and of tmpfs only where there is swap.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, mkdirat},
    io::Errno,
};

use super::{Cgroup, Cgroups, Parent, Version, v1, write_at};

/// Between two looks at whether all have stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const STATE: &str = "freezer.state";

/// Memory of a group before and after it was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenBack {
    pub before_bytes: u64,
    pub after_bytes: u64,
}

/// Where memory can go that is not of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swap {
    pub total_bytes: u64,
    pub used_bytes: u64,
    /// All of it is in memory, compressed.
    pub zram: bool,
}

impl Swap {
    /// What this machine has now.
    pub fn of_machine() -> Self {
        Self::read(&std::fs::read_to_string("/proc/swaps").unwrap_or_default())
    }

    /// The text of `/proc/swaps` (proc_swaps(5)): sizes in KiB.
    fn read(text: &str) -> Self {
        let mut swap = Self::default();
        let mut zram = true;
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let kib = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            swap.total_bytes += kib(2) * 1024;
            swap.used_bytes += kib(3) * 1024;
            zram &= line.starts_with("/dev/zram");
        }
        swap.zram = zram && swap.total_bytes > 0;
        swap
    }
}

impl Cgroups {
    /// Whether groups can be frozen at all.
    pub fn can_freeze(&self) -> bool {
        match self.version {
            Version::V1 => self.parents.iter().any(|parent| !parent.counts()),
            Version::V2 => true,
            Version::Missing => false,
        }
    }

    /// Lets what is in the group go on, to its end for example.
    pub(super) fn thaw(&self, name: &OsStr) {
        let freezers = self.parents.iter().filter(|parent| !parent.counts());
        // One that was never frozen has no such file.
        freezers.for_each(|parent| drop(write_at(&parent.directory, &Path::new(name).join(STATE), "THAWED")));
    }
}

impl Cgroup {
    /// Stops everything in the group. When not all have stopped within `wait`, all go on. Blocking.
    pub fn freeze(&self, wait: Duration) -> io::Result<()> {
        let frozen = match self.version {
            Version::V1 => self.freeze_v1(wait),
            Version::V2 => self.freeze_v2(wait),
            Version::Missing => Err(io::ErrorKind::Unsupported.into()),
        };
        if frozen.is_err() {
            // Half frozen is of no use to anybody; what fails here has failed there too.
            let _ = self.thaw();
        }
        frozen
    }

    /// Everything in the group goes on. One that is not frozen is left so.
    pub fn thaw(&self) -> io::Result<()> {
        match self.version {
            Version::V1 => self.put_if_there(v1::FREEZER, STATE, "THAWED"),
            Version::V2 => {
                // Not into swap any more; what is there comes back as it is used.
                self.put_if_there("unified", "memory.swap.max", "0")?;
                self.put_if_there("unified", "cgroup.freeze", "0")
            }
            Version::Missing => Ok(()),
        }
    }

    /// Whether it is frozen, or about to be.
    pub fn is_frozen(&self) -> bool {
        match self.version {
            Version::V1 => self.text(v1::FREEZER, STATE).is_ok_and(|state| state.trim() != "THAWED"),
            Version::V2 => self.number("unified", "cgroup.freeze") == 1,
            Version::Missing => false,
        }
    }

    /// Takes memory from the group, as much as the kernel can. Blocking, for as long as writing it to swap takes.
    pub fn give_back(&self) -> io::Result<GivenBack> {
        let before_bytes = self.memory_bytes();
        let asked = match self.version {
            Version::V1 => self.reclaim_v1(),
            Version::V2 => self.reclaim_v2(before_bytes),
            Version::Missing => Ok(()),
        };
        match asked {
            // Less than was asked for is what there is.
            Ok(()) => {}
            Err(error) if is_less(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(GivenBack { before_bytes, after_bytes: self.memory_bytes() })
    }

    fn reclaim_v1(&self) -> io::Result<()> {
        self.count_anew("memory")?;
        self.put("memory", "memory.force_empty", "0")
    }

    fn reclaim_v2(&self, bytes: u64) -> io::Result<()> {
        self.count_anew("unified")?;
        let most = self.text("unified", "memory.max")?;
        self.put_if_there("unified", "memory.swap.max", most.trim())?;
        self.put("unified", "memory.reclaim", &bytes.to_string())
    }

    /// The kernel chooses what to take by counts that it brings up to date every two seconds, or when they are read: by old ones it
    /// takes nothing of what was written just now.
    fn count_anew(&self, hierarchy: &str) -> io::Result<()> {
        self.text(hierarchy, "memory.stat").map(drop)
    }

    fn freeze_v1(&self, wait: Duration) -> io::Result<()> {
        let parent = self.parent(v1::FREEZER).map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        match mkdirat(&parent.directory, self.name.as_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let until = Instant::now() + wait;
        loop {
            // Whoever comes into a frozen group is frozen, and what is frozen forks no more. Said again and again: the kernel asks each
            // process once for it, and one that misses that goes on, while the group is about to be frozen for ever.
            self.write(parent, STATE, "FROZEN")?;
            // In this order: when all are in, so is all that they will ever start.
            let all_in = self.enter_freezer(parent)?;
            if all_in && self.text(v1::FREEZER, STATE)?.trim() == "FROZEN" {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Moves in who is outside. True when nobody was.
    fn enter_freezer(&self, parent: &Parent) -> io::Result<bool> {
        let freezer = self.parents.iter().position(|parent| !parent.counts());
        let inside: BTreeSet<i32> = freezer.map(|at| self.processes_in(at)).unwrap_or_default().into_iter().collect();
        let mut all_in = true;
        // Every hierarchy that counts has all of them.
        for pid in self.processes_in(0).into_iter().filter(|pid| !inside.contains(pid)) {
            match self.write(parent, "cgroup.procs", &pid.to_string()) {
                Ok(()) => all_in = false,
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all_in)
    }

    fn freeze_v2(&self, wait: Duration) -> io::Result<()> {
        self.put("unified", "cgroup.freeze", "1")?;
        let until = Instant::now() + wait;
        while self.field("unified", "cgroup.events", "frozen") != 1 {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// The kernel found less than was asked for, or is at it from elsewhere.
fn is_less(error: &io::Error) -> bool {
    let kinds = [Errno::AGAIN, Errno::BUSY, Errno::INTR].map(|errno| Some(errno.raw_os_error()));
    kinds.contains(&error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_read_and_only_zram_is_zram() {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(Swap::read(head), Swap::default());
        let zram = format!("{head}/dev/zram0 partition 1024 512 100\n");
        assert_eq!(Swap::read(&zram), Swap { total_bytes: 1 << 20, used_bytes: 1 << 19, zram: true });
        let both = format!("{zram}/swapfile file 1024 0 -2\n");
        assert_eq!(Swap::read(&both), Swap { total_bytes: 2 << 20, used_bytes: 1 << 19, zram: false });
    }
}
