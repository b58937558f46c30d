//! What needs no queue: a session that finds nobody waiting and room at once.

use madang_ids::SessionId;

use crate::{Group, decide::Placement, want::Session};

impl Group {
    /// Starts the session if there is room that nobody waits for and nobody was promised; it holds what it was given from now on.
    /// None changes nothing: queue it, and let [`Group::decide`] say when it is its turn.
    pub fn start_now(&mut self, session: &Session, now_ms: u64) -> Option<Vec<Placement>> {
        // Whoever was promised a slot waits for nobody.
        let promised = session.reservation.is_some_and(|id| self.reservation_holds(id, now_ms));
        let others = self.queue.len() > 0 || !self.leaving.is_empty();
        let waits = !session.depends_on.is_empty() || others && !promised;
        if waits || self.waiting.contains_key(&session.id) || !self.placed(session.id).is_empty() {
            return None;
        }
        let placements = self.find(session, now_ms)?;
        self.hold(session, &placements, now_ms);
        Some(placements)
    }

    /// Whether the session holds something or waits.
    pub fn knows(&self, id: SessionId) -> bool {
        self.waiting.contains_key(&id) || self.placed.contains_key(&id)
    }
}
