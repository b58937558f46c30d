//! One program, or one request to the interpreter, from start to verdict.

use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use madang_model::{Blob, Outcome, RunEventBody, Stdin, TerminalSize, Usage, Work};
use madang_node_api::RunControl;
use madang_slot_api::{DriverStatus, Exit, FromSlot, RunNumber, Start, StartDriver, Stream, ToSlot, Verb};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tokio::sync::mpsc;

use super::{Run, tape::Record};
use crate::{
    link::LinkError,
    meter::{Began, Meter},
    sandbox::{RunSlot, Sandbox, Unconfirmed},
    verdict::{End, Evidence, outcome},
};

const SIGINT: i32 = 2;
/// A run in a frozen sandbox is looked at this often.
const FROZEN_AGAIN: Duration = Duration::from_secs(1);
/// A query over its time is interrupted first, so that its state is kept. Long enough for an interpreter that waits for its turn on a
/// full machine: what a class has computed is worth more than the seconds.
const INTERRUPT_WAIT: Duration = Duration::from_secs(10);
/// Then it is interrupted again and again: one that had not begun the query took no notice. Before, what it does about the first counts.
const INTERRUPT_AGAIN: Duration = Duration::from_secs(1);
/// So much after its time it is ended.
const INTERRUPT_GRACE_MS: u64 = 15_000;
/// Init keeps the deadline, of what waited for room as well, for ten seconds at most; if it does not by so much, the sandbox is ended from
/// outside.
const OVERDUE: Duration = Duration::from_secs(15);
/// Standard input goes to init in pieces.
pub(super) const STDIN_PIECE_BYTES: usize = 32 << 10;
/// Standard input kept for a program whose build is in progress; past it whoever sends it waits.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Live standard input on its way that the program has not taken; more is held here, so that messages never wait behind it.
pub(super) const STDIN_WINDOW_BYTES: u64 = 256 << 10;
/// Init cuts output at its limit; one that sends so much more is no init of ours.
pub(super) const OUTPUT_SPARE_BYTES: u64 = 4 << 20;

/// Messages of init are confirmed when they weigh so much together, and at the end of a step.
pub(super) const CONFIRM_BYTES: u64 = 64 << 10;

/// What to follow.
pub enum Ask {
    Program { argv: Vec<String>, env: Vec<String>, terminal: Option<TerminalSize> },
    Driver { verb: Verb, payload: Vec<u8> },
}

/// Its standard input.
pub enum Input {
    Whole(Blob),
    Live,
}

/// What happened so far.
struct Watch {
    number: RunNumber,
    messages: mpsc::Receiver<FromSlot>,
    meter: Meter,
    next_look: Instant,
    /// When a query is interrupted for its wall time.
    interrupt_at: Option<Instant>,
    /// When one that was interrupted, for its CPU time perhaps, is interrupted again, and ended.
    interrupt_again_at: Option<Instant>,
    kill_at: Option<Instant>,
    overdue_at: Instant,
    /// How much of the time that its sandbox was frozen these deadlines have been moved by.
    frozen_for: Duration,
    cpu_over: bool,
    wall_over: bool,
    media: Vec<u8>,
    live: bool,
    /// Live standard input sent, and taken by the program.
    stdin_sent: u64,
    stdin_taken: u64,
    heard_bytes: u64,
    confirmed_bytes: u64,
}

enum Ended {
    Exited(Exit),
    Answered(DriverStatus),
    /// The sandbox is gone.
    Lost,
}

impl Run {
    pub(super) async fn step(&mut self, ask: Ask, input: Input) -> Result<Outcome, LinkError> {
        self.step_with_driver(ask, input).await.map(|(outcome, _)| outcome)
    }

    /// As [`Run::step`], also telling whether the interpreter lives on.
    pub(super) async fn step_with_driver(&mut self, ask: Ask, input: Input) -> Result<(Outcome, bool), LinkError> {
        if let Some(RunEventBody::StepFinished { outcome, .. }) = self.past.marks.front() {
            return Ok((outcome.clone(), false));
        }
        let sandbox = std::sync::Arc::clone(&self.sandbox);
        let place = sandbox.begin_run();
        let asks_driver = matches!(ask, Ask::Driver { .. });
        let mut watch = match self.past.step.take() {
            Some((number, began)) => self.take_up(&sandbox, number, began, &input).await?,
            None => self.begin(&sandbox, ask, input).await?,
        };
        self.settle();
        if asks_driver {
            sandbox.set_serving(Some(watch.number));
        }
        let ended = self.feed_and_follow(&sandbox, &mut watch).await;
        sandbox.link.close_run(watch.number);
        if self.emitter.tape.is_some() {
            let bytes = watch.heard_bytes - watch.confirmed_bytes;
            self.unconfirmed = Some(Unconfirmed { run: watch.number, upto: self.emitter.heard, bytes });
        }
        if asks_driver {
            sandbox.set_serving(None);
        }
        let ended = ended?;
        let lives = matches!(ended, Ended::Answered(_));
        Ok((self.judge(&sandbox, watch, ended, &place), lives))
    }

