//! A program that somebody holds by its standard streams: [`Node::exec_start`](madang_node_api::Node::exec_start).
//!
//! Init runs it as it runs any program, without a deadline and without a bound on its output. What it says is passed on as fast as it is
//! read and no faster: init keeps so much of it until we confirm, and then lets the program wait. Nothing is kept for later: an agent that
//! finds it again ends it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use madang_model::Usage;
use madang_node_api::{ExecControl, ExecEnd, ExecEvent, ExecHandle, ExecInput, ExecSpec, NodeError};
use madang_slot_api::{ASIDE, Cause, Exit, FromSlot, RunNumber, Start, Stream, ToSlot};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    MESSAGE_BYTES_MAX,
    step::{CONFIRM_BYTES, OUTPUT_SPARE_BYTES, STDIN_PIECE_BYTES, STDIN_WINDOW_BYTES, not_counted},
};
use crate::{
    freeze::RunHeld,
    link::LinkError,
    sandbox::{Sandbox, unavailable},
};

/// Events, inputs and controls on their way.
const EVENTS_MAX: usize = 16;
const INPUTS_MAX: usize = 4;
const CONTROLS_MAX: usize = 16;
/// What a program wrote in small pieces becomes pieces of this size where nobody reads.
const PIECE_BYTES: usize = 32 << 10;
/// What init keeps of a message beside its bytes, generously.
const MESSAGE_WEIGHT: u64 = 32;
/// A program that has not begun by then never will.
const START_WAIT: Duration = Duration::from_secs(30);
/// A program that was hung up on is told so again and again, each in its foreground, and ended after all that.
const HANGUPS_MAX: u32 = 10;
const HANGUP_EVERY: Duration = Duration::from_millis(500);
/// What was ended is heard of by then, or the sandbox is in no order.
const END_WAIT: Duration = Duration::from_secs(10);
const SIGHUP: i32 = 1;
/// A century, as good as no deadline.
const WALL_MS: u64 = 100 * 365 * 86_400_000;

/// Starts `spec` in `sandbox`; returns when it has begun.
pub async fn start(sandbox: Arc<Sandbox>, spec: ExecSpec) -> Result<ExecHandle, NodeError> {
    check_size(&spec)?;
    let held = (!spec.aside).then(|| sandbox.freezer.run());
    let (run, messages) = sandbox.link.open_run().map_err(unavailable)?;
    let env = spec.env.into_iter().map(|(key, value)| format!("{key}={value}"));
    let start = Start {
        run,
        argv: spec.argv,
        env: env.chain(spec.aside.then(|| ASIDE.to_owned())).collect(),
        terminal: spec.terminal.map(|size| (size.rows, size.cols)),
        wall_ms: WALL_MS,
        output_bytes: u64::MAX,
    };
    let (send_events, events) = mpsc::channel(EVENTS_MAX);
    let (input, inputs) = mpsc::channel(INPUTS_MAX);
    let (control, controls) = mpsc::channel(CONTROLS_MAX);
    let mut exec = Exec {
        held,
        sandbox,
        run,
        messages,
        events: send_events,
        controls,
        out: VecDeque::new(),
        out_bytes: 0,
        heard: 0,
        unconfirmed: 0,
        stdin: VecDeque::new(),
        stdin_sent: 0,
        stdin_taken: 0,
    };
    exec.tell(&ToSlot::Start(start)).await.map_err(unavailable)?;
    match tokio::time::timeout(START_WAIT, exec.begun()).await {
        Ok(begun) => begun?,
        Err(_) => {
            exec.give_up().await;
            return Err(NodeError::Unavailable("the sandbox does not answer".to_owned()));
        }
    }
    tokio::spawn(exec.carry(inputs));
    Ok(ExecHandle { events, input, control })
}

fn check_size(spec: &ExecSpec) -> Result<(), NodeError> {
    let words: usize = spec.argv.iter().map(|word| word.len() + 1).sum();
    let env: usize = spec.env.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    match words + env <= MESSAGE_BYTES_MAX {
        true => Ok(()),
        false => Err(NodeError::Invalid("a command and its environment are at most 64 KiB together".to_owned())),
    }
}

struct Exec {
    /// The sandbox is not idle meanwhile; none where the program stands aside.
    held: Option<RunHeld>,
    sandbox: Arc<Sandbox>,
    run: RunNumber,
    messages: mpsc::Receiver<FromSlot>,
    events: mpsc::Sender<ExecEvent>,
    controls: mpsc::Receiver<ExecControl>,
    /// Said, and not passed on yet: as much as init keeps of it.
    out: VecDeque<ExecEvent>,
    out_bytes: u64,
    /// Messages that init has numbered.
    heard: u64,
    /// What was heard since init was last told so weighs.
    unconfirmed: u64,
    /// Input that was taken and not sent yet.
    stdin: VecDeque<Vec<u8>>,
    stdin_sent: u64,
    stdin_taken: u64,
}

