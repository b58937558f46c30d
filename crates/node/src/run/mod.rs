//! One run: its steps one after the other, its events as they come, its verdict at the end.
//!
//! [`start`] gives the handle and goes on in a task of its own. [`step`] follows one program; [`emit`] numbers events; [`tape`] keeps
//! those of runs that outlive their agent, and [`resume`] goes on with such a run.

mod emit;
pub mod exec;
mod kept;
mod step;
pub mod tape;

pub use kept::{KeptRun, KeptRuns};

use std::{collections::VecDeque, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use madang_languages::{BatchPlan, Recipe, plan_batch};
use madang_model::{Blob, Limits, Outcome, RunEventBody, RunSpec, Stdin, Step, Steps, Usage, Verdict, Work};
use madang_node_api::{NodeError, RunControl, RunHandle};
use madang_slot_api::{RunNumber, Verb};
use madang_trace::Context;
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument as _, Span};

use crate::{
    freeze::RunHeld,
    link::LinkError,
    sandbox::{Sandbox, Unconfirmed},
};
use emit::Emitter;
use step::{Ask, Input};
use tape::{Past, Tape};

/// Events a reader may lag behind before the program waits for it.
const EVENTS_MAX: usize = 256;
const CONTROLS_MAX: usize = 64;
/// One directory level is enough to see which language's files lie there.
const FILES_SEEN_MAX: usize = 1000;

/// Starts `spec` in `sandbox`; it ends with this agent. The sender fires when the run has ended and been reported.
pub fn start(sandbox: Arc<Sandbox>, spec: RunSpec) -> (RunHandle, oneshot::Receiver<()>) {
    let (mut run, handle) = Run::new(sandbox, spec, None);
    let (ended, on_end) = oneshot::channel();
    let span = run.span();
    let drive = async move {
        run.drive().await;
        let _ = ended.send(());
    };
    tokio::spawn(drive.instrument(span));
    (handle, on_end)
}

/// As [`start`], on a tape that the run outlives this agent with.
pub async fn start_kept(sandbox: Arc<Sandbox>, spec: RunSpec) -> Result<(RunHandle, Arc<Tape>), NodeError> {
    let first = emit::started();
    let tape = sandbox.tapes.begin(&spec, &first).await;
    let tape = tape.map_err(|error| NodeError::Unavailable(format!("a run cannot be kept: {error}")))?;
    let (mut run, handle) = Run::new(sandbox, spec, Some(Arc::clone(&tape)));
    run.past.marks.push_back(first.body.clone());
    run.emitter.tell_first(first);
    let span = run.span();
    tokio::spawn(async move { run.drive().await }.instrument(span));
    Ok((handle, tape))
}

/// Goes on with a run that an agent before this one began. `alive` are the numbers that init knows. Returns when the run has what it
/// needs of the sandbox, the interpreter before all, and nobody else can take it.
pub async fn resume(sandbox: Arc<Sandbox>, tape: Arc<Tape>, past: Past, alive: &[RunNumber]) -> Option<RunHandle> {
    let spec = RunSpec::clone(past.spec.as_deref()?);
    let over = past.is_over();
    let (mut run, handle) = Run::new(sandbox, spec, Some(tape));
    if over {
        return Some(handle);
    }
    run.cancelled = past.cancelled;
    run.past = Past { step: past.step.filter(|(number, _)| alive.contains(number)), ..past };
    let (settled, is_settled) = oneshot::channel();
    run.settled = Some(settled);
    tokio::spawn(async move { run.drive().await });
    // An error means that the run is over already.
    let _ = is_settled.await;
    Some(handle)
}

/// What goes to init in one message: code, arguments and environment together.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Refuses what no message to a sandbox can hold.
pub fn check_size(spec: &RunSpec) -> Result<(), NodeError> {
    let texts = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let work = match &spec.work {
        Work::Query { code } => code.len(),
        Work::Command { argv, .. } => texts(argv),
        Work::Batch { steps, args, .. } => {
            let steps = [&steps.clean, &steps.build, &steps.exec];
            texts(args) + steps.into_iter().flatten().map(String::len).max().unwrap_or(0)
        }
    };
    let env: usize = spec.env.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    if work + env <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let why = "code, arguments and environment of a run are at most 64 KiB together; put more into a file";
    Err(NodeError::Invalid(why.to_owned()))
}

