//! Events, numbered and timed.

use std::time::SystemTime;

use madang_model::{RunEvent, RunEventBody};
use tokio::sync::mpsc;

/// Where a run's events go.
pub struct Emitter {
    to: mpsc::Sender<RunEvent>,
    seq: u64,
}

impl Emitter {
    pub fn new(to: mpsc::Sender<RunEvent>) -> Self {
        Self { to, seq: 0 }
    }

    /// Sends, waiting for a reader that lags. Without a reader the run goes on and nobody hears.
    pub async fn emit(&mut self, body: RunEventBody) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let event = RunEvent { seq: self.seq, at_us: since.as_micros() as u64, body };
        self.seq += 1;
        let _ = self.to.send(event).await;
    }
}
