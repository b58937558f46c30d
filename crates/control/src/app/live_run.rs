//! A run in progress: its events so far, for any number of readers, and a way to its collector.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{Owner, RunEvent, RunEventBody, RunLife, RunState};
use madang_node_api::RunControl;
use madang_public_api::{RunFold, RunMode, RunView, Timestamp};
use tokio::sync::{mpsc, watch};

use super::Failure;

/// Wishes that may wait for a run's collector.
const WISHES_MAX: usize = 8;
/// Events kept of one run; output beyond is dropped and the result says `truncated`.
const EVENTS_MAX: usize = 200_000;

/// What others want of a run.
#[derive(Debug)]
pub(crate) enum Wish {
    Cancel,
    /// Nobody will report any more.
    Abandon(String),
    /// Another process follows it from now on: nothing is kept or ended here.
    Leave,
}

/// How far a run is, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub events: usize,
    pub phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Accepted,
    /// It never began; see [`LiveRun::refusal`].
    Refused,
    /// Its result is kept and may be read.
    Finished,
    /// Another process follows it from now on; see [`LiveRun::refusal`].
    Left,
}

impl Phase {
    /// Nothing more is heard of it here.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Refused | Self::Finished | Self::Left)
    }
}

/// What is known of a run from the start.
#[derive(Debug, Clone)]
pub(crate) struct RunFacts {
    pub id: RunId,
    pub session: Option<SessionId>,
    pub owner: Owner,
    pub sandbox: SandboxId,
    /// The resource group whose leader follows it.
    pub group: String,
    pub mode: RunMode,
    /// Empty where nobody needs to know any more.
    pub image: String,
    pub language: Option<String>,
    pub created_us: u64,
    /// Wall time over all steps and inputs.
    pub wall_ms: u64,
    /// The store knows the run from its start, because somebody was told its id; else only once it has finished.
    pub kept_from_start: bool,
}

#[derive(Debug)]
pub(crate) struct LiveRun {
    pub facts: RunFacts,
    log: Mutex<Log>,
    pub progress: watch::Sender<Progress>,
    pub control: OnceLock<mpsc::Sender<RunControl>>,
    pub refusal: OnceLock<Failure>,
    pub result: OnceLock<Arc<RunView>>,
    wishes: mpsc::Sender<Wish>,
}

#[derive(Debug)]
struct Log {
    events: Vec<RunEvent>,
    life: RunLife,
    truncated: bool,
}

impl LiveRun {
    pub fn new(facts: RunFacts) -> (Arc<Self>, mpsc::Receiver<Wish>) {
        let (wishes, receiver) = mpsc::channel(WISHES_MAX);
        let life = RunLife::starting(facts.created_us / 1_000);
        let run = Self {
            facts,
            log: Mutex::new(Log { events: Vec::new(), life, truncated: false }),
            progress: watch::Sender::new(Progress { events: 0, phase: Phase::Starting }),
            control: OnceLock::new(),
            refusal: OnceLock::new(),
            result: OnceLock::new(),
            wishes,
        };
        (Arc::new(run), receiver)
    }

    /// A full queue already holds a wish of the same effect.
    pub fn wish(&self, wish: Wish) {
        let _ = self.wishes.try_send(wish);
    }

    pub fn life_set(&self, life: RunLife) {
        self.log().life = life;
    }

    /// Keeps an event under the next number. Output beyond the bound is dropped; beginnings and ends never are.
    pub fn push(&self, mut event: RunEvent) {
        let count = {
            let mut log = self.log();
            let structural = matches!(
                event.body,
                RunEventBody::StepStarted { .. } | RunEventBody::StepFinished { .. } | RunEventBody::Finished { .. }
            );
            if log.events.len() >= EVENTS_MAX && !structural {
                log.truncated = true;
                return;
            }
            event.seq = log.events.len() as u64;
            log.events.push(event);
            log.events.len()
        };
        self.progress.send_modify(|progress| progress.events = count);
    }

    pub fn phase_set(&self, phase: Phase) {
        self.progress.send_modify(|progress| progress.phase = phase);
    }

    /// Up to `max` events from number `from` on.
    pub fn events_since(&self, from: usize, max: usize) -> Vec<RunEvent> {
        let log = self.log();
        log.events.get(from..).unwrap_or_default().iter().take(max).cloned().collect()
    }

    pub fn is_truncated(&self) -> bool {
        self.log().truncated
    }

    /// All events so far, and whether some were dropped.
    pub fn snapshot(&self) -> (Vec<RunEvent>, bool) {
        let log = self.log();
        (log.events.clone(), log.truncated)
    }

    /// The result once there is one, what there is of it before.
    pub fn view(&self) -> RunView {
        if let Some(view) = self.result.get() {
            return RunView::clone(view);
        }
        let log = self.log();
        let mut fold = RunFold::default();
        log.events.iter().for_each(|event| fold.push(&event.body));
        let state = match log.life.state {
            RunState::Starting => madang_public_api::RunState::Starting,
            RunState::Running => madang_public_api::RunState::Running,
            // The result is about to be kept; until then it is not readable.
            RunState::Cancelling | RunState::Finished { .. } => madang_public_api::RunState::Cancelling,
        };
        let actions = log.life.allowed_actions();
        let truncated = log.truncated;
        drop(log);
        view(&self.facts, fold, state, ViewEnd { finished_ms: None, truncated, actions })
    }

    /// Waits until the run has ended or was refused.
    pub async fn ended(&self) -> Result<Arc<RunView>, Failure> {
        let mut progress = self.progress.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = progress.wait_for(|progress| progress.phase.is_over()).await;
        self.outcome()
    }

    /// Whether it goes on, but not here.
    pub fn is_left(&self) -> bool {
        self.progress.borrow().phase == Phase::Left
    }

    /// Waits until the node has taken the run, or was refused.
    pub async fn accepted(&self) -> Result<(), Failure> {
        let mut progress = self.progress.subscribe();
        let _ = progress.wait_for(|progress| progress.phase != Phase::Starting).await;
        self.refusal.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn outcome(&self) -> Result<Arc<RunView>, Failure> {
        if let Some(failure) = self.refusal.get() {
            return Err(failure.clone());
        }
        let missing = || Failure::not_found(format!("the result of run {}", self.facts.id));
        self.result.get().cloned().ok_or_else(missing)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct ViewEnd {
    pub finished_ms: Option<u64>,
    pub truncated: bool,
    pub actions: &'static [&'static str],
}

pub(crate) fn view(facts: &RunFacts, fold: RunFold, state: madang_public_api::RunState, end: ViewEnd) -> RunView {
    RunView {
        id: facts.id,
        state,
        session: facts.session,
        mode: facts.mode,
        language: facts.language.clone(),
        created_at: Timestamp::from_us(facts.created_us),
        finished_at: end.finished_ms.map(Timestamp),
        whole: fold.whole,
        build: fold.build,
        outputs: fold.outputs,
        truncated: end.truncated,
        allowed_actions: end.actions.iter().map(|action| (*action).to_owned()).collect(),
    }
}
