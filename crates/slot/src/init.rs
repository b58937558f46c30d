//! The poll loop: who is waited for, and what each message does. What concerns the driver is in [`drive`], what begins in [`begin`].

mod app;
mod begin;
mod drive;
mod end;

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use app::Apps;
use begin::Held;
use madang_slot_api::{AppNumber, Bind, Cause, FromSlot, Keep, Prepare, RunNumber, Stream, ToSlot};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    bind::{self, Started},
    driver::Driver,
    files::Files,
    guest::Guest,
    link::Link,
    mount,
    outlet::{Budget, Drained, drain},
    process_tree,
    program::resize_terminal,
    reap::{Reaper, watch_children},
    walls::{self, Walls},
};

/// Unsent standard input kept for one program; past it messages wait.
const STDIN_PENDING_BYTES_MAX: usize = 1 << 20;
/// Messages taken from the node before guests are looked at again.
const MESSAGES_A_TURN_MAX: usize = 64;
/// Reads of one pipe before others are looked at again.
const READS_A_TURN_MAX: usize = 8;
/// Reads of a pipe whose program has ended: it holds a mebibyte at most, and others who still write into it would never let it be empty.
const LAST_READS_MAX: usize = 33;
/// A node that has not spoken yet is given this long.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// A probe says a line about each hole.
const PROBE_OUTPUT_BYTES: u64 = 64 << 10;

/// A program that a run started.
struct Run {
    guest: Guest,
    budget: Budget,
}

/// PID 1 of a slot.
pub struct Init {
    link: Link,
    children: OwnedFd,
    reaper: Reaper,
    files: Files,
    walls: Walls,
    env: Vec<String>,
    driver_argv: Option<Vec<String>>,
    driver: Option<Driver>,
    runs: BTreeMap<RunNumber, Run>,
    apps: Apps,
    keep: Keep,
    held: Option<Held>,
    /// Without a node, the slot ends then.
    orphan: Duration,
    alone_since: Option<Instant>,
    /// Something failed that must not be survived.
    over: bool,
}

/// What became readable or writable.
#[derive(Clone, Copy)]
enum Wake {
    Listener,
    Connection,
    Children,
    Stdin(RunNumber),
    Outlet(RunNumber),
    AppOutlet(AppNumber),
    /// By the question that it answers.
    Connecting(u32),
    DriverPipes,
}

impl Init {
    pub fn new(listener: OwnedFd) -> io::Result<Self> {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        walls::close_bounding_set()?;
        walls::keep(walls::powers_until_bind())?;
        rustix::thread::set_no_new_privs(true)?;
        Ok(Self {
            link: Link::new(listener),
            children: watch_children()?,
            reaper: Reaper::new(),
            files: Files::open()?,
            walls: Walls {
                guest_id: None,
                filters: Vec::new(),
                fence: walls::fence(),
                open_files: 64,
                bound: false,
                own_limits: None,
            },
            env: Vec::new(),
            driver_argv: None,
            driver: None,
            runs: BTreeMap::new(),
            apps: Apps::default(),
            keep: Keep::Nothing,
            held: None,
            orphan: FIRST_WORD,
            alone_since: Some(Instant::now()),
            over: false,
        })
    }

    /// Serves until no node has spoken for too long. Returning ends every process of the slot.
    pub fn serve(&mut self) -> io::Result<()> {
        loop {
            let wakes = self.wait()?;
            for wake in wakes {
                self.handle(wake);
            }
            self.reap();
            self.attempt_held();
            self.end_late_runs();
            self.end_late_connections();
            self.report_stdin();
            if self.over {
                return Ok(());
            }
            if self.link.connection().is_some() {
                self.alone_since = None;
            } else if self.alone_since.get_or_insert_with(Instant::now).elapsed() > self.orphan {
                return Ok(());
            }
        }
    }

    /// Waits until something happens or the next deadline.
    fn wait(&mut self) -> io::Result<Vec<Wake>> {
        let mut wakes = Vec::new();
        let mut polled = Vec::new();
        for (wake, descriptor, flags) in self.interests() {
            wakes.push(wake);
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
        }
        let timeout = self.next_deadline().saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = polled.iter().map(|polled| !polled.revents().is_empty());
        Ok(wakes.into_iter().zip(happened).filter_map(|(wake, happened)| happened.then_some(wake)).collect())
    }