    async fn begin(&mut self, sandbox: &Sandbox, ask: Ask, input: Input) -> Result<Watch, LinkError> {
        let (number, messages) = sandbox.link.open_run()?;
        let meter = Meter::start(&sandbox.slot.cgroup, sandbox.transferred());
        if let Some(whole) = &sandbox.meter {
            whole.saw_peak(meter.peak_before());
        } else {
            // Of several steps the first one's.
            let _ = sandbox.began.set(meter.began());
        }
        // Before init hears of it: who comes after us knows what the number stands for, and that it was asked once.
        self.emitter.heard = 0;
        self.emitter.keep(&Record::Step { number, began: meter.began() }).await;
        let limits = *self.limits();
        let is_query = matches!(ask, Ask::Driver { verb: Verb::Exec, .. });
        let live = matches!(input, Input::Live);
        let file = match &input {
            Input::Whole(bytes) if !bytes.0.is_empty() => Some(in_memory(&bytes.0)?),
            _ => None,
        };
        let message = match ask {
            Ask::Program { argv, env, terminal } => ToSlot::Start(Start {
                run: number,
                argv,
                env,
                terminal: terminal.map(|size| (size.rows, size.cols)),
                wall_ms: limits.wall_ms,
                output_bytes: limits.output_bytes,
            }),
            Ask::Driver { verb, payload } => ToSlot::Driver(StartDriver {
                run: number,
                verb,
                payload,
                env: sandbox.late_environment(),
                stdin_whole: !live,
                wall_ms: limits.wall_ms + if is_query { INTERRUPT_GRACE_MS } else { 0 },
                output_bytes: limits.output_bytes,
            }),
        };
        sandbox.link.send_with(&message, file.as_ref()).await?;
        // It has something else to do by now.
        sandbox.confirm_due().await;
        if matches!(message, ToSlot::Start(_)) && !live && file.is_none() {
            sandbox.link.send(&ToSlot::StdinEnd { run: number }).await?;
        }
        let watch = self.watch(sandbox, number, messages, meter);
        let watch = if is_query { watch.with_grace() } else { watch };
        Ok(Watch { live, ..watch })
    }

    /// Goes on with a step that an agent before this one has begun and init still knows.
    async fn take_up(
        &mut self,
        sandbox: &Sandbox,
        number: RunNumber,
        began: Began,
        input: &Input,
    ) -> Result<Watch, LinkError> {
        let messages = sandbox.link.follow_run(number)?;
        self.emitter.heard = self.past.heard;
        sandbox.link.send(&ToSlot::Resume { run: number, after: self.past.heard }).await?;
        if self.cancelled {
            sandbox.link.send(&ToSlot::Kill { run: number }).await?;
        }
        let watch = self.watch(sandbox, number, messages, Meter::resume(began));
        let is_query = matches!(self.spec.work, Work::Query { .. });
        let watch = if is_query { watch.with_grace() } else { watch };
        Ok(Watch {
            media: std::mem::take(&mut self.past.part),
            // It has begun before this agent, and may have stood still since.
            frozen_for: Duration::ZERO,
            live: matches!(input, Input::Live),
            ..watch
        })
    }

    fn watch(&self, sandbox: &Sandbox, number: RunNumber, messages: mpsc::Receiver<FromSlot>, meter: Meter) -> Watch {
        let limits = self.limits();
        let wall = Duration::from_millis(limits.wall_ms.min(u64::from(u32::MAX)));
        let end = meter.began_at() + wall;
        Watch {
            number,
            messages,
            next_look: meter.next_look(limits.cpu_ms.saturating_mul(1000), sandbox.cpus),
            meter,
            interrupt_at: None,
            interrupt_again_at: None,
            kill_at: None,
            overdue_at: end.max(Instant::now()) + OVERDUE,
            frozen_for: sandbox.freezer.frozen_for(),
            cpu_over: false,
            wall_over: false,
            media: Vec::new(),
            live: false,
            stdin_sent: 0,
            stdin_taken: 0,
            heard_bytes: 0,
            confirmed_bytes: 0,
        }
    }