/// How carrying ended.
enum Over {
    Exited(Exit),
    Lost,
    /// Nobody holds the program any more.
    HungUp,
}

impl Exec {
    /// Thaws the sandbox if it is frozen: whoever holds the program uses it.
    async fn tell(&self, message: &ToSlot) -> Result<(), LinkError> {
        let _awake = self.sandbox.awake().await.map_err(|_| LinkError::Silent)?;
        self.sandbox.link.send(message).await
    }

    /// Thaws nothing: what init is told so it reads when it is awake anyhow.
    async fn mention(&self, message: &ToSlot) -> Result<(), LinkError> {
        self.sandbox.link.send(message).await
    }

    /// Waits for the word that the program runs.
    async fn begun(&mut self) -> Result<(), NodeError> {
        loop {
            let message = self.messages.recv().await;
            self.count(message.as_ref());
            match message {
                Some(FromSlot::Started { .. }) => return Ok(()),
                Some(FromSlot::Exited { exit: Exit { cause: Some(Cause::Crowded), .. }, .. }) => {
                    self.give_up().await;
                    return Err(NodeError::Limit(
                        "the sandbox has as many processes as it may (limits.pids)".to_owned(),
                    ));
                }
                Some(FromSlot::Fault { text, .. }) => {
                    self.give_up().await;
                    return Err(NodeError::Unavailable(text));
                }
                Some(_) => {}
                None => return Err(unavailable(LinkError::Gone)),
            }
        }
    }

    async fn carry(mut self, inputs: mpsc::Receiver<ExecInput>) {
        let sandbox = Arc::clone(&self.sandbox);
        let place = self.held.as_ref().map(|_| sandbox.begin_run());
        let over = match self.exchange(inputs).await {
            Over::HungUp => self.hang_up().await,
            over => over,
        };
        let end = match &over {
            Over::Exited(exit) => {
                self.count_usage(exit);
                self.pass_rest_on().await;
                if exit.status < 0 { ExecEnd::Signaled(-exit.status) } else { ExecEnd::Exited(exit.status) }
            }
            Over::Lost | Over::HungUp => ExecEnd::Lost,
        };
        self.give_up().await;
        // What is told to have ended keeps its sandbox from nothing any more.
        drop((place, self.held.take()));
        // Whoever held it may be gone.
        let _ = self.events.send(ExecEvent::Ended(end)).await;
    }

