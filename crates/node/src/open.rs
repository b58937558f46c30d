//! Sandboxes of sessions are opened: each once, however often it is asked for.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use madang_ids::SandboxId;
use madang_node_api::{Node as _, NodeError, SandboxSpec};
use madang_slot_api::FromSlot;
use tokio::sync::Notify;

use crate::{agent::Agent, claim::Wanted, folder, metering::Refusal};

/// A session's slot whose node is away for so long ends itself.
const SESSION_ORPHAN_MS: u64 = 6 * 3_600_000;
/// A slot that is not bound by then never will be.
const BIND_WAIT: Duration = Duration::from_secs(20);

/// Those that are being opened just now.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    now: Mutex<HashSet<SandboxId>>,
    /// Rung when one of them is there, or will not be.
    done: Notify,
}

/// Nobody else opens this sandbox meanwhile.
struct Turn<'a> {
    opening: &'a Opening,
    id: SandboxId,
}

impl Opening {
    async fn turn(&self, id: SandboxId) -> Turn<'_> {
        loop {
            let mut done = pin!(self.done.notified());
            // Before the look: what ends after it rings.
            done.as_mut().enable();
            if self.lock().insert(id) {
                return Turn { opening: self, id };
            }
            done.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<SandboxId>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.opening.lock().remove(&self.id);
        self.opening.done.notify_waiters();
    }
}

impl Agent {
    pub(crate) async fn open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        let _turn = self.opening.turn(spec.id).await;
        if self.find(spec.id).is_ok() {
            return Ok(());
        }
        match self.spool.refuses(spec.id) {
            Some(Refusal::Ended) => return Err(NodeError::Conflict(format!("sandbox {} has ended", spec.id))),
            Some(Refusal::Full) => return Err(NodeError::Capacity("nobody takes this node's readings".to_owned())),
            None => {}
        }
        folder::check(&spec.mounts)?;
        let _using = self.images.using.read().await;
        let key = self.template(&spec.image).await?;
        let recipe = self.recipe(&key, spec.language.as_ref())?;
        let lent = self.devices.lend(&spec.devices).await?;
        let wanted = Wanted { key, recipe, uses_driver: true, one_shot: false, orphan_ms: SESSION_ORPHAN_MS, lent };
        let sandbox = Arc::new(self.claim_for_good(spec, wanted).await?);
        let bound = sandbox.link.notice_within(BIND_WAIT, |notice| *notice == FromSlot::Bound).await;
        let bound = bound.map_err(|error| sandbox.not_bound(error));
        if let Err(error) = bound.and_then(|()| self.write_claim(&sandbox)) {
            self.shop.retirement.retire(Arc::clone(&sandbox.slot));
            return Err(error);
        }
        self.keep(&sandbox);
        // It was closed while it was made.
        if self.spool.refuses(sandbox.spec.id) == Some(Refusal::Ended) {
            self.sandbox_close(sandbox.spec.id).await?;
            return Err(NodeError::Conflict(format!("sandbox {} has ended", sandbox.spec.id)));
        }
        let _ = self.changes.send(sandbox.seen());
        self.watch_end(sandbox);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn who_comes_second_waits_and_others_do_not() {
        let opening = Opening::default();
        let (id, other) = (SandboxId::new(), SandboxId::new());
        let first = opening.turn(id).await;
        let mut second = pin!(opening.turn(id));
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut nobody).is_pending());
        drop(opening.turn(other).await);
        assert!(second.as_mut().poll(&mut nobody).is_pending());
        drop(first);
        drop(second.await);
        assert!(opening.lock().is_empty());
    }
}
