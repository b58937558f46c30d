//! Readings of a simulated node, and the ways a network has of mistreating them.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use madang_ids::SandboxId;
use madang_model::{Reading, Usage};
use madang_node_api::{NodeError, READINGS_MAX, ReadingAck};
use tokio::sync::Notify;

use crate::SimNode;

#[derive(Default)]
pub(crate) struct SimMeter {
    kept: Mutex<VecDeque<Reading>>,
    arrived: Notify,
}

impl SimMeter {
    pub fn push(&self, reading: Reading) {
        self.lock().push_back(reading);
        self.arrived.notify_waiters();
        self.arrived.notify_one();
    }

    /// What another has kept.
    pub fn take_over(&self, other: &Self) {
        let kept = other.lock().clone();
        *self.lock() = kept;
    }

    pub async fn next(&self) -> Vec<Reading> {
        loop {
            let arrived = self.arrived.notified();
            let some: Vec<_> = self.lock().iter().take(READINGS_MAX).copied().collect();
            if !some.is_empty() {
                return some;
            }
            arrived.await;
        }
    }

    pub fn ack(&self, acks: &[ReadingAck]) {
        let known = |reading: &Reading| {
            acks.iter().any(|ack| ack.sandbox == reading.sandbox && ack.sequence >= reading.sequence)
        };
        self.lock().retain(|reading| !known(reading));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Reading>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimNode {
    /// The sandbox has used so much more; a reading says so.
    pub fn use_up(&self, id: SandboxId, usage: Usage) -> Result<Reading, NodeError> {
        let reading = self.with(id, |sandbox| {
            sandbox.usage = sandbox.usage.then(&usage);
            Ok(sandbox.read(self.now_ms()))
        })?;
        self.inner.meter.push(reading);
        Ok(reading)
    }

    /// Says a reading whatever it says: again, late, or a lie.
    pub fn say_reading(&self, reading: Reading) {
        self.inner.meter.push(reading);
    }

    /// Readings that control has not acknowledged.
    pub fn readings_left(&self) -> usize {
        self.inner.meter.lock().len()
    }

    /// How often control wants the sandbox read, and how much of the processors it leaves it, where it said so.
    pub fn asked_of(&self, id: SandboxId) -> Result<(Option<u64>, Option<u64>), NodeError> {
        self.with(id, |sandbox| Ok((sandbox.read_every_ms, sandbox.cpu_millis)))
    }
}