    /// Moves bytes both ways until the program ends, or nobody holds it.
    async fn exchange(&mut self, inputs: mpsc::Receiver<ExecInput>) -> Over {
        // None after the end of input.
        let mut inputs = Some(inputs);
        let events = self.events.clone();
        loop {
            let room = self.stdin_sent.saturating_sub(self.stdin_taken) < STDIN_WINDOW_BYTES;
            let open = inputs.as_mut().filter(|_| room && self.stdin.is_empty());
            let done = tokio::select! {
                biased;
                message = self.messages.recv() => match self.hear(message) {
                    Some(over) => return over,
                    None => self.feed().await.and(self.confirm().await),
                },
                permit = events.reserve(), if !self.out.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.out.pop_front() {
                            let weight = weight(&event);
                            permit.send(event);
                            self.out_bytes -= weight;
                        }
                        self.confirm().await
                    }
                    Err(_) => return Over::HungUp,
                },
                () = events.closed() => return Over::HungUp,
                Some(control) = self.controls.recv() => self.obey(control).await,
                input = next(open) => match input {
                    Some(ExecInput::Bytes(bytes)) => {
                        self.stdin.extend(bytes.chunks(STDIN_PIECE_BYTES).map(<[u8]>::to_vec));
                        self.feed().await
                    }
                    Some(ExecInput::End) => {
                        inputs = None;
                        self.tell(&ToSlot::StdinEnd { run: self.run }).await
                    }
                    None => {
                        inputs = None;
                        Ok(())
                    }
                },
            };
            // One that is gone says so to whoever reads.
            if done.is_err() {
                return Over::Lost;
            }
        }
    }

    /// Counts what init numbers too.
    fn count(&mut self, message: Option<&FromSlot>) {
        self.heard += u64::from(message.is_some_and(|message| !matches!(message, FromSlot::StdinTaken { .. })));
    }

    fn hear(&mut self, message: Option<FromSlot>) -> Option<Over> {
        self.count(message.as_ref());
        match message {
            None => return Some(Over::Lost),
            Some(FromSlot::Exited { exit, .. }) => return Some(Over::Exited(exit)),
            Some(FromSlot::Fault { text, .. }) => {
                tracing::debug!(slot = self.sandbox.slot.name, text, "a held program failed");
                return Some(Over::Lost);
            }
            Some(FromSlot::StdinTaken { bytes, .. }) => self.stdin_taken = self.stdin_taken.saturating_add(bytes),
            Some(FromSlot::Output { stream, bytes, .. }) => self.keep(stream, bytes),
            Some(_) => {}
        }
        if self.out_bytes > OUTPUT_SPARE_BYTES {
            tracing::warn!(slot = self.sandbox.slot.name, "a slot says more than it may; it is ended");
            self.sandbox.slot.kill();
            return Some(Over::Lost);
        }
        None
    }

    /// What comes in small pieces waits in larger ones.
    fn keep(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.out_bytes += bytes.len() as u64;
        self.unconfirmed += bytes.len() as u64 + MESSAGE_WEIGHT;
        match (self.out.back_mut(), stream) {
            (Some(ExecEvent::Stdout(last)), Stream::Stdout) | (Some(ExecEvent::Stderr(last)), Stream::Stderr)
                if last.len() + bytes.len() <= PIECE_BYTES =>
            {
                last.extend(bytes);
            }
            (_, Stream::Stdout) => self.out.push_back(ExecEvent::Stdout(bytes)),
            (_, Stream::Stderr) => self.out.push_back(ExecEvent::Stderr(bytes)),
        }
    }

    /// Lets init read on, once what it said is passed on.
    async fn confirm(&mut self) -> Result<(), LinkError> {
        if self.unconfirmed < CONFIRM_BYTES || self.out_bytes > CONFIRM_BYTES {
            return Ok(());
        }
        self.unconfirmed = 0;
        self.mention(&ToSlot::Confirm { run: self.run, upto: self.heard }).await
    }

    /// Sends what was taken of the input, as far as the program has room.
    async fn feed(&mut self) -> Result<(), LinkError> {
        while self.stdin_sent.saturating_sub(self.stdin_taken) < STDIN_WINDOW_BYTES {
            let Some(bytes) = self.stdin.pop_front() else { break };
            self.stdin_sent += bytes.len() as u64;
            self.tell(&ToSlot::Stdin { run: self.run, bytes }).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, control: ExecControl) -> Result<(), LinkError> {
        let run = self.run;
        let message = match control {
            ExecControl::Resize(size) => ToSlot::Resize { run, rows: size.rows, cols: size.cols },
            ExecControl::Signal(number) => ToSlot::Signal { run, number },
        };
        self.tell(&message).await
    }

    /// The holder is gone: as when a terminal's line breaks, first for what is in the foreground, then for what comes to be.
    async fn hang_up(&mut self) -> Over {
        let run = self.run;
        let mut told = 0;
        let mut next = Instant::now();
        let mut killed_until: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                message = self.messages.recv() => {
                    self.out.clear();
                    self.out_bytes = 0;
                    if let Some(over) = self.hear(message) {
                        return over;
                    }
                    self.out.clear();
                    self.out_bytes = 0;
                    let _ = self.mention(&ToSlot::Confirm { run, upto: self.heard }).await;
                }
                () = sleep_until(next) => {
                    // Who goes away uses nothing: the program hears of it when it goes on.
                    if self.sandbox.freezer.is_frozen() {
                        next = Instant::now() + HANGUP_EVERY;
                        continue;
                    }
                    if killed_until.is_some_and(|until| until <= Instant::now()) {
                        return Over::Lost;
                    }
                    let message = match told {
                        HANGUPS_MAX.. => {
                            killed_until = killed_until.or(Some(Instant::now() + END_WAIT));
                            ToSlot::Kill { run }
                        }
                        _ => ToSlot::Signal { run, number: SIGHUP },
                    };
                    if told == 0 {
                        let _ = self.tell(&ToSlot::StdinEnd { run }).await;
                    }
                    told += 1;
                    next = Instant::now() + HANGUP_EVERY;
                    if self.tell(&message).await.is_err() {
                        return Over::Lost;
                    }
                }
            }
        }
    }

    async fn pass_rest_on(&mut self) {
        while let Some(event) = self.out.pop_front() {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// What the sandbox's group does not count.
    fn count_usage(&self, exit: &Exit) {
        let usage = Usage {
            cpu_user_us: exit.cpu_user_us,
            cpu_system_us: exit.cpu_system_us,
            read_bytes: exit.read_bytes,
            written_bytes: exit.written_bytes,
            ..Usage::default()
        };
        if let Some(meter) = &self.sandbox.meter {
            meter.add(&not_counted(&self.sandbox, &usage));
        }
    }

    /// Init may forget the program.
    async fn give_up(&self) {
        let run = self.run;
        let _ = self.mention(&ToSlot::Kill { run }).await;
        let _ = self.mention(&ToSlot::Confirm { run, upto: u64::MAX }).await;
        self.sandbox.link.close_run(run);
    }
}

async fn next(inputs: Option<&mut mpsc::Receiver<ExecInput>>) -> Option<ExecInput> {
    match inputs {
        Some(inputs) => inputs.recv().await,
        None => std::future::pending().await,
    }
}

fn weight(event: &ExecEvent) -> u64 {
    match event {
        ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => bytes.len() as u64,
        ExecEvent::Ended(_) => 0,
    }
}
