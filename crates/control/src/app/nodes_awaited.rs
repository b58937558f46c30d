//! A process that has just begun, or begun to lead, has heard no node yet: they dial within seconds. Whoever wants something of them
//! meanwhile waits for that instead of being refused.

use std::time::Duration;

use futures_util::future::select_all;
use madang_ids::SandboxId;
use madang_model::service::New;
use madang_node_api::{LanguageSeen, Presence};
use madang_store::SessionRecord;
use tokio::sync::watch;

use super::{
    App, Failure,
    fleet::{Member, MemberState},
};

impl App {
    /// A language that can run here, once there is a node that could run anything.
    pub(super) async fn language_wanted(&self, id: Option<&str>) -> Result<Option<LanguageSeen>, Failure> {
        self.nodes_awaited().await;
        id.map(|id| self.languages.find(&*self.node, id)).transpose()
    }

    /// Returns when any node takes something, none is expected, or it is too late.
    async fn nodes_awaited(&self) {
        let left_ms = self.nodes_wait_left_ms();
        if left_ms == 0 || self.check_takes(New::Admission).is_err() {
            return;
        }
        let members = self.fleet.members();
        if members.iter().any(Member::is_open) {
            return;
        }
        let expected = members.iter().filter(|member| member.state == MemberState::Schedulable);
        within(left_ms, expected.map(|member| member.node.presence()).collect()).await;
    }

    /// The same for the node of a sandbox.
    pub(super) async fn node_awaited(&self, sandbox: SandboxId) {
        let left_ms = self.nodes_wait_left_ms();
        if left_ms > 0 {
            within(left_ms, self.fleet.presence(sandbox).into_iter().collect()).await;
        }
    }

    /// Why a session could never start on the nodes there are, once all of those have been heard that are expected.
    pub(super) async fn impossible(&self, record: &SessionRecord) -> Option<String> {
        loop {
            let why = self.queue.why_never(&self.fleet, record)?;
            let expected = self.fleet.members().into_iter().filter(|member| member.state == MemberState::Schedulable);
            let expected: Vec<_> = expected.map(|member| member.node.presence()).collect();
            let left_ms = self.nodes_wait_left_ms();
            if left_ms == 0 || expected.iter().all(|presence| *presence.borrow() != Presence::Unheard) {
                return Some(why);
            }
            within(left_ms, expected).await;
        }
    }

    /// From when this process began to listen to them: it may take one several attempts to find it.
    fn nodes_wait_left_ms(&self) -> u64 {
        self.config.leader_wait_ms.saturating_sub(self.leadership.began_to_know().elapsed().as_millis() as u64)
    }
}

/// Waits for the first of those that were never heard; one that has fallen silent is not waited for.
async fn within(ms: u64, expected: Vec<watch::Receiver<Presence>>) {
    let unheard = expected.into_iter().filter(|presence| *presence.borrow() == Presence::Unheard);
    let heard = unheard.map(|mut presence| Box::pin(async move { drop(presence.wait_for(is_here).await) }));
    let heard: Vec<_> = heard.collect();
    if !heard.is_empty() {
        // Too late is an answer, too: what follows says what is missing.
        let _ = tokio::time::timeout(Duration::from_millis(ms), select_all(heard)).await;
    }
}

fn is_here(presence: &Presence) -> bool {
    *presence == Presence::Here
}
