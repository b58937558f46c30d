//! A longer life for a session, within its policies.

use std::sync::Arc;

use madang_ids::SessionId;
use madang_public_api::{SessionExtend, SessionView};
use madang_store::StoreError;

use super::{App, Asker, Failure, policy::refused};

/// Writers that may come between before it is given up.
const TRIES_MAX: usize = 16;

impl App {
    /// Adds to the lifetime of a session that runs or is suspended; that is use of it, too.
    pub async fn session_extend(
        self: &Arc<Self>,
        asker: &Asker,
        id: SessionId,
        extend: &SessionExtend,
    ) -> Result<SessionView, Failure> {
        let session = self.session_usable(id).await?;
        let _one_at_a_time = session.change.lock().await;
        for _ in 0..TRIES_MAX {
            let mut record = session.up()?;
            let timeout_ms = record.spec.timeout_ms.saturating_add(extend.by_ms);
            let max = self.config.session_timeout_ms_max;
            if timeout_ms > max {
                let detail = format!("a session lives {max} ms at most, and this one would live {timeout_ms}");
                let failure = Failure::new(madang_public_api::ProblemKind::Limit, detail);
                return Err(Failure { limit: Some("session_timeout_ms_max".into()), ..failure });
            }
            let bounds = self.people.now().bounds(&record.owner, &asker.by);
            refused(bounds.iter().filter_map(|bound| bound.lifetime_refusal(timeout_ms)).collect())?;
            record.spec.timeout_ms = timeout_ms;
            let fence = self.leadership.fence(record.group());
            match self.store.session_update_fenced(&record, fence.as_ref()).await {
                Ok(generation) => {
                    record.generation = generation;
                    self.session_changed(&session, record);
                    session.touch();
                    return Ok(session.view());
                }
                Err(StoreError::Stale { .. }) => self.session_reload(&session).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::conflict("the session keeps changing; try again"))
    }
}
