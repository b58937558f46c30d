//! What begins in the slot: runs, probes and the driver, and waiting for room where there is none yet.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use madang_slot_api::{Cause, Exit, FromSlot, RunNumber, Start};

use super::{Init, Run, budget};
use crate::{
    driver::Driver,
    guest::Guest,
    outlet::Budget,
    process_tree,
    program::{EXIT_CANNOT_EXECUTE, Program},
};

/// Who was killed counts as a process until the kernel has taken it down, and what was large takes a while. The agent waits longer.
const ROOM_WAIT: Duration = Duration::from_secs(10);
/// Between two attempts, where no child's end is heard: others than our children make room too.
const ROOM_LOOK: Duration = Duration::from_millis(10);

/// The end of a run that never began: programs that go on hold all the processes there may be.
const CROWDED_OUT: Exit = Exit {
    status: EXIT_CANNOT_EXECUTE,
    cause: Some(Cause::Crowded),
    cpu_user_us: 0,
    cpu_system_us: 0,
    memory_peak_kib: 0,
    read_bytes: 0,
    written_bytes: 0,
};

/// Something to begin, which is lost neither when there is no room nor when messages follow it.
pub(super) enum Beginning {
    Run(Start, Option<OwnedFd>),
    Driver,
}

/// A beginning for which there is no room. Nothing is taken from the node meanwhile, so that what follows arrives in its order.
pub(super) struct Held {
    what: Beginning,
    until: Instant,
}

impl Held {
    pub(super) fn next_look(&self) -> Instant {
        Instant::now() + ROOM_LOOK
    }
}

impl Init {
    pub(super) fn start(&mut self, start: Start, input: Option<OwnedFd>) {
        if !self.walls.bound {
            return self.fault(Some(start.run), "nobody has claimed this slot".to_owned());
        }
        if !self.keep(start.run) {
            return self.fault(Some(start.run), "there are too many runs whose end nobody has heard".to_owned());
        }
        self.attempt(Beginning::Run(start, input), Instant::now() + ROOM_WAIT);
    }

    pub(super) fn start_driver(&mut self) {
        if self.driver_argv.is_none() {
            return self.fault(None, "no driver here".to_owned());
        }
        if let Some(old) = self.driver.take() {
            process_tree::kill_tree(old.guest.pid);
        }
        self.attempt(Beginning::Driver, Instant::now() + ROOM_WAIT);
    }

    /// Tries again what was held.
    pub(super) fn attempt_held(&mut self) {
        if let Some(Held { what, until }) = self.held.take() {
            self.attempt(what, until);
        }
    }

    fn attempt(&mut self, what: Beginning, until: Instant) {
        let begun = match &what {
            Beginning::Run(start, input) => self.launch(start, input.as_ref()),
            Beginning::Driver => self.launch_driver(),
        };
        match (begun, what) {
            (Ok(()), _) => {}
            (Err(error), what) if no_room(&error) && Instant::now() < until => self.held = Some(Held { what, until }),
            (Err(error), Beginning::Run(start, _)) if no_room(&error) => {
                self.link.send(&FromSlot::Exited { run: start.run, exit: CROWDED_OUT });
            }
            (Err(error), Beginning::Run(start, _)) => {
                self.fault(Some(start.run), format!("cannot start the program: {error}"));
            }
            (Err(error), Beginning::Driver) => self.fault(None, format!("cannot start the driver: {error}")),
        }
    }

    fn launch(&mut self, start: &Start, input: Option<&OwnedFd>) -> io::Result<()> {
        let env: Vec<String> = self.env.iter().chain(&start.env).cloned().collect();
        let program = Program::new(&start.argv, &env)?;
        let guest = match start.terminal {
            Some(size) => Guest::start_on_terminal(&program, &self.walls, size),
            None => Guest::start_piped(&program, &self.walls, input),
        }?;
        self.begin(start.run, guest, budget(start.wall_ms, start.output_bytes));
        Ok(())
    }

    fn launch_driver(&mut self) -> io::Result<()> {
        let argv = self.driver_argv.as_deref().unwrap_or_default();
        self.driver = Some(Driver::start(argv, &self.env, &self.walls)?);
        Ok(())
    }

    pub(super) fn begin(&mut self, run: RunNumber, guest: Guest, budget: Budget) {
        self.runs.insert(run, Run { guest, budget });
        self.link.send(&FromSlot::Started { run });
    }
}

/// Whether another process was one too many.
fn no_room(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}
