//! What the programs of a session wrote, in order, latest runs only.

use madang_ids::{RunId, SessionId};
use madang_model::{Blob, RunEvent, RunEventBody};
use madang_public_api::{Timestamp, session::LogEntry};

use super::{App, Failure};

/// Runs whose output makes up the log.
const RUNS_MAX: u64 = 50;

impl App {
    /// The last `limit` entries, oldest first. Runs are read from the one that ended last on, one at a time and no more than it takes.
    pub async fn session_logs(&self, id: SessionId, limit: usize) -> Result<Vec<LogEntry>, Failure> {
        self.session_record(id).await?;
        let mut last = Last { limit, entries: Vec::new() };
        for run in self.runs_live().into_iter().filter(|run| run.facts.session == Some(id)) {
            last.add(run.facts.id, run.snapshot().0);
        }
        let ends = self.store.run_ends_of_session(id, RUNS_MAX).await?;
        let mut ends: Vec<_> = ends.into_iter().filter_map(|(run, finished_ms)| Some((finished_ms?, run))).collect();
        ends.sort_by(|one, other| other.cmp(one));
        for (finished_ms, run) in ends {
            if last.is_all_after(finished_ms) {
                break;
            }
            // One that is gone was forgotten meanwhile; one that lived above has ended meanwhile.
            let Some(kept) = self.store.run_get(run).await? else { continue };
            last.add(run, kept.events);
        }
        Ok(last.entries)
    }
}

/// The last entries so far.
struct Last {
    limit: usize,
    /// In their order, at most `limit`.
    entries: Vec<LogEntry>,
}

impl Last {
    fn add(&mut self, run: RunId, events: Vec<RunEvent>) {
        if self.entries.iter().any(|entry| entry.run == run) {
            return;
        }
        self.entries.extend(events.into_iter().filter_map(|event| entry(run, event)));
        // Stable: entries of one run at one millisecond keep their order.
        self.entries.sort_by_key(|entry| (entry.at, entry.run));
        let excess = self.entries.len().saturating_sub(self.limit);
        self.entries.drain(..excess);
    }

    /// Whether no run that had finished by then has anything to add.
    fn is_all_after(&self, finished_ms: u64) -> bool {
        self.entries.len() == self.limit && self.entries.first().is_some_and(|first| first.at > Timestamp(finished_ms))
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
