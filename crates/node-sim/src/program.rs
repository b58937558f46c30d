//! Programs of the simulated node: a line, a command.
//!
//! `print X` and `warn X` write a line, `say X` writes without a newline; `media MIME X` shows something; `sleep MS` waits on the
//! node's clock; `input` asks for a line and prints `got LINE`; `cat` prints standard input; `exit N` ends; `set X` and `get` use the
//! interpreter's memory; `build X` and `build-fails X` make a build step; `flood BYTES` writes that much; `hang` waits for ever.

use std::sync::Arc;

use madang_ids::SandboxId;
use madang_model::{Blob, Limits, Outcome, RunEvent, RunEventBody as Body, RunSpec, Stdin, Step, Usage, Verdict, Work};
use madang_node_api::{NodeError, RunControl, RunHandle, RunSeen, WriteWhen};
use tokio::sync::{mpsc, watch};

use crate::{SimNode, run::SimRun};

const EVENTS_MAX: usize = 64;
const CONTROLS_MAX: usize = 64;
const FLOOD_CHUNK: usize = 8 << 10;

/// What becomes of the sandbox when the run is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Retire,
}

struct Program {
    node: SimNode,
    sandbox: SandboxId,
    limits: Limits,
    events: mpsc::Sender<RunEvent>,
    /// Runs of sessions outlive whoever reads them.
    tape: Option<Arc<SimRun>>,
    control: mpsc::Receiver<RunControl>,
    interrupts: watch::Receiver<u64>,
    gone: watch::Receiver<bool>,
    started_ms: u64,
    seq: u64,
    written: u64,
    stdin: Vec<u8>,
    stdin_open: bool,
}

/// What a waiting program hears.
enum Told {
    Gone,
    Control(RunControl),
}

/// Why a program is over.
enum Over {
    Verdict(Verdict, Option<i32>),
    /// The sandbox went away: nothing more is said.
    Lost,
}

type Going = Result<(), Over>;

pub(crate) fn start(node: &SimNode, sandbox: SandboxId, run: RunSpec, after: After) -> Result<RunHandle, NodeError> {
    let (interrupts, gone, session) = node.used(sandbox, |held| {
        for file in &run.files {
            held.write(&file.path, WriteWhen::Always, file.content.0.clone())?;
        }
        Ok((held.interrupts.subscribe(), held.gone.subscribe(), held.spec.session))
    })?;
    let code = code(node, sandbox, &run)?;
    let (event_sender, events) = mpsc::channel(EVENTS_MAX);
    let (control, control_receiver) = mpsc::channel(CONTROLS_MAX);
    let wall_ms = run.wall_ms_max();
    let (stdin, stdin_open) = match run.stdin {
        Stdin::Whole { bytes } => (bytes.0, false),
        Stdin::Live => (Vec::new(), true),
    };
    let tape = (after == After::Keep).then(|| {
        let seen = RunSeen { id: run.id, sandbox, session, events: 0, wall_ms };
        SimRun::new(seen, control.clone())
    });
    tape.iter().for_each(|tape| node.inner.runs.keep(tape));
    let started_ms = node.inner.clock.now_ms();
    let program = Program {
        node: node.clone(),
        sandbox,
        limits: run.limits,
        events: event_sender,
        tape,
        control: control_receiver,
        interrupts,
        gone,
        started_ms,
        seq: 0,
        written: 0,
        stdin,
        stdin_open,
    };
    tokio::spawn(program.run(code, run.inputs, after));
    Ok(RunHandle { id: run.id, events, control })
}

