//! Events, numbered and timed, kept before they are told.

use std::{sync::Arc, time::SystemTime};

use madang_model::{RunEvent, RunEventBody};
use tokio::sync::mpsc;

use super::tape::{Record, Tape};

/// Where a run's events go.
pub struct Emitter {
    to: mpsc::Sender<RunEvent>,
    seq: u64,
    /// Of a run that outlives its agent.
    pub tape: Option<Arc<Tape>>,
    /// Messages of init about the present step that were heard so far.
    pub heard: u64,
}

impl Emitter {
    pub fn new(to: mpsc::Sender<RunEvent>, tape: Option<Arc<Tape>>) -> Self {
        let seq = tape.as_ref().map_or(0, |tape| tape.events());
        Self { to, seq, tape, heard: 0 }
    }

    /// Sends the first event, which is on the tape since the run was asked for.
    pub fn tell_first(&self, event: RunEvent) {
        // The channel is new: there is room, or nobody reads.
        let _ = self.to.try_send(event);
    }

    /// Keeps and sends, waiting for a reader that lags. Without a reader the run goes on; whoever comes later reads the tape.
    pub async fn emit(&mut self, body: RunEventBody) {
        let event = RunEvent { seq: self.seq, at_us: unix_us(), body };
        self.seq += 1;
        if self.tape.is_none() {
            let _ = self.to.send(event).await;
            return;
        }
        let record = Record::Event { heard: self.heard, event };
        self.keep(&record).await;
        if let Record::Event { event, .. } = record {
            let _ = self.to.send(event).await;
        }
    }

    pub async fn keep(&self, record: &Record) {
        if let Some(tape) = &self.tape {
            tape.append(record).await;
        }
    }
}

/// That a run has started, now.
pub fn started() -> RunEvent {
    RunEvent { seq: 0, at_us: unix_us(), body: RunEventBody::Started }
}

fn unix_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
