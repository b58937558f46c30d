//! The spawner process: one request, one answer, until the node is gone.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
};

use rustix::fs::{Mode, OFlags};

use crate::{
    link,
    spawner::{Answer, Ask, PACKET_BYTES_MAX, SOCKET, ground::Ground},
};

/// The socket's number from then on: above those that a slot's init is given.
const SOCKET_KEPT: i32 = 10;

/// Main of `madang spawner`. Called before the process has any other thread.
pub fn serve() -> i32 {
    // SAFETY: the node starts this program with its socket at this number; nobody else owns it.
    let given = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    match settle().and_then(|()| keep_to_ourselves(given)).and_then(|socket| answer_all(socket.as_fd())) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("madang spawner: {error}");
            1
        }
    }
}

/// The socket at a number of ours, closed at exec: inits that had it too would keep it open when we die, and the node would wait for
/// an answer for ever.
fn keep_to_ourselves(given: OwnedFd) -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(&given, SOCKET_KEPT)?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
    let mut given = given;
    rustix::io::dup2(&nothing, &mut given)?;
    // Standard input stays what it is now.
    std::mem::forget(given);
    Ok(socket)
}

/// Signals meant for the server's terminal are not for us; children are reaped by the kernel.
fn settle() -> io::Result<()> {
    // Leading a group already is as good.
    let _ = rustix::process::setsid();
    // SAFETY: sets dispositions of this process; no handler of ours is involved.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
    }
    Ok(())
}

fn answer_all(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut ground = None;
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        let (count, _) = match link::receive(socket, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        if count == 0 {
            return Ok(());
        }
        let ask = postcard::from_bytes(&buffer[..count]).map_err(io::Error::other)?;
        let (answer, descriptor) = match answer(&mut ground, ask) {
            Ok(answered) => answered,
            Err(error) => (Answer::Failed { why: error.to_string() }, None),
        };
        let bytes = postcard::to_stdvec(&answer).map_err(io::Error::other)?;
        link::send(socket, &bytes, descriptor.as_ref().map(AsFd::as_fd))?;
    }
}

fn answer(ground: &mut Option<Ground>, ask: Ask) -> io::Result<(Answer, Option<OwnedFd>)> {
    if let Ask::Open { instance, slots } = &ask {
        let opened = Ground::open(instance, slots)?;
        let notes = opened.notes.clone();
        *ground = Some(opened);
        return Ok((Answer::Opened { notes }, None));
    }
    let ground = ground.as_mut().ok_or_else(|| io::Error::other("not opened yet"))?;
    match ask {
        Ask::Open { .. } => Err(io::Error::other("opened already")),
        Ask::Template { key, plan, languages } => {
            ground.make_template(&key, &plan, &languages)?;
            Ok((Answer::TemplateMade, None))
        }
        Ask::Slot(spec) => {
            let (pid, pidfd) = ground.give_birth(&spec)?;
            Ok((Answer::SlotMade { pid }, Some(pidfd)))
        }
    }
}
