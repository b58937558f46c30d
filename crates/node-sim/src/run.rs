//! What a simulated node keeps of the runs of its sessions, for whoever takes them up again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::{RunId, SandboxId, SessionId};
use madang_model::{RunEvent, RunEventBody};
use madang_node_api::{NodeError, RunControl, RunHandle, RunSeen};
use tokio::sync::{mpsc, watch};

use crate::past::{Past, Put};

const EVENTS_MAX: usize = 64;

/// The events of one run so far.
pub(crate) struct SimRun {
    pub id: RunId,
    pub sandbox: SandboxId,
    pub session: SessionId,
    pub wall_ms: u64,
    pub control: mpsc::Sender<RunControl>,
    tape: watch::Sender<Tape>,
}

#[derive(Default)]
struct Tape {
    events: Vec<RunEvent>,
    ended: bool,
}

impl SimRun {
    pub fn new(seen: RunSeen, control: mpsc::Sender<RunControl>) -> Arc<Self> {
        let RunSeen { id, sandbox, session, wall_ms, .. } = seen;
        Arc::new(Self { id, sandbox, session, wall_ms, control, tape: watch::Sender::default() })
    }

    pub fn push(&self, event: RunEvent) {
        self.tape.send_modify(|tape| tape.events.push(event));
    }

    pub fn end(&self) {
        self.tape.send_modify(|tape| tape.ended = true);
    }

    fn is_going(&self) -> bool {
        let tape = self.tape.borrow();
        !tape.ended && !matches!(tape.events.last().map(|event| &event.body), Some(RunEventBody::Finished { .. }))
    }

    fn seen(&self) -> RunSeen {
        let events = self.tape.borrow().events.len() as u64;
        RunSeen { id: self.id, sandbox: self.sandbox, session: self.session, events, wall_ms: self.wall_ms }
    }

    fn attach(self: &Arc<Self>, after: Option<u64>) -> RunHandle {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let run = Arc::clone(self);
        let mut at = after.map_or(0, |after| after as usize + 1);
        tokio::spawn(async move {
            let mut tape = run.tape.subscribe();
            loop {
                let news = {
                    let Ok(tape) = tape.wait_for(|tape| tape.events.len() > at || tape.ended).await else { return };
                    tape.events.get(at..).unwrap_or_default().to_vec()
                };
                if news.is_empty() {
                    return;
                }
                for event in news {
                    at += 1;
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
            }
        });
        RunHandle { id: self.id, events, control: self.control.clone() }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct SimRuns(Mutex<Runs>);

#[derive(Default)]
struct Runs {
    kept: HashMap<RunId, Arc<SimRun>>,
    started: Past<RunId>,
    doubled: u64,
}

impl SimRuns {
    pub fn keep(&self, run: &Arc<SimRun>) {
        let mut runs = self.lock();
        if runs.started.put(run.id) == Put::Again {
            runs.doubled += 1;
        }
        runs.kept.insert(run.id, Arc::clone(run));
    }

    pub fn doubled(&self) -> u64 {
        self.lock().doubled
    }

    pub fn seen(&self) -> Vec<RunSeen> {
        self.lock().kept.values().map(|run| run.seen()).collect()
    }

    pub fn is_going_in(&self, sandbox: SandboxId) -> bool {
        self.lock().kept.values().any(|run| run.sandbox == sandbox && run.is_going())
    }

    pub fn attach(&self, id: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        let run = self.lock().kept.get(&id).cloned().ok_or_else(|| NodeError::NotFound(format!("run {id}")))?;
        Ok(run.attach(after))
    }

    pub fn forget(&self, id: RunId) {
        self.lock().kept.remove(&id);
    }

    pub fn forget_of(&self, sandbox: SandboxId) {
        self.lock().kept.retain(|_, run| run.sandbox != sandbox);
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
