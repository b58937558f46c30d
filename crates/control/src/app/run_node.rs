//! Whether the node of a run is heard. A node that is silent goes on with the run, keeps its limits by itself and has the rest of what is
//! to be told: our own deadlines count only while it could tell us.

use std::{sync::Arc, time::Duration};

use madang_ids::SandboxId;
use madang_node_api::Presence;
use tokio::{sync::watch, time::Instant};

use super::fleet::Fleet;

/// What a node that is heard again has left to say is waited for so long.
const RETURN_WAIT: Duration = Duration::from_secs(30);
/// Between two looks for a node that has not joined.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct RunNode {
    fleet: Arc<Fleet>,
    sandbox: SandboxId,
    /// None: it has not joined, or nobody knows yet which it will be.
    presence: Option<watch::Receiver<Presence>>,
    /// When it was heard again.
    back: Option<Instant>,
}

impl RunNode {
    pub fn new(fleet: &Arc<Fleet>, sandbox: SandboxId) -> Self {
        Self { fleet: Arc::clone(fleet), sandbox, presence: fleet.presence(sandbox), back: None }
    }

    /// Looks again where the sandbox is: it may have been placed only now.
    pub fn placed(&mut self) {
        self.presence = self.fleet.presence(self.sandbox);
    }

    fn is_silent(&self) -> bool {
        match &self.presence {
            Some(presence) => *presence.borrow() != Presence::Here,
            None => self.fleet.placed(self.sandbox).is_some(),
        }
    }

    /// A deadline of ours as it counts now; none while the node is silent: its lease ends that.
    pub fn deadline(&self, ours: Instant) -> Option<Instant> {
        let back = || self.back.map_or(ours, |back| ours.max(back + RETURN_WAIT));
        (!self.is_silent()).then(back)
    }

    /// Returns when the node has fallen silent or is heard again.
    pub async fn changed(&mut self) {
        let before = self.is_silent();
        while self.is_silent() == before {
            match &mut self.presence {
                Some(presence) => {
                    if presence.changed().await.is_err() {
                        // Nothing will ever be said of it again.
                        std::future::pending::<()>().await;
                    }
                }
                None => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    self.placed();
                }
            }
        }
        if before {
            self.back = Some(Instant::now());
        }
    }
}
