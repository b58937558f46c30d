//! Children that ended: status, time, and what they read and wrote.

use std::{
    fs::File,
    io,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use madang_slot_api::{Cause, Exit};

/// One child that ended.
pub struct Reaped {
    pub pid: i32,
    status: i32,
    usage: libc::rusage,
    read_bytes: u64,
    written_bytes: u64,
}

impl Reaped {
    /// The message for it.
    pub fn exit(&self, cause: Option<Cause>) -> Exit {
        let micros = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + time.tv_usec as u64;
        let status = match libc::WIFSIGNALED(self.status) {
            true => -libc::WTERMSIG(self.status),
            false => libc::WEXITSTATUS(self.status),
        };
        Exit {
            status,
            cause,
            cpu_user_us: micros(self.usage.ru_utime),
            cpu_system_us: micros(self.usage.ru_stime),
            memory_peak_kib: self.usage.ru_maxrss as u64,
            read_bytes: self.read_bytes,
            written_bytes: self.written_bytes,
        }
    }
}

/// Waits for children, and for what they counted.
pub struct Reaper {
    /// Our own `/proc/self/io`, held open: later our file ids are the guest's, who may not open it.
    io: Option<File>,
}

impl Reaper {
    pub fn new() -> Self {
        Self { io: File::open("/proc/self/io").ok() }
    }

    /// The next child that ended, adopted ones too.
    pub fn next(&self) -> Option<Reaped> {
        let before = self.io_of_waited();
        let mut status = 0;
        // SAFETY: `usage` is plain data that wait4 fills; both pointers live through the call.
        let (pid, usage) = unsafe {
            let mut usage = std::mem::zeroed();
            (libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
        };
        if pid <= 0 {
            return None;
        }
        // The kernel adds a child's counts to its parent's when it is waited for; nothing else of ours happens in between.
        let after = self.io_of_waited();
        let read_bytes = after.read.saturating_sub(before.read + before.looking);
        let written_bytes = after.written.saturating_sub(before.written);
        Some(Reaped { pid, status, usage, read_bytes, written_bytes })
    }

    /// Bytes read and written by this process and the children it has waited for.
    fn io_of_waited(&self) -> Io {
        let mut text = [0; 512];
        let count = self.io.as_ref().and_then(|io| io.read_at(&mut text, 0).ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..count]);
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
        Io { read: field("rchar:"), written: field("wchar:"), looking: count as u64 }
    }
}

struct Io {
    read: u64,
    written: u64,
    /// What looking cost: it counts as read the next time.
    looking: u64,
}

/// A descriptor that becomes readable when a child ends. The signal itself is blocked: nothing interrupts us.
pub fn watch_children() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised before use; signalfd returns a new descriptor that nobody else owns.
    unsafe {
        // The spawner ignores it, and that outlives exec: children would vanish unseen.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}
