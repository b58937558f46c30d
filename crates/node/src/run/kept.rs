//! The runs of sessions that a node holds until somebody says that their end is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use madang_ids::{RunId, SandboxId};
use madang_node_api::{NodeError, RunControl, RunHandle, RunSeen};
use tokio::sync::mpsc;

use super::{EVENTS_MAX, tape::Tape};
use crate::sandbox::Sandbox;

/// A run that somebody may attach to.
#[derive(Debug)]
pub struct KeptRun {
    id: RunId,
    sandbox: Arc<Sandbox>,
    wall_ms: u64,
    tape: Arc<Tape>,
    /// Closed once the run is over.
    control: mpsc::Sender<RunControl>,
}

impl KeptRun {
    pub fn new(sandbox: &Arc<Sandbox>, tape: Arc<Tape>, handle: &RunHandle, wall_ms: u64) -> Self {
        Self { id: handle.id, sandbox: Arc::clone(sandbox), wall_ms, tape, control: handle.control.clone() }
    }

    fn seen(&self) -> RunSeen {
        let (sandbox, session) = (self.sandbox.spec.id, self.sandbox.spec.session);
        RunSeen { id: self.id, sandbox, session, events: self.tape.events(), wall_ms: self.wall_ms }
    }
}

/// All of a node.
#[derive(Debug, Default)]
pub struct KeptRuns(Mutex<HashMap<RunId, Arc<KeptRun>>>);

impl KeptRuns {
    pub fn keep(&self, run: KeptRun) {
        self.held().insert(run.id, Arc::new(run));
    }

    pub fn seen(&self) -> Vec<RunSeen> {
        self.held().values().map(|run| run.seen()).collect()
    }

    pub fn attach(&self, id: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        let run = self.held().get(&id).cloned().ok_or_else(|| NodeError::NotFound(format!("run {id}")))?;
        let (send, events) = mpsc::channel(EVENTS_MAX);
        let from = after.map_or(0, |after| after.saturating_add(1));
        tokio::spawn(Arc::clone(&run.tape).play(from, send));
        Ok(RunHandle { id, events, control: run.control.clone() })
    }

    pub fn forget(&self, id: RunId) {
        if let Some(run) = self.held().remove(&id) {
            run.sandbox.tapes.forget(&run.tape);
        }
    }

    /// The sandbox is gone, and its tapes with it.
    pub fn forget_of(&self, sandbox: SandboxId) {
        self.held().retain(|_, run| run.sandbox.spec.id != sandbox);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<RunId, Arc<KeptRun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