fn code(node: &SimNode, sandbox: SandboxId, run: &RunSpec) -> Result<String, NodeError> {
    match &run.work {
        Work::Query { code } => Ok(code.clone()),
        Work::Command { argv, .. } if argv.len() == 3 && argv[1] == "-c" => Ok(argv[2].clone()),
        Work::Command { argv, .. } => Ok(argv.join(" ")),
        Work::Batch { steps, main, .. } => {
            if let Some(exec) = &steps.exec {
                return Ok(exec.clone());
            }
            let main = main.as_ref().ok_or_else(|| NodeError::Invalid("nothing to execute".into()))?;
            let (_, bytes) = node.with(sandbox, |held| held.file(main))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

impl Program {
    async fn run(mut self, code: String, inputs: Vec<Blob>, after: After) {
        let over = match self.run_steps(&code, inputs).await {
            Ok(()) => Over::Verdict(Verdict::Ok, Some(0)),
            Err(over) => over,
        };
        if let Over::Verdict(verdict, exit_code) = over {
            let outcome = self.outcome(verdict, exit_code);
            let usage = outcome.usage;
            // It may be gone already, then its usage went with it.
            let _ = match after {
                After::Keep => self.node.use_up(self.sandbox, usage).map(drop),
                After::Retire => Ok(()),
            };
            let _ = self.emit(Body::Finished { outcome }).await;
        }
        self.tape.iter().for_each(|tape| tape.end());
        if after == After::Retire {
            self.node.remove(self.sandbox, "the run is over");
        }
    }

    async fn run_steps(&mut self, code: &str, inputs: Vec<Blob>) -> Going {
        self.emit(Body::Started).await?;
        if inputs.is_empty() {
            return self.run_lines(code).await;
        }
        for (index, input) in inputs.into_iter().enumerate() {
            let input_number = u32::try_from(index).ok();
            self.stdin = input.0;
            self.emit(Body::StepStarted { step: Step::Exec, input: input_number }).await?;
            let (verdict, exit_code) = match self.run_lines(code).await {
                Ok(()) => (Verdict::Ok, Some(0)),
                Err(Over::Verdict(verdict, exit_code)) => (verdict, exit_code),
                Err(Over::Lost) => return Err(Over::Lost),
            };
            let outcome = self.outcome(verdict, exit_code);
            self.emit(Body::StepFinished { step: Step::Exec, input: input_number, outcome }).await?;
        }
        Ok(())
    }

    async fn run_lines(&mut self, code: &str) -> Going {
        for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if *self.gone.borrow() {
                return Err(Over::Lost);
            }
            let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
            self.run_command(command, rest).await?;
        }
        Ok(())
    }

    async fn run_command(&mut self, command: &str, rest: &str) -> Going {
        match command {
            "print" => self.write(format!("{rest}\n").into_bytes()).await,
            "say" => self.write(rest.as_bytes().to_vec()).await,
            "warn" => self.emit(Body::Stderr { data: format!("{rest}\n").into() }).await,
            "media" => {
                let (mime, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.emit(Body::Media { mime: mime.into(), data: text.into() }).await
            }
            "sleep" => self.sleep(number(rest)).await,
            "hang" => self.sleep(u64::MAX).await,
            "input" => self.input(rest).await,
            "cat" => {
                let all = std::mem::take(&mut self.stdin);
                self.write(all).await
            }
            "exit" => {
                let code = i32::try_from(number(rest)).unwrap_or(1);
                let verdict = if code == 0 { Verdict::Ok } else { Verdict::NonzeroExit };
                Err(Over::Verdict(verdict, Some(code)))
            }
            "set" => self.remember(rest),
            "get" => {
                let memory = self.node.with(self.sandbox, |sandbox| Ok(sandbox.memory.clone()));
                self.write(format!("{}\n", memory.unwrap_or_default()).into_bytes()).await
            }
            "build" => self.build(rest, Verdict::Ok).await,
            "build-fails" => self.build(rest, Verdict::CompileError).await,
            "flood" => self.flood(number(rest)).await,
            other => {
                self.emit(Body::Stderr { data: format!("no command `{other}`\n").into() }).await?;
                Err(Over::Verdict(Verdict::NonzeroExit, Some(127)))
            }
        }
    }

    fn remember(&self, text: &str) -> Going {
        let kept = self.node.with(self.sandbox, |sandbox| {
            text.clone_into(&mut sandbox.memory);
            Ok(())
        });
        kept.map_err(|_| Over::Lost)
    }

    async fn build(&mut self, text: &str, verdict: Verdict) -> Going {
        self.emit(Body::StepStarted { step: Step::Build, input: None }).await?;
        self.emit(Body::Stderr { data: format!("{text}\n").into() }).await?;
        let outcome = self.outcome(verdict, Some(i32::from(verdict != Verdict::Ok)));
        self.emit(Body::StepFinished { step: Step::Build, input: None, outcome }).await?;
        if verdict == Verdict::Ok { Ok(()) } else { Err(Over::Verdict(verdict, Some(1))) }
    }

    async fn flood(&mut self, bytes: u64) -> Going {
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while left > 0 {
            let chunk = left.min(FLOOD_CHUNK);
            self.write(vec![b'x'; chunk]).await?;
            left -= chunk;
        }
        Ok(())
    }

    async fn sleep(&mut self, ms: u64) -> Going {
        let wake = self.node.inner.clock.now_ms().saturating_add(ms);
        let limit = self.started_ms.saturating_add(self.limits.wall_ms);
        let until = wake.min(limit);
        let node = self.node.clone();
        tokio::select! {
            () = node.inner.clock.reached(until) => {}
            over = self.disturbed() => return Err(over),
        }
        if limit < wake { Err(Over::Verdict(Verdict::TimeLimit, None)) } else { Ok(()) }
    }

    /// Waits for whatever ends a waiting program; standard input that comes meanwhile is kept.
    async fn disturbed(&mut self) -> Over {
        loop {
            match self.told().await {
                Told::Gone => return Over::Lost,
                Told::Control(RunControl::Cancel) => return Over::Verdict(Verdict::Cancelled, None),
                Told::Control(RunControl::Interrupt) => return Over::Verdict(Verdict::Signaled, None),
                Told::Control(RunControl::Stdin(bytes)) => self.stdin.extend(bytes),
                Told::Control(RunControl::StdinEnd) => self.stdin_open = false,
                Told::Control(RunControl::Resize(_)) => {}
            }
        }
    }

    async fn told(&mut self) -> Told {
        let gone = async {
            // An error means that the sandbox is dropped, which is gone as well.
            let _ = self.gone.wait_for(|gone| *gone).await;
        };
        let control = async {
            match self.control.recv().await {
                Some(control) => control,
                None => std::future::pending().await,
            }
        };
        let interrupt = async {
            if self.interrupts.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = gone => Told::Gone,
            () = interrupt => Told::Control(RunControl::Interrupt),
            control = control => Told::Control(control),
        }
    }

    async fn input(&mut self, prompt: &str) -> Going {
        let mut asked = false;
        loop {
            if let Some(end) = self.stdin.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.stdin.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                return self.write(format!("got {line}\n").into_bytes()).await;
            }
            if !self.stdin_open {
                return Err(Over::Verdict(Verdict::NonzeroExit, Some(1)));
            }
            if !asked {
                self.emit(Body::WaitingInput { prompt: prompt.into(), echo: true }).await?;
                asked = true;
            }
            match self.told().await {
                Told::Gone => return Err(Over::Lost),
                Told::Control(RunControl::Stdin(bytes)) => self.stdin.extend(bytes),
                Told::Control(RunControl::StdinEnd) => self.stdin_open = false,
                Told::Control(RunControl::Cancel) => return Err(Over::Verdict(Verdict::Cancelled, None)),
                Told::Control(RunControl::Interrupt) => return Err(Over::Verdict(Verdict::Signaled, None)),
                Told::Control(RunControl::Resize(size)) => {
                    self.write(format!("size {}x{}\n", size.rows, size.cols).into_bytes()).await?;
                }
            }
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Going {
        self.written += bytes.len() as u64;
        if self.written > self.limits.output_bytes {
            return Err(Over::Verdict(Verdict::OutputLimit, None));
        }
        self.emit(Body::Stdout { data: bytes.into() }).await
    }

    async fn emit(&mut self, body: Body) -> Going {
        let at_us = self.node.now_ms() * 1_000;
        let event = RunEvent { seq: self.seq, at_us, body };
        self.seq += 1;
        let Some(tape) = &self.tape else { return self.events.send(event).await.map_err(|_| Over::Lost) };
        tape.push(event.clone());
        // Whoever read may be gone; another may come.
        let _ = self.events.send(event).await;
        Ok(())
    }

    fn outcome(&self, verdict: Verdict, exit_code: Option<i32>) -> Outcome {
        let wall_us = (self.node.inner.clock.now_ms() - self.started_ms) * 1_000;
        let usage = Usage { wall_us, cpu_user_us: 1_000, memory_peak_bytes: 1 << 20, ..Usage::default() };
        Outcome { verdict, exit_code, signal: None, usage, detail: None }
    }
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}
