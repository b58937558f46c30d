//! Sessions as memory has them beside their rows: the store holds what is wanted, also where somebody changed it by hand.

use std::sync::Arc;

use madang_model::{SessionEvent, SessionState};

use super::{
    App, DriftKind, Failure,
    live_session::{LiveSession, Observed},
};
use crate::clock::now_ms;

/// Why a session ends whose row says that it has ended.
const WHY: &str = "its record in the database was ended";

impl App {
    /// Ends what goes on although its row says that it has ended, or is gone. Returns how many those were.
    pub async fn sessions_compare(self: &Arc<Self>) -> Result<usize, Failure> {
        // Before the rows are read: who is in memory has a row by then.
        let live = self.sessions_live();
        let rows = self.store.session_ids_live().await?;
        let mut ended = 0;
        for session in live.iter().filter(|session| !rows.contains(&session.record.borrow().id)) {
            if self.session_has_ended(session).await? {
                self.session_end_too(session).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Whether the row has ended and memory does not know; looked at while nothing changes the session, as both are changed one after the other.
    async fn session_has_ended(&self, session: &LiveSession) -> Result<bool, Failure> {
        let _one_at_a_time = session.change.lock().await;
        let record = session.record();
        let goes_on = record.life.is_live() && !matches!(record.life.state, SessionState::Draining { .. });
        Ok(goes_on && self.leads(record.group()) && !self.store.session_is_live(record.id).await?)
    }

    async fn session_end_too(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), Failure> {
        let record = session.record();
        self.metrics.drift.found(DriftKind::RecordEnded);
        tracing::warn!(
            kind = DriftKind::RecordEnded.name(),
            session = %record.id,
            sandbox = %record.sandbox,
            expected = "a session that has ended, as its record says",
            seen = format!("one that is {}", record.life.state.name()),
            "drift: the session ends"
        );
        // The usual way, where the rest of the row is as it was: its runs are cancelled, its use is kept.
        let event = SessionEvent::EndAsked { why: WHY.to_owned() };
        if self.store.session_get(record.id).await?.is_some_and(|kept| kept.life.is_live())
            && self.session_apply(session, &event, Observed::default()).await.is_ok()
        {
            return Ok(());
        }
        self.session_forget(session).await
    }

    /// Nothing is written: there is no row to write to, or it says how the session ended. The reconciler closes what nobody wants any more.
    async fn session_forget(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), Failure> {
        let _one_at_a_time = session.change.lock().await;
        let mut record = session.record();
        self.runs_abandon(record.id, WHY);
        match self.store.session_get(record.id).await? {
            Some(kept) if !kept.life.is_live() => record = kept,
            _ => {
                let why = || WHY.to_owned();
                // One that waits ends with the first; one that has a sandbox drains, and has none in the end.
                for event in [SessionEvent::EndAsked { why: why() }, SessionEvent::SandboxLost { why: why() }] {
                    if let Ok((life, _)) = record.life.apply(&event, now_ms()) {
                        record.life = life;
                    }
                }
                record.ended_ms = Some(now_ms());
            }
        }
        self.session_changed(session, record);
        self.reconcile_soon.notify_one();
        Ok(())
    }
}
