//! A slot as the node holds it: its name, its init, its cgroup. Dropping it leaves it alone: sessions outlive the server.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, pidfd_send_signal},
};

use crate::cgroup::Cgroup;

/// What failed about a slot.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    #[error("cannot {action} slot {name}: {source}")]
    Io { action: &'static str, name: String, source: io::Error },
}

/// One prepared or claimed sandbox.
#[derive(Debug)]
pub struct Slot {
    pub name: String,
    pub pid: i32,
    pub cgroup: Cgroup,
    /// First host id of the range that belongs to this slot alone; none when rootless.
    pub uid_base: Option<u32>,
    pub(crate) pidfd: OwnedFd,
}

impl Slot {
    /// A slot found again after a restart, by the pid of its init.
    pub fn found(name: String, pid: i32, cgroup: Cgroup, uid_base: Option<u32>) -> io::Result<Self> {
        let raw = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty())?;
        Ok(Self { name, pid, cgroup, uid_base, pidfd })
    }

    /// The user namespace that its guests live in.
    pub fn user_namespace(&self) -> io::Result<OwnedFd> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let found = rustix::fs::open(format!("/proc/{}/ns/user", self.pid), flags, rustix::fs::Mode::empty())?;
        // Pids are used again: only while ours lives is it ours.
        if self.wait_ended(std::time::Duration::ZERO)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(found)
    }

    /// Becomes readable when the init has ended and everything in its PID namespace with it.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Kills init; the kernel then kills all that is in its PID namespace, forks in progress included.
    pub fn kill(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        // What is frozen dies when it thaws, and does nothing before. A group that was never frozen has nothing to thaw.
        let _ = self.cgroup.thaw();
    }

    /// Waits for the end of everything in the slot. Blocking.
    pub fn wait_ended(&self, timeout: std::time::Duration) -> io::Result<bool> {
        let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let timeout =
            rustix::event::Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        Ok(poll(&mut polled, Some(&timeout))? > 0)
    }
}