    fn interests(&self) -> Vec<(Wake, BorrowedFd<'_>, PollFlags)> {
        let mut all = vec![
            (Wake::Listener, self.link.listener(), PollFlags::IN),
            (Wake::Children, self.children.as_fd(), PollFlags::IN),
        ];
        if let Some(connection) = self.link.connection() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::OUT, self.link.wants_to_send());
            flags.set(PollFlags::IN, self.may_listen());
            all.push((Wake::Connection, connection, flags));
        }
        for (&number, run) in &self.runs {
            all.extend(run.guest.stdin.waits_on().map(|pipe| (Wake::Stdin(number), pipe, PollFlags::OUT)));
            if self.link.has_room(number) {
                all.extend(
                    run.guest.outlets.iter().map(|outlet| (Wake::Outlet(number), outlet.pipe.as_fd(), PollFlags::IN)),
                );
            }
        }
        all.extend(self.apps.outlets().map(|(app, pipe)| (Wake::AppOutlet(app), pipe, PollFlags::IN)));
        all.extend(self.apps.connecting().map(|(ask, socket)| (Wake::Connecting(ask), socket, PollFlags::OUT)));
        if let Some(driver) = &self.driver {
            let inlets = [driver.guest.stdin.waits_on(), driver.requests.waits_on()];
            all.extend(inlets.into_iter().flatten().map(|pipe| (Wake::DriverPipes, pipe, PollFlags::OUT)));
            if self.driver_may_speak() {
                let outlets = driver.guest.outlets.iter().map(|outlet| outlet.pipe.as_fd());
                all.extend(
                    outlets
                        .chain(driver.events.as_ref().map(AsFd::as_fd))
                        .map(|pipe| (Wake::DriverPipes, pipe, PollFlags::IN)),
                );
            }
        }
        all
    }

    /// Whether more may be taken from the node.
    fn may_listen(&self) -> bool {
        self.held.is_none() && !self.stdin_is_full()
    }

    fn stdin_is_full(&self) -> bool {
        let runs = self.runs.values().map(|run| &run.guest);
        let guests = runs.chain(self.driver.iter().map(|driver| &driver.guest));
        guests.into_iter().any(|guest| guest.stdin.pending_bytes() > STDIN_PENDING_BYTES_MAX)
    }

    fn next_deadline(&self) -> Instant {
        let alone = self.alone_since.map(|since| since + self.orphan);
        let runs = self.runs.values().map(|run| run.budget.deadline);
        let serving = self.driver.iter().filter_map(|driver| Some(driver.serving.as_ref()?.budget.deadline));
        let idle = Instant::now() + Duration::from_secs(3600);
        let held = self.held.as_ref().map(Held::next_look);
        runs.chain(serving).chain(alone).chain(held).chain(self.apps.next_deadline()).min().unwrap_or(idle).min(idle)
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Listener => self.link.accept(),
            Wake::Connection => self.talk(),
            // Reaping follows every turn.
            Wake::Children => self.forget_child_signals(),
            Wake::Stdin(run) => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.guest.stdin.pump();
                }
            }
            Wake::Outlet(run) => self.forward_run(run, READS_A_TURN_MAX),
            Wake::AppOutlet(app) => self.hear_app(app),
            Wake::Connecting(ask) => self.look_at_connection(ask),
            Wake::DriverPipes => self.tend_driver(),
        }
    }

    fn forget_child_signals(&mut self) {
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(&self.children, &mut record).is_ok_and(|count| count > 0) {}
    }

    fn talk(&mut self) {
        self.link.flush();
        for _ in 0..MESSAGES_A_TURN_MAX {
            let Some((message, descriptor)) = self.link.receive() else { return };
            self.obey(message, descriptor);
            if !self.may_listen() {
                return;
            }
        }
    }

    fn obey(&mut self, message: ToSlot, descriptor: Option<OwnedFd>) {
        match message {
            ToSlot::Prepare(prepare) => self.prepare(prepare),
            ToSlot::Bind(bind) => self.bind(bind),
            ToSlot::Start(start) => self.start(start, descriptor),
            ToSlot::Driver(ask) => self.ask_driver(ask, descriptor),
            ToSlot::DriverRestart => self.start_driver(),
            ToSlot::Stdin { run, bytes } => self.with_guest(run, |guest| guest.stdin.push(&bytes)),
            ToSlot::StdinEnd { run } => self.with_guest(run, end_input),
            ToSlot::Resize { run, rows, cols } => self.with_guest(run, |guest| {
                if let Some(terminal) = &guest.terminal {
                    let _ = resize_terminal(terminal.as_fd(), rows, cols);
                }
            }),
            ToSlot::Signal { run, number } => self.with_guest(run, |guest| guest.signal(number)),
            ToSlot::Kill { run } => self.kill(run, Cause::Asked),
            ToSlot::KillAll => self.kill_all(),
            ToSlot::File { ask, what } => {
                let (answer, descriptor) = self.files.answer(what);
                self.link.send_with(&FromSlot::File { ask, answer }, descriptor);
            }
            ToSlot::Ping => self.link.send(&FromSlot::Pong),
            ToSlot::Probe(probe) => match Guest::start_probe(&probe, &self.walls) {
                Ok(guest) => self.begin(probe.run, guest, budget(probe.wall_ms, PROBE_OUTPUT_BYTES)),
                Err(error) => self.fault(Some(probe.run), format!("cannot start the probe: {error}")),
            },
            ToSlot::Runs => {
                let runs = self.link.journal.list();
                self.link.send(&FromSlot::Runs { driver: self.driver_seen(), runs });
            }
            ToSlot::Resume { run, after } => {
                self.link.journal.resume(run, after);
                self.link.flush();
            }
            ToSlot::Confirm { run, upto } => self.link.journal.confirm(run, upto),
            ToSlot::Mount { at } => self.mount(&at, descriptor),
            ToSlot::App { ask, what } => self.obey_app(ask, what),
            ToSlot::Thawed { frozen_ms } => self.move_deadlines(Duration::from_millis(frozen_ms)),
            ToSlot::Resolve { text } => self.resolve(&text),
        }
    }

    /// Time that stood still is nobody's.
    fn move_deadlines(&mut self, by: Duration) {
        let serving = self.driver.iter_mut().filter_map(|driver| driver.serving.as_mut());
        let budgets =
            self.runs.values_mut().map(|run| &mut run.budget).chain(serving.map(|serving| &mut serving.budget));
        for budget in budgets {
            // Far beyond any clock, "no deadline" stays what it is.
            budget.deadline = budget.deadline.checked_add(by).unwrap_or(budget.deadline);
        }
    }

    /// Begins to keep what the run says, where that was asked for; false when it cannot be kept.
    fn keep(&mut self, run: RunNumber) -> bool {
        self.keep == Keep::Nothing || self.link.journal.open(run)
    }

    fn prepare(&mut self, prepare: Prepare) {
        self.walls.guest_id = prepare.guest_id;
        self.walls.filters = prepare.filters;
        self.walls.open_files = prepare.open_files;
        self.walls.own_limits = prepare.own_limits;
        self.env = prepare.env;
        self.orphan = Duration::from_millis(prepare.orphan_ms);
        self.driver_argv = prepare.driver;
        walls::set_file_ids(prepare.guest_id.unwrap_or(0));
        self.link.send(&FromSlot::Prepared);
        if self.driver_argv.is_some() {
            self.start_driver();
        }
    }

    /// The guest has no network yet, or has one and is not bound: what fails here must not be survived.
    fn resolve(&mut self, text: &str) {
        walls::set_file_ids(0);
        let shown = bind::show_resolver(text);
        walls::set_file_ids(self.walls.guest_id.unwrap_or(0));
        if let Err(error) = shown {
            self.fault(None, format!("cannot show the name server: {error}"));
            self.over = true;
        }
    }

    fn bind(&mut self, asked: Bind) {
        // Files made for the slot belong to init's own id.
        walls::set_file_ids(0);
        let started = match self.apps.are_any() {
            true => Started::Many,
            false => Started::Driver(self.driver.as_ref().map(|driver| driver.guest.pid)),
        };
        let applied = bind::apply(&asked, started);
        let kept = applied.and_then(|()| walls::keep(walls::powers_after_bind()));
        walls::set_file_ids(self.walls.guest_id.unwrap_or(0));
        self.walls.open_files = asked.open_files;
        self.walls.own_limits = asked.own_limits;
        self.orphan = Duration::from_millis(asked.orphan_ms);
        self.keep = asked.keep;
        self.env.extend(asked.env);
        match kept {
            Ok(()) => {
                self.walls.bound = true;
                self.link.send(&FromSlot::Bound);
            }
            Err(error) => {
                // Half bound is not bound: nothing may run here, and the powers must not stay.
                self.fault(None, format!("cannot bind the slot: {error}"));
                self.over = true;
            }
        }
    }

    fn mount(&mut self, at: &str, folder: Option<OwnedFd>) {
        if let Err(error) = mount::hang(folder, at) {
            // Who asked for a folder must not work without it.
            self.fault(None, format!("cannot mount a folder at {at}: {error}"));
            self.over = true;
        }
    }

    fn kill_all(&mut self) {
        process_tree::kill_all();
        if self.driver.as_ref().is_some_and(|driver| !driver.ready) {
            // Somebody waits for it.
            self.fault(None, "the interpreter was ended before it was ready".to_owned());
        }
        // One that serves nobody ends because it was told to: that is no fault to report.
        self.driver = self.driver.take().filter(|driver| driver.serving.is_some());
    }

    fn with_guest(&mut self, run: RunNumber, act: impl FnOnce(&mut Guest)) {
        if let Some(run) = self.runs.get_mut(&run) {
            act(&mut run.guest);
        } else if let Some(driver) = self.driver.as_mut().filter(|driver| serves(driver, run)) {
            act(&mut driver.guest);
        }
    }

    fn fault(&mut self, run: Option<RunNumber>, text: String) {
        self.link.send(&FromSlot::Fault { run, text });
    }

    /// Tells how much of live standard input was taken.
    fn report_stdin(&mut self) {
        let runs = self.runs.iter_mut().map(|(&number, run)| (number, run.guest.stdin.take_count()));
        let driver = self.driver.as_mut().and_then(|driver| {
            let taken = driver.guest.stdin.take_count();
            Some((driver.serving.as_ref()?.run, taken))
        });
        for (run, bytes) in runs.chain(driver).filter(|(_, bytes)| *bytes > 0).collect::<Vec<_>>() {
            self.link.send(&FromSlot::StdinTaken { run, bytes });
        }
    }

    /// Moves what a run's program has written, at most `reads` pieces a pipe.
    fn forward_run(&mut self, number: RunNumber, reads: usize) {
        let Some(run) = self.runs.get_mut(&number) else { return };
        let over = forward(&mut self.link, number, &mut run.guest, &mut run.budget, reads);
        if over {
            self.kill(number, Cause::Output);
        }
    }

    fn reap(&mut self) {
        while let Some(reaped) = self.reaper.next() {
            if self.app_ended(&reaped) {
                continue;
            }
            let run =
                self.runs.iter().find(|(_, run)| run.guest.pid.as_raw_pid() == reaped.pid).map(|(&number, _)| number);
            if let Some(number) = run {
                // What it wrote last is still in the pipes.
                self.forward_run(number, LAST_READS_MAX);
                if let Some(run) = self.runs.remove(&number) {
                    self.link.send(&FromSlot::Exited { run: number, exit: reaped.exit(run.budget.cause) });
                }
            } else if self.driver.as_ref().is_some_and(|driver| driver.guest.pid.as_raw_pid() == reaped.pid) {
                self.driver_ended(&reaped);
            }
        }
    }
}

