//! What the programs of a session wrote, in order, latest runs only.

use madang_ids::{RunId, SessionId};
use madang_model::{Blob, RunEvent, RunEventBody};
use madang_public_api::{Timestamp, session::LogEntry};

use super::{App, Failure};

/// Runs whose output makes up the log.
const RUNS_MAX: u64 = 50;

impl App {
    /// The last `limit` entries, oldest first.
    pub async fn session_logs(&self, id: SessionId, limit: usize) -> Result<Vec<LogEntry>, Failure> {
        self.session_record(id).await?;
        let mut entries = Vec::new();
        for kept in self.store.run_list_of_session(id, RUNS_MAX).await? {
            entries.extend(kept.events.into_iter().filter_map(|event| entry(kept.id, event)));
        }
        for run in self.runs_live().into_iter().filter(|run| run.facts.session == Some(id)) {
            let (events, _) = run.snapshot();
            entries.extend(events.into_iter().filter_map(|event| entry(run.facts.id, event)));
        }
        // Stable: entries of one run at one millisecond keep their order.
        entries.sort_by_key(|entry| (entry.at, entry.run));
        let excess = entries.len().saturating_sub(limit);
        Ok(entries.split_off(excess))
    }
}

fn entry(run: RunId, event: RunEvent) -> Option<LogEntry> {
    let at = Timestamp::from_us(event.at_us);
    let (kind, data) = match event.body {
        RunEventBody::Stdout { data } => ("stdout", data),
        RunEventBody::Stderr { data } => ("stderr", data),
        RunEventBody::Log { text } => ("log", Blob::from(text)),
        _ => return None,
    };
    Some(LogEntry { at, run, kind: kind.into(), data })
}
