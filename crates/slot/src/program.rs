//! Starting one guest program: descriptors, session, terminal, walls, exec.

use std::{
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use madang_slot_api::ASIDE;
use rustix::{
    fs::OFlags,
    process::Pid,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use crate::walls::{Standing, Walls};

/// Where programs start.
pub const WORK: &str = "/home/work";
/// What a shell answers for a program it cannot find, or cannot start.
const EXIT_NOT_FOUND: i32 = 127;
pub const EXIT_CANNOT_EXECUTE: i32 = 126;
/// Files that programs make are theirs alone to change, as everywhere.
const UMASK: rustix::fs::Mode = rustix::fs::Mode::from_raw_mode(0o022);

/// A program ready to start: everything that allocates is done here, before the fork.
pub struct Program {
    argv: Vec<CString>,
    env: Vec<CString>,
    paths: Vec<CString>,
    standing: Standing,
}

impl Program {
    /// `env` holds `KEY=VALUE`; later entries win.
    pub fn new(argv: &[String], env: &[String]) -> io::Result<Self> {
        let env = last_wins(env);
        let standing = if env.iter().any(|entry| entry == ASIDE) { Standing::Aside } else { Standing::Equal };
        let text =
            |text: &String| CString::new(text.as_str()).map_err(|_| io::Error::other("a NUL byte in a command line"));
        let first = argv.first().ok_or_else(|| io::Error::other("an empty command line"))?;
        let path = env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or("/usr/bin:/bin");
        let paths: Vec<String> = match first.contains('/') {
            true => vec![first.clone()],
            false => path.split(':').map(|directory| format!("{directory}/{first}")).collect(),
        };
        Ok(Self {
            argv: argv.iter().map(text).collect::<Result<_, _>>()?,
            env: env.iter().map(text).collect::<Result<_, _>>()?,
            paths: paths.iter().map(text).collect::<Result<_, _>>()?,
            standing,
        })
    }

    /// Forks and executes; `descriptors[n]` becomes number `n`. With `terminal`, number 0 becomes the controlling terminal.
    pub fn start(&self, walls: &Walls, descriptors: &[BorrowedFd<'_>], terminal: bool) -> io::Result<Pid> {
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argv, env) = (pointers(&self.argv), pointers(&self.env));
        start_inside((walls, self.standing), descriptors, terminal, || self.execute(&argv, &env))
    }

    /// Returns the exit code of a program that cannot be executed.
    fn execute(&self, argv: &[*const libc::c_char], env: &[*const libc::c_char]) -> i32 {
        let mut last = libc::ENOENT;
        for path in &self.paths {
            // SAFETY: the pointers are arrays of C strings ended by null, alive in `self`.
            unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
            let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOENT);
            if error != libc::ENOENT && error != libc::ENOTDIR {
                last = error;
                break;
            }
        }
        let name = self.argv[0].to_string_lossy();
        complain(&format!("{name}: {}\n", message(last)));
        if last == libc::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE }
    }
}

/// Forks; the child gets the descriptors and stands behind the walls when `act` is called, whose answer is its exit code.
pub fn start_inside(
    walls: (&Walls, Standing),
    descriptors: &[BorrowedFd<'_>],
    terminal: bool,
    act: impl FnOnce() -> i32,
) -> io::Result<Pid> {
    // SAFETY: this process has one thread, so the child may go on using everything it copied.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            enter(walls, descriptors, terminal);
            exit(act())
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork gave no pid")),
    }
}

/// Makes the calling process a guest, or ends it.
fn enter((walls, standing): (&Walls, Standing), descriptors: &[BorrowedFd<'_>], terminal: bool) {
    let entered = place(descriptors).and_then(|()| lead_session(terminal)).and_then(|()| default_signals());
    rustix::process::umask(UMASK);
    let entered = entered.and_then(|()| std::env::set_current_dir(WORK)).and_then(|()| walls.enter(standing));
    if let Err(error) = entered {
        complain(&format!("madang: cannot enter the sandbox: {error}\n"));
        exit(EXIT_CANNOT_EXECUTE);
    }
}

fn last_wins(env: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(env.len());
    for entry in env {
        let key = entry.split('=').next().unwrap_or(entry);
        let same = |other: &String| other.split('=').next() == Some(key);
        match kept.iter().position(same) {
            Some(at) => kept[at] = entry.clone(),
            None => kept.push(entry.clone()),
        }
    }
    kept
}

fn message(error: i32) -> String {
    match error {
        libc::ENOENT => "command not found".to_owned(),
        libc::EACCES => "permission denied".to_owned(),
        _ => io::Error::from_raw_os_error(error).to_string(),
    }
}

/// Puts each descriptor at its number, the others to be closed by exec.
fn place(descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    // First out of the way of each other, then home.
    let floor = 64;
    let mut high = Vec::with_capacity(descriptors.len());
    for descriptor in descriptors {
        // SAFETY: duplicates a live descriptor; no memory is involved.
        let copy = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, floor) };
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        high.push(copy);
    }
    for (number, copy) in high.iter().enumerate() {
        // SAFETY: as above; the old occupant of the number is meant to go.
        if unsafe { libc::dup2(*copy, number as i32) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: marks numbers above ours close-on-exec; no memory is involved.
    let closed =
        unsafe { libc::syscall(libc::SYS_close_range, descriptors.len() as u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if closed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn lead_session(terminal: bool) -> io::Result<()> {
    rustix::process::setsid()?;
    if terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    Ok(())
}

/// Init blocks SIGCHLD for its own use, and what its forebears ignore outlives exec; programs start with an empty mask and every signal's
/// default. Bash, for one, could never again be interrupted by a signal that was ignored when it started.
fn default_signals() -> io::Result<()> {
    // SAFETY: `set` is initialised by sigemptyset before it is read.
    let result = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for number in 1..=libc::SIGSYS {
            // KILL and STOP refuse, and need nothing.
            libc::signal(number, libc::SIG_DFL);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn complain(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
}

fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running handlers that belong to init.
    unsafe { libc::_exit(code) }
}

/// A new terminal owned by the calling thread's file ids: (ours, the program's).
pub fn open_terminal(rows: u16, cols: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    resize_terminal(ours.as_fd(), rows, cols)?;
    Ok((ours, theirs))
}

pub fn resize_terminal(terminal: BorrowedFd<'_>, rows: u16, cols: u16) -> io::Result<()> {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}