/// Whether a one-shot run of this language is served by the interpreter that waits.
pub fn uses_driver(recipe: &Recipe, spec: &RunSpec) -> bool {
    match &spec.work {
        Work::Query { .. } => true,
        Work::Command { .. } => false,
        Work::Batch { steps, main, .. } => {
            let names: Vec<&str> = spec.files.iter().map(|file| file.path.as_str()).collect();
            spec.inputs.is_empty() && plan_batch(recipe, &names, steps, main.as_deref()).script
        }
    }
}

/// A run in progress.
pub(crate) struct Run {
    sandbox: Arc<Sandbox>,
    spec: RunSpec,
    emitter: Emitter,
    controls: mpsc::Receiver<RunControl>,
    cancelled: bool,
    /// Standard input that the program has no room for yet, or that came while it was being built.
    held_input: VecDeque<RunControl>,
    held_input_bytes: usize,
    /// What an agent before this one has done of it.
    past: Past,
    settled: Option<oneshot::Sender<()>>,
    /// The last step, to be confirmed once its outcome is kept.
    unconfirmed: Option<Unconfirmed>,
    /// As long as it has something to do in the sandbox, that is not idle.
    held: Option<RunHeld>,
}

/// A batch, settled: what every step of it needs.
struct Batch<'a> {
    plan: BatchPlan,
    args: &'a [String],
}

impl Run {
    fn new(sandbox: Arc<Sandbox>, spec: RunSpec, tape: Option<Arc<Tape>>) -> (Self, RunHandle) {
        let (send_events, events) = mpsc::channel(EVENTS_MAX);
        let (control, controls) = mpsc::channel(CONTROLS_MAX);
        let handle = RunHandle { id: spec.id, events, control };
        let run = Self {
            held: Some(sandbox.freezer.run()),
            sandbox,
            spec,
            emitter: Emitter::new(send_events, tape),
            controls,
            cancelled: false,
            held_input: VecDeque::new(),
            held_input_bytes: 0,
            past: Past::default(),
            settled: None,
            unconfirmed: None,
        };
        (run, handle)
    }

    /// Of what is done in the sandbox; it lasts longer than whatever asked for it.
    fn span(&self) -> Span {
        let sandbox = self.sandbox.spec.id;
        Context::here()
            .begin(madang_trace::span!(root "program", madang.run.id = %self.spec.id, madang.sandbox.id = %sandbox))
    }

    async fn drive(&mut self) {
        self.mark(RunEventBody::Started).await;
        let outcome = match self.work().await {
            Ok(outcome) => outcome,
            Err(error) => failed(&error),
        };
        // Before anybody hears of the end: who knows that it is over may freeze the sandbox.
        self.held = None;
        self.mark(RunEventBody::Finished { outcome }).await;
        self.confirm_step().await;
        self.emitter.tape.iter().for_each(|tape| tape.end());
    }

    /// Tells where the run is, if an agent before this one has not.
    async fn mark(&mut self, body: RunEventBody) {
        if self.past.marks.pop_front().is_none() {
            self.emitter.emit(body).await;
        }
    }

    /// What init said about the last step is kept in another form: it may forget it.
    async fn confirm_step(&mut self) {
        if let Some(unconfirmed) = self.unconfirmed.take() {
            self.sandbox.confirm_in_time(unconfirmed).await;
        }
    }

    async fn work(&mut self) -> Result<Outcome, LinkError> {
        let files = std::mem::take(&mut self.spec.files);
        // Once a step has begun they are there, and the program may have changed them.
        let begun = self.past.step.is_some() || !self.past.marks.is_empty();
        let put = async {
            for file in files.iter().filter(|_| !begun) {
                self.sandbox.put(&file.path, &file.content.0).await?;
            }
            Ok(())
        };
        if let Err(error) = put.instrument(madang_trace::span!("files", madang.files = files.len())).await {
            return Ok(refused(&error));
        }
        match self.spec.work.clone() {
            Work::Query { code } => self.query(code).await,
            Work::Command { argv, terminal } => {
                let ask = Ask::Program { argv, env: self.environment(), terminal };
                let input = self.input();
                self.step(ask, input).instrument(madang_trace::span!("step", madang.step = "command")).await
            }
            Work::Batch { steps, main, args } => self.batch(&steps, main.as_deref(), &args).await,
        }
    }

