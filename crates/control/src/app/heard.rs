//! Whether what is known of a node is what is.

use std::time::Duration;

use madang_ids::{NodeId, SandboxId};
use madang_node_api::Presence;
use madang_store::SessionRecord;

use super::App;

/// Whether what is known of a node is what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Now,
    /// Not for a while.
    Silent,
    /// Not for longer than its lease: what was there is given up.
    Lost,
}

impl App {
    /// Of the node of each of a session's sandboxes.
    pub(crate) fn heard(&self, record: &SessionRecord) -> Vec<Heard> {
        record
            .sandboxes()
            .map(|(_, node)| node.map_or(Heard::Now, |node| self.node_heard(node, record.group())))
            .collect()
    }

    /// Whether the sandbox is on a node that was not heard for longer than its lease.
    pub(super) fn given_up(&self, sandbox: SandboxId, group: &str) -> bool {
        self.fleet.placed(sandbox).is_some_and(|node| self.node_heard(node, group) == Heard::Lost)
    }

    fn node_heard(&self, id: NodeId, group: &str) -> Heard {
        let last = match self.fleet.of(id).map(|member| member.presence()) {
            Some(Presence::Here) => return Heard::Now,
            Some(Presence::Silent { since, .. }) => since,
            // It may dial in a moment, or another process knew it: nobody heard it since we began to listen.
            Some(Presence::Unheard) => self.leadership.knows_since(group),
            None => self.fleet.removed_at(id).unwrap_or_else(|| self.leadership.knows_since(group)),
        };
        let lost = last.elapsed() >= Duration::from_millis(self.config.node_lease_ms);
        if lost { Heard::Lost } else { Heard::Silent }
    }
}