    async fn feed_and_follow(&mut self, sandbox: &Sandbox, watch: &mut Watch) -> Result<Ended, LinkError> {
        if watch.live {
            self.feed(sandbox, watch).await?;
        }
        self.follow(sandbox, watch).await
    }

    async fn follow(&mut self, sandbox: &Sandbox, watch: &mut Watch) -> Result<Ended, LinkError> {
        loop {
            let wake = match sandbox.freezer.is_frozen() {
                true => Instant::now() + FROZEN_AGAIN,
                false => watch.next(),
            };
            tokio::select! {
                biased;
                message = watch.messages.recv() => match self.count(message) {
                    None => return Ok(Ended::Lost),
                    Some(FromSlot::Exited { exit, .. }) => return Ok(Ended::Exited(exit)),
                    Some(FromSlot::Done { status, .. }) => return Ok(Ended::Answered(status)),
                    Some(FromSlot::Fault { text, .. }) => return Err(LinkError::Fault(text)),
                    Some(FromSlot::StdinTaken { bytes, .. }) => {
                        watch.stdin_taken = watch.stdin_taken.saturating_add(bytes);
                        self.feed(sandbox, watch).await?;
                    }
                    Some(message) => self.pass_on(sandbox, watch, message).await,
                },
                Some(control) = self.controls.recv(), if self.held_input_bytes < HELD_BYTES_MAX => self.obey(sandbox, watch, control).await?,
                () = tokio::time::sleep_until(wake.into()) => self.look(sandbox, watch).await?,
            }
        }
    }

    /// Counts what init numbers too.
    fn count(&mut self, message: Option<FromSlot>) -> Option<FromSlot> {
        let counts = message.as_ref().is_some_and(|message| !matches!(message, FromSlot::StdinTaken { .. }));
        self.emitter.heard += u64::from(counts);
        message
    }

    /// Lets init forget what is on the tape, from time to time.
    async fn confirm(&self, sandbox: &Sandbox, watch: &mut Watch) {
        if self.emitter.tape.is_some() && watch.heard_bytes - watch.confirmed_bytes >= CONFIRM_BYTES {
            watch.confirmed_bytes = watch.heard_bytes;
            // A sandbox that is gone says so to whoever reads.
            let _ = sandbox.link.send(&ToSlot::Confirm { run: watch.number, upto: self.emitter.heard }).await;
        }
    }

    async fn pass_on(&mut self, sandbox: &Sandbox, watch: &mut Watch, message: FromSlot) {
        watch.heard_bytes += weight(&message);
        if watch.heard_bytes > self.limits().output_bytes.saturating_mul(2).saturating_add(OUTPUT_SPARE_BYTES) {
            tracing::warn!(slot = sandbox.slot.name, "a slot does not keep its output limit; it is ended");
            return sandbox.slot.kill();
        }
        let body = match message {
            FromSlot::Output { stream: Stream::Stdout, bytes, .. } => RunEventBody::Stdout { data: Blob(bytes) },
            FromSlot::Output { stream: Stream::Stderr, bytes, .. } => RunEventBody::Stderr { data: Blob(bytes) },
            FromSlot::Log { text, .. } => RunEventBody::Log { text },
            FromSlot::Input { prompt, echo, .. } => RunEventBody::WaitingInput { prompt, echo },
            FromSlot::Media { mime, bytes, last, .. } => {
                if !last && self.emitter.tape.is_some() {
                    let part = Record::Part { heard: self.emitter.heard, data: Blob(bytes.clone()) };
                    self.emitter.keep(&part).await;
                    self.confirm(sandbox, watch).await;
                }
                watch.media.extend(bytes);
                if !last {
                    return;
                }
                RunEventBody::Media { mime, data: Blob(std::mem::take(&mut watch.media)) }
            }
            _ => return,
        };
        self.emitter.emit(body).await;
        self.confirm(sandbox, watch).await;
    }