    async fn query(&mut self, code: String) -> Result<Outcome, LinkError> {
        let sandbox = Arc::clone(&self.sandbox);
        let mut free = pin!(sandbox.driver.lock());
        let at_once = poll_fn(|context| Poll::Ready(free.as_mut().poll(context))).await;
        if self.past.step.is_none() {
            // It has its turn, or its place among those who wait. Of one that is in its step that is not enough: before it is followed the
            // sandbox cannot be frozen with it.
            self.settle();
        }
        let mut alive = match at_once {
            Poll::Ready(alive) => alive,
            Poll::Pending => free.await,
        };
        if !*alive && self.past.step.is_none() {
            sandbox.restart_driver().await?;
        }
        *alive = false;
        let ask = Ask::Driver { verb: Verb::Exec, payload: code.into_bytes() };
        let input = self.input();
        let span = madang_trace::span!("step", madang.step = "query");
        let (outcome, lives) = self.step_with_driver(ask, input).instrument(span).await?;
        *alive = lives;
        Ok(outcome)
    }

    /// The run has what it needs of the sandbox.
    fn settle(&mut self) {
        if let Some(settled) = self.settled.take() {
            let _ = settled.send(());
        }
    }

    async fn batch(&mut self, asked: &Steps, main: Option<&str>, args: &[String]) -> Result<Outcome, LinkError> {
        let plan = match self.plan(asked, main).await {
            Ok(plan) => plan,
            Err(error) => return Ok(refused(&error)),
        };
        let batch = Batch { plan, args };
        let plan = &batch.plan;
        let mut total = Usage::default();
        // Cleaning is for work that was there before: only when somebody asks.
        let before = [
            (Step::Clean, plan.steps.clean.clone().filter(|_| asked.clean.is_some())),
            (Step::Build, plan.steps.build.clone()),
        ];
        for (step, command) in before {
            let Some(command) = command else { continue };
            let mut outcome = self.shell_step(&batch, step, None, &command).await?;
            total = total.then(&outcome.usage);
            if outcome.verdict != Verdict::Ok {
                if outcome.verdict == Verdict::NonzeroExit {
                    outcome.verdict = Verdict::CompileError;
                }
                return Ok(Outcome { usage: total, ..outcome });
            }
        }
        let Some(exec) = plan.steps.exec.clone() else {
            return Ok(Outcome { verdict: Verdict::Ok, exit_code: Some(0), signal: None, usage: total, detail: None });
        };
        self.exec_all(&batch, &exec, total).await
    }

    /// The exec step: once, or once for each input; the first failure names the run's verdict.
    async fn exec_all(&mut self, batch: &Batch<'_>, exec: &str, mut total: Usage) -> Result<Outcome, LinkError> {
        let inputs = std::mem::take(&mut self.spec.inputs);
        if inputs.is_empty() {
            let outcome = if batch.plan.script && self.spec.env.is_empty() && self.is_fresh().await {
                self.script(batch).await?
            } else {
                self.shell_step(batch, Step::Exec, None, exec).await?
            };
            return Ok(Outcome { usage: total.then(&outcome.usage), ..outcome });
        }
        let mut worst: Option<Outcome> = None;
        for (index, input) in inputs.into_iter().enumerate() {
            self.spec.stdin = Stdin::Whole { bytes: input };
            let outcome = self.shell_step(batch, Step::Exec, Some(index as u32), exec).await?;
            total = total.then(&outcome.usage);
            let first_bad = worst.as_ref().is_none_or(|worst| worst.verdict == Verdict::Ok);
            if first_bad {
                worst = Some(outcome);
            }
            if self.cancelled {
                break;
            }
        }
        let outcome = worst.unwrap_or_else(|| failed(&LinkError::Gone));
        Ok(Outcome { usage: total, ..outcome })
    }

