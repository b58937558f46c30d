//! Suspending a session and resuming it: its sandboxes are frozen and thawed by their nodes, the record says what has become of them.
//!
//! The node comes first and the record after it, so that nobody is told what is not so; where that was cut in between, the reconciler
//! sees both and settles it. A node thaws by itself whatever is used, also what control has nothing to do with; the record follows.

use std::sync::Arc;

use futures_util::future::join_all;
use madang_ids::SessionId;
use madang_model::SessionEvent;
use madang_node_api::{FreezeSeen, FreezeWhen, NodeError};
use madang_public_api::session::{SessionSuspended, SuspendWhen};
use madang_store::SessionRecord;

use super::{
    App, Failure,
    live_session::{LiveSession, Observed},
};
use crate::clock::now_ms;

/// A session that could not be suspended for being idle is left alone for so long.
const SUSPEND_AGAIN_MS: u64 = 60_000;

impl App {
    /// Freezes every sandbox of the session. One that is suspended is left so.
    pub async fn session_suspend(
        self: &Arc<Self>,
        id: SessionId,
        when: SuspendWhen,
    ) -> Result<SessionSuspended, Failure> {
        let session = self.session_usable(id).await?;
        let seen = self.session_freeze(&session, when).await?;
        let (session, FreezeSeen { before_bytes, after_bytes }) = (self.session_view(id).await?, seen);
        Ok(SessionSuspended { session, before_bytes, after_bytes })
    }

    async fn session_freeze(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        when: SuspendWhen,
    ) -> Result<FreezeSeen, Failure> {
        let _one_at_a_time = session.freezing.lock().await;
        let record = session.up()?;
        let when = match when {
            SuspendWhen::Idle if session.runs_live() > 0 => {
                return Err(Failure::conflict("a run is in progress; with `when: now` it is suspended too"));
            }
            SuspendWhen::Idle => FreezeWhen::Idle,
            SuspendWhen::Now => FreezeWhen::Now,
        };
        let seen = self.sandboxes_freeze(&record, when).await?;
        self.session_apply(session, &SessionEvent::Suspended, Observed::default()).await?;
        Ok(seen)
    }

    /// All of them, or none.
    async fn sandboxes_freeze(&self, record: &SessionRecord, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        let asked = record.sandboxes().map(|(sandbox, _)| self.node.sandbox_freeze(sandbox, when));
        let seen: Result<Vec<FreezeSeen>, NodeError> = join_all(asked).await.into_iter().collect();
        match seen {
            Ok(seen) => Ok(seen.into_iter().fold(FreezeSeen::default(), FreezeSeen::plus)),
            Err(error) => {
                if let Err(error) = self.sandboxes_thaw(record).await {
                    // The reconciler sees that it should run.
                    tracing::warn!(session = %record.id, %error, "a session was not suspended, and not all of it goes on yet");
                }
                Err(error)
            }
        }
    }

    async fn sandboxes_thaw(&self, record: &SessionRecord) -> Result<(), NodeError> {
        let asked = record.sandboxes().map(|(sandbox, _)| self.node.sandbox_thaw(sandbox));
        join_all(asked).await.into_iter().collect()
    }

    /// The session runs when this returns, if it was suspended; any other is left as it is.
    pub async fn session_awake(self: &Arc<Self>, session: &Arc<LiveSession>) -> Result<(), Failure> {
        if !session.record.borrow().life.is_suspended() {
            return Ok(());
        }
        let _one_at_a_time = session.freezing.lock().await;
        let record = session.record();
        if !record.life.is_suspended() {
            return Ok(());
        }
        self.sandboxes_thaw(&record).await?;
        session.touch();
        self.session_apply(session, &SessionEvent::Resumed, Observed::default()).await
    }

    /// As its wishes say. Somebody may use it just now; then it is not idle.
    pub(crate) async fn session_suspend_idle(self: &Arc<Self>, id: SessionId) {
        let Some(session) = self.session_live(id) else { return };
        // While it is tried it is not tried again.
        session.suspend_not_before(now_ms().saturating_add(SUSPEND_AGAIN_MS));
        match self.session_freeze(&session, SuspendWhen::Idle).await {
            Ok(seen) => {
                session.suspend_not_before(0);
                let FreezeSeen { before_bytes, after_bytes } = seen;
                tracing::info!(session = %id, before_bytes, after_bytes, "an idle session is suspended");
            }
            Err(failure) => {
                tracing::info!(session = %id, why = failure.detail, "an idle session cannot be suspended now");
            }
        }
    }

    /// A session that runs, and whose sandbox was seen frozen: a server has died between the two.
    pub(crate) async fn session_thaw_again(self: &Arc<Self>, id: SessionId) {
        let Some(session) = self.session_live(id) else { return };
        let _one_at_a_time = session.freezing.lock().await;
        let Ok(record) = session.running() else { return };
        if let Err(error) = self.sandboxes_thaw(&record).await {
            tracing::warn!(session = %id, %error, "a session's sandbox does not go on yet");
        }
    }
}