    async fn obey(&mut self, sandbox: &Sandbox, watch: &mut Watch, control: RunControl) -> Result<(), LinkError> {
        let _awake = sandbox.awake().await.map_err(|_| LinkError::Silent)?;
        let run = watch.number;
        let message = match control {
            control @ (RunControl::Stdin(_) | RunControl::StdinEnd) => {
                self.hold(control);
                return if watch.live { self.feed(sandbox, watch).await } else { Ok(()) };
            }
            RunControl::Resize(size) => ToSlot::Resize { run, rows: size.rows, cols: size.cols },
            RunControl::Interrupt => ToSlot::Signal { run, number: SIGINT },
            RunControl::Cancel => {
                self.cancelled = true;
                self.emitter.keep(&Record::Cancelled).await;
                ToSlot::Kill { run }
            }
        };
        sandbox.link.send(&message).await
    }

    /// Keeps standard input for the step that will read it, if one will.
    fn hold(&mut self, control: RunControl) {
        if matches!(self.spec.stdin, Stdin::Live) {
            if let RunControl::Stdin(bytes) = &control {
                self.held_input_bytes += bytes.len();
            }
            self.held_input.push_back(control);
        }
    }

    /// Sends what is held of standard input, as far as the program has room.
    async fn feed(&mut self, sandbox: &Sandbox, watch: &mut Watch) -> Result<(), LinkError> {
        let run = watch.number;
        while watch.stdin_sent.saturating_sub(watch.stdin_taken) < STDIN_WINDOW_BYTES {
            match self.held_input.pop_front() {
                Some(RunControl::Stdin(bytes)) => {
                    let rest = bytes.len().min(STDIN_PIECE_BYTES);
                    let (piece, rest) = bytes.split_at(rest);
                    if !rest.is_empty() {
                        self.held_input.push_front(RunControl::Stdin(rest.to_vec()));
                    }
                    self.held_input_bytes -= piece.len();
                    watch.stdin_sent += piece.len() as u64;
                    sandbox.link.send(&ToSlot::Stdin { run, bytes: piece.to_vec() }).await?;
                }
                Some(_) => sandbox.link.send(&ToSlot::StdinEnd { run }).await?,
                None => break,
            }
        }
        Ok(())
    }

    /// Looks at memory and CPU, and at deadlines that init does not keep.
    async fn look(&mut self, sandbox: &Sandbox, watch: &mut Watch) -> Result<(), LinkError> {
        watch.stand_still(sandbox.freezer.frozen_for());
        if sandbox.freezer.is_frozen() {
            return Ok(());
        }
        let (now, run, cgroup) = (Instant::now(), watch.number, &sandbox.slot.cgroup);
        let memory_bytes = watch.meter.look(cgroup);
        if let Some(whole) = &sandbox.meter {
            whole.saw_memory(memory_bytes);
        }
        let over = watch.cpu_over || watch.wall_over;
        let cpu_max_us = if over { u64::MAX } else { self.limits().cpu_ms.saturating_mul(1000) };
        let cpu_us = watch.meter.cpu_us(cgroup);
        watch.next_look = watch.meter.next_look(cpu_max_us.saturating_sub(cpu_us), sandbox.cpus);
        watch.cpu_over |= cpu_us >= cpu_max_us;
        watch.wall_over |= watch.interrupt_at.is_some_and(|at| at <= now);
        if !over && (watch.cpu_over || watch.wall_over) {
            return sandbox.link.send(&watch.end_or_interrupt(now)).await;
        }
        if watch.kill_at.is_some_and(|at| at <= now) {
            (watch.kill_at, watch.interrupt_again_at) = (None, None);
            return sandbox.link.send(&ToSlot::Kill { run }).await;
        }
        if watch.interrupt_again_at.is_some_and(|at| at <= now) {
            watch.interrupt_again_at = Some(now + INTERRUPT_AGAIN);
            return sandbox.link.send(&ToSlot::Signal { run, number: SIGINT }).await;
        }
        if watch.overdue_at <= now {
            tracing::warn!(slot = sandbox.slot.name, "a run is overdue; its sandbox is ended");
            watch.wall_over = true;
            watch.overdue_at = now + OVERDUE;
            sandbox.slot.kill();
        }
        Ok(())
    }