    /// Whether the interpreter that waits may be used up by this run: only in a sandbox that goes with it.
    async fn is_fresh(&self) -> bool {
        self.sandbox.one_shot && *self.sandbox.driver.lock().await
    }

    /// The main file in the interpreter that was started before anybody asked.
    async fn script(&mut self, batch: &Batch<'_>) -> Result<Outcome, LinkError> {
        let sandbox = Arc::clone(&self.sandbox);
        let mut alive = sandbox.driver.lock().await;
        *alive = false;
        let payload = std::iter::once(&batch.plan.main)
            .chain(batch.args)
            .flat_map(|word| [word.as_bytes(), b"\0"].concat())
            .collect();
        self.begin_step(Step::Exec, None).await;
        let input = self.input();
        let ask = Ask::Driver { verb: Verb::Script, payload };
        let span = madang_trace::span!("step", madang.step = "script");
        let (outcome, _) = self.step_with_driver(ask, input).instrument(span).await?;
        self.end_step(Step::Exec, None, &outcome).await;
        Ok(outcome)
    }

    async fn shell_step(
        &mut self,
        batch: &Batch<'_>,
        step: Step,
        index: Option<u32>,
        command: &str,
    ) -> Result<Outcome, LinkError> {
        let mut argv = ["/bin/sh", "-c", command, "sh"].map(str::to_owned).to_vec();
        let mut env = self.environment();
        env.push(format!("MAIN={}", batch.plan.main));
        let input = if step == Step::Exec {
            argv.extend(batch.args.iter().cloned());
            self.input()
        } else {
            Input::Whole(Blob::default())
        };
        self.begin_step(step, index).await;
        let ask = Ask::Program { argv, env, terminal: None };
        let span = madang_trace::span!("step", madang.step = step.name());
        let outcome = self.step(ask, input).instrument(span).await?;
        self.end_step(step, index, &outcome).await;
        Ok(outcome)
    }

    async fn begin_step(&mut self, step: Step, input: Option<u32>) {
        self.mark(RunEventBody::StepStarted { step, input }).await;
    }

    async fn end_step(&mut self, step: Step, input: Option<u32>, outcome: &Outcome) {
        self.mark(RunEventBody::StepFinished { step, input, outcome: outcome.clone() }).await;
        self.confirm_step().await;
    }

    async fn plan(&self, asked: &Steps, main: Option<&str>) -> Result<BatchPlan, NodeError> {
        let names = if self.sandbox.one_shot { self.sandbox.files_put() } else { self.names().await? };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match &self.sandbox.recipe {
            Some(recipe) => Ok(plan_batch(recipe, &names, asked, main)),
            None if asked.exec.is_some() || asked.build.is_some() => {
                Ok(BatchPlan { main: main.unwrap_or_default().to_owned(), steps: asked.clone(), script: false })
            }
            None => Err(NodeError::Invalid("a batch needs a language, or steps of its own".to_owned())),
        }
    }

    async fn names(&self) -> Result<Vec<String>, NodeError> {
        let seen = crate::files::list(&self.sandbox, "", madang_node_api::Depth::Children).await?;
        Ok(seen.into_iter().take(FILES_SEEN_MAX).map(|file| file.path).collect())
    }

    fn environment(&self) -> Vec<String> {
        self.spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    fn input(&mut self) -> Input {
        match &mut self.spec.stdin {
            Stdin::Whole { bytes } => Input::Whole(std::mem::take(bytes)),
            Stdin::Live => Input::Live,
        }
    }

    fn limits(&self) -> &Limits {
        &self.spec.limits
    }
}

/// The request was wrong in a way that only the sandbox could see.
fn refused(error: &NodeError) -> Outcome {
    let verdict = match error {
        NodeError::Limit(_) => Verdict::OutputLimit,
        _ => Verdict::InternalError,
    };
    Outcome { verdict, exit_code: None, signal: None, usage: Usage::default(), detail: Some(error.to_string()) }
}

fn failed(error: &LinkError) -> Outcome {
    let detail = Some(error.to_string());
    Outcome { verdict: Verdict::InternalError, exit_code: None, signal: None, usage: Usage::default(), detail }
}
