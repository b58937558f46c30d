//! One guest process with its pipes: a run's program, or a driver.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use madang_slot_api::{Probe, Stream};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal, kill_process_group},
};

use crate::{
    outlet::Outlet,
    program::{Program, open_terminal, start_inside},
    stdin::Inlet,
    walls::{Standing, Walls},
};

/// A process in a session of its own, and our ends of its descriptors.
pub struct Guest {
    pub pid: Pid,
    pub stdin: Inlet,
    pub outlets: Vec<Outlet>,
    /// Our side of its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// A pipe whose end on our side never blocks.
struct Pipe {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Pipe {
    fn into_guest() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        never_block(&write)?;
        Ok(Self { ours: write, theirs: read })
    }

    fn out_of_guest() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        never_block(&read)?;
        Ok(Self { ours: read, theirs: write })
    }
}

fn never_block(descriptor: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(descriptor, fcntl_getfl(descriptor)? | OFlags::NONBLOCK)?)
}

impl Guest {
    /// Starts a program on pipes. `input` replaces the stdin pipe: a file it reads by itself.
    pub fn start_piped(program: &Program, walls: &Walls, input: Option<&OwnedFd>) -> io::Result<Self> {
        let (stdin, out, err) = (Pipe::into_guest()?, Pipe::out_of_guest()?, Pipe::out_of_guest()?);
        let first = input.map_or(stdin.theirs.as_fd(), AsFd::as_fd);
        let pid = program.start(walls, &[first, out.theirs.as_fd(), err.theirs.as_fd()], false)?;
        Ok(Self { pid, stdin: Inlet::new(stdin.ours), outlets: outlets(out.ours, err.ours), terminal: None })
    }

    /// Tries the walls from inside.
    pub fn start_probe(probe: &Probe, walls: &Walls) -> io::Result<Self> {
        let (stdin, out, err) = (Pipe::into_guest()?, Pipe::out_of_guest()?, Pipe::out_of_guest()?);
        let theirs = [&stdin.theirs, &out.theirs, &err.theirs].map(AsFd::as_fd);
        let pid = start_inside((walls, Standing::Equal), &theirs, false, || crate::probe::run(probe))?;
        Ok(Self { pid, stdin: Inlet::new(stdin.ours), outlets: outlets(out.ours, err.ours), terminal: None })
    }

    /// Starts a program on a terminal of its own.
    pub fn start_on_terminal(program: &Program, walls: &Walls, (rows, cols): (u16, u16)) -> io::Result<Self> {
        let (ours, theirs) = open_terminal(rows, cols)?;
        never_block(&ours)?;
        let side = theirs.as_fd();
        let pid = program.start(walls, &[side, side, side], true)?;
        let outlet = Outlet { stream: Stream::Stdout, pipe: ours.try_clone()? };
        Ok(Self { pid, stdin: Inlet::new(ours.try_clone()?), outlets: vec![outlet], terminal: Some(ours) })
    }

    /// Starts a driver: pipes, and two more for requests and events, which come back in this order.
    pub fn start_driver(program: &Program, walls: &Walls) -> io::Result<(Self, Inlet, OwnedFd)> {
        let (stdin, out, err) = (Pipe::into_guest()?, Pipe::out_of_guest()?, Pipe::out_of_guest()?);
        let (requests, events) = (Pipe::into_guest()?, Pipe::out_of_guest()?);
        let theirs: [BorrowedFd<'_>; 5] =
            [&stdin.theirs, &out.theirs, &err.theirs, &requests.theirs, &events.theirs].map(AsFd::as_fd);
        let inlet = Inlet::renewable(stdin.ours, &stdin.theirs)?;
        let pid = program.start(walls, &theirs, false)?;
        let guest = Self { pid, stdin: inlet, outlets: outlets(out.ours, err.ours), terminal: None };
        Ok((guest, Inlet::new(requests.ours), events.ours))
    }

    /// A signal to everything still in its process group. A terminal's foreground job is another group: ask the terminal.
    pub fn signal(&self, number: i32) {
        let group =
            self.terminal.as_ref().and_then(|terminal| rustix::termios::tcgetpgrp(terminal).ok()).unwrap_or(self.pid);
        if let Some(signal) = Signal::from_named_raw(number) {
            let _ = kill_process_group(group, signal);
        }
    }
}

fn outlets(out: OwnedFd, err: OwnedFd) -> Vec<Outlet> {
    vec![Outlet { stream: Stream::Stdout, pipe: out }, Outlet { stream: Stream::Stderr, pipe: err }]
}