    fn judge(&self, sandbox: &Sandbox, mut watch: Watch, ended: Ended, place: &RunSlot<'_>) -> Outcome {
        let (end, exit) = match ended {
            Ended::Exited(exit) => (End::Exited(exit.status), Some(exit)),
            Ended::Answered(status) => (End::Answered(status), None),
            Ended::Lost => (End::Exited(-9), None),
        };
        let lost = exit.is_none() && matches!(end, End::Exited(_));
        let (read, written) = exit.as_ref().map_or((0, 0), |exit| (exit.read_bytes, exit.written_bytes));
        let reading = watch.meter.read(&sandbox.slot.cgroup, read, written);
        let mut reading = watch.meter.wired(reading, sandbox.transferred());
        if let (false, Some(exit)) = (place.was_alone() && sandbox.slot.cgroup.counts(), &exit) {
            // The group counted others too, or there is none: what the kernel says of this process tree is nearer.
            reading.usage.cpu_user_us = exit.cpu_user_us;
            reading.usage.cpu_system_us = exit.cpu_system_us;
            reading.usage.memory_peak_bytes = exit.memory_peak_kib.saturating_mul(1024);
        }
        if let Some(whole) = &sandbox.meter {
            whole.saw_peak(reading.usage.memory_peak_bytes);
            whole.add(&not_counted(sandbox, &reading.usage));
        }
        let evidence = Evidence {
            end,
            cause: exit.as_ref().and_then(|exit| exit.cause),
            cpu_over: watch.cpu_over,
            wall_over: watch.wall_over,
            cancelled: self.cancelled,
            oom_kills: reading.oom_kills,
            fork_refusals: reading.fork_refusals,
            usage: reading.usage,
        };
        let mut outcome = outcome(&evidence);
        if lost && outcome.verdict == madang_model::Verdict::Signaled {
            outcome.verdict = madang_model::Verdict::InternalError;
            outcome.detail = Some("the sandbox was lost".to_owned());
        }
        outcome
    }
}

impl Watch {
    /// An interpreter is interrupted at its time, and has longer to end.
    fn with_grace(self) -> Self {
        let end = self.overdue_at - OVERDUE;
        let overdue_at = self.overdue_at + Duration::from_millis(INTERRUPT_GRACE_MS);
        Self { interrupt_at: Some(end), overdue_at, ..self }
    }

    fn next(&self) -> Instant {
        let deadlines = [self.interrupt_at, self.interrupt_again_at, self.kill_at, Some(self.overdue_at)];
        deadlines.into_iter().flatten().fold(self.next_look, Instant::min)
    }

    /// Time that the sandbox was frozen is no time of the run.
    fn stand_still(&mut self, frozen_for: Duration) {
        let moved = frozen_for.saturating_sub(self.frozen_for);
        self.frozen_for = self.frozen_for.max(frozen_for);
        let later = |at: Option<Instant>| at.map(|at| at + moved);
        (self.interrupt_at, self.kill_at) = (later(self.interrupt_at), later(self.kill_at));
        self.interrupt_again_at = later(self.interrupt_again_at);
        self.overdue_at += moved;
    }

    /// A program over its limit is ended; a query first gets the chance to keep its state.
    fn end_or_interrupt(&mut self, now: Instant) -> ToSlot {
        let run = self.number;
        match self.interrupt_at.take() {
            None => ToSlot::Kill { run },
            Some(_) => {
                self.interrupt_again_at = Some(now + INTERRUPT_WAIT);
                self.kill_at = Some(now + Duration::from_millis(INTERRUPT_GRACE_MS));
                ToSlot::Signal { run, number: SIGINT }
            }
        }
    }
}

/// What of a run's usage its sandbox's group does not count.
pub(super) fn not_counted(sandbox: &Sandbox, usage: &Usage) -> Usage {
    let files = Usage { read_bytes: usage.read_bytes, written_bytes: usage.written_bytes, ..Usage::default() };
    match sandbox.slot.cgroup.counts() {
        true => files,
        false => Usage { cpu_user_us: usage.cpu_user_us, cpu_system_us: usage.cpu_system_us, ..files },
    }
}

/// What a message weighs against the output that was allowed.
fn weight(message: &FromSlot) -> u64 {
    let bytes = match message {
        FromSlot::Output { bytes, .. } | FromSlot::Media { bytes, .. } => bytes.len(),
        FromSlot::Log { text, .. } => text.len(),
        FromSlot::Input { prompt, .. } => prompt.len(),
        _ => 0,
    };
    bytes as u64
}

/// Bytes as a file that a program can read by itself, whatever their size, and cannot change.
fn in_memory(bytes: &[u8]) -> Result<OwnedFd, LinkError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("stdin", flags).map_err(std::io::Error::from)?);
    file.write_all(bytes)?;
    // Its reader could open it again for writing: only a seal keeps it as it is.
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals).map_err(std::io::Error::from)?;
    file.rewind()?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    Ok(OwnedFd::from(File::open(path)?))
}
