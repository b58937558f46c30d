//! A connection from init to what listens in the slot, and nowhere else. It never waits.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use madang_slot_api::{AppFault, ConnectTo};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt},
};

/// Whoever listens and takes nobody in for so long is not to be reached.
const WAIT: Duration = Duration::from_secs(10);
/// Beneath these a guest's sockets are looked for.
const SOCKET_ROOTS: [&str; 2] = ["/home/work", "/tmp"];
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// A connection that does not stand yet.
pub struct Connecting {
    socket: OwnedFd,
    /// Tried when the first is refused.
    other: Option<SocketAddr>,
    pub until: Instant,
}

/// Begins to connect.
pub fn begin(to: &ConnectTo) -> Result<Connecting, AppFault> {
    let until = Instant::now() + WAIT;
    match to {
        ConnectTo::Port(port) => {
            let (first, other) = ((Ipv4Addr::LOCALHOST, *port).into(), (Ipv6Addr::LOCALHOST, *port).into());
            Ok(match dial(first) {
                Ok(socket) => Connecting { socket, other: Some(other), until },
                Err(_) => Connecting { socket: dial(other)?, other: None, until },
            })
        }
        ConnectTo::Socket(path) => Ok(Connecting { socket: dial_socket(path)?, other: None, until }),
    }
}

impl Connecting {
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// What came of it; none while that is open.
    pub fn look(&mut self) -> Option<Result<(), AppFault>> {
        let mut polled = [PollFd::new(&self.socket, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready = poll(&mut polled, Some(&at_once)).is_ok_and(|count| count > 0);
        if !ready {
            return None;
        }
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => Some(Ok(())),
            Ok(Err(error)) | Err(error) => match self.other.take().map(dial) {
                Some(Ok(socket)) => {
                    self.socket = socket;
                    self.look()
                }
                _ => Some(Err(fault(error))),
            },
        }
    }
}

fn dial(address: SocketAddr) -> Result<OwnedFd, AppFault> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None).map_err(fault)?;
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(fault(error)),
    }
}

/// A guest may have put anything under the name: the directory is resolved without leaving its root, and is reached through its own
/// descriptor; what is in it is a socket, not a link to one.
fn dial_socket(path: &str) -> Result<OwnedFd, AppFault> {
    let beneath = |root: &'static str| Some((root, path.strip_prefix(root)?.strip_prefix('/')?));
    let outside = || AppFault::Other("sockets are reached beneath /home/work and /tmp only".to_owned());
    let (root, within) = SOCKET_ROOTS.into_iter().find_map(beneath).ok_or_else(outside)?;
    let (directory, name) = within.rsplit_once('/').unwrap_or((".", within));
    if name.is_empty() || name == "." || name == ".." {
        return Err(outside());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, flags, Mode::empty()).map_err(fault)?;
    let parent = openat2(&top, directory, flags, Mode::empty(), BENEATH).map_err(fault)?;
    let seen = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::Socket {
        return Err(AppFault::Refused);
    }
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
            .map_err(fault)?;
    // Init has one thread, and uses no relative path but here.
    rustix::process::fchdir(&parent).map_err(fault)?;
    let connected = SocketAddrUnix::new(format!("./{name}")).and_then(|address| connect(&socket, &address));
    let _ = rustix::process::chdir("/");
    connected.map(|()| socket).map_err(fault)
}

fn fault(error: Errno) -> AppFault {
    match error {
        Errno::CONNREFUSED | Errno::NOENT | Errno::CONNRESET => AppFault::Refused,
        // Its queue is full.
        Errno::AGAIN | Errno::TIMEDOUT => AppFault::Late,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS => AppFault::TooMany,
        other => AppFault::Other(other.to_string()),
    }
}