fn serves(driver: &Driver, run: RunNumber) -> bool {
    driver.serving.as_ref().is_some_and(|serving| serving.run == run)
}

fn end_input(guest: &mut Guest) {
    match &guest.terminal {
        // End of file on a terminal is a character.
        Some(_) => guest.stdin.push(b"\x04"),
        None => guest.stdin.close(),
    }
}

fn budget(wall_ms: u64, output_bytes: u64) -> Budget {
    // A century stands for "no deadline" without overflowing the clock.
    let wall = Duration::from_millis(wall_ms.min(100 * 365 * 86_400_000));
    Budget { deadline: Instant::now() + wall, output_left: output_bytes, cause: None }
}

/// Moves output from `guest` to the node within `budget`; true when the budget ran out just now.
fn forward(link: &mut Link, run: RunNumber, guest: &mut Guest, budget: &mut Budget, reads: usize) -> bool {
    let ended_before = budget.cause.is_some();
    guest.outlets.retain(|outlet| {
        let mut left = reads;
        while left > 0 {
            left -= 1;
            match drain(&outlet.pipe) {
                Drained::Bytes(bytes) => send_output(link, run, outlet.stream, budget.spend(&bytes)),
                Drained::NothingNow => return true,
                Drained::Closed => return false,
            }
            // An unending writer is ended by the caller, not read for ever.
            if budget.cause == Some(Cause::Output) || (ended_before && budget.output_left == 0) {
                return true;
            }
        }
        true
    });
    !ended_before && budget.cause == Some(Cause::Output)
}

fn send_output(link: &mut Link, run: RunNumber, stream: Stream, bytes: &[u8]) {
    const PIECE_BYTES: usize = 32 << 10;
    for piece in bytes.chunks(PIECE_BYTES) {
        link.send(&FromSlot::Output { run, stream, bytes: piece.to_vec() });
    }
}
