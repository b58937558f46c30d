//! What follows from what is wanted, what is seen, and now.

use madang_ids::{NodeId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{
    Group,
    cursor::Cursor,
    group::Waiting,
    openings::{ShapeId, Since},
    promise::PromisedTo,
    room::Grant,
    want::{GangMode, Session},
};

/// Decisions of one call: more follow at the next one.
const DECISIONS_MAX: usize = 16;
/// Sessions that do not fit before one call looks no further.
const FAILURES_MAX: usize = 128;

/// One sandbox of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub node: NodeId,
    pub grants: Vec<Grant>,
}

/// A session and where its sandboxes go, `main1` first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub session: SessionId,
    pub placements: Vec<Placement>,
}

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It holds what it was given from now on; tell [`Group::session_release`] if it could not start there.
    Place(Place),
    /// End it and queue it again, for a session of higher priority. What it holds is kept for that one.
    Preempt { session: SessionId, in_favour_of: SessionId },
    /// It can never start.
    Refuse { session: SessionId, why: String },
}

/// The first in the order that does not fit.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub session: SessionId,
    pub since_ms: u64,
    pub tries: u32,
    /// Others may pass.
    pub passed: bool,
    /// Others are ended for it. What they leave is kept for it alone, also against those who were before it in the queue:
    /// they might be the very ones.
    pub preempts: bool,
    /// From when on room is kept for it, and where.
    pub promised_ms: Option<u64>,
    pub nodes: Vec<NodeId>,
}

/// One call's walk through the queue.
#[derive(Default)]
struct Walk {
    decisions: Vec<Decision>,
    failures: usize,
    head: Option<SessionId>,
}

#[derive(PartialEq, Eq)]
enum Go {
    On,
    /// Nobody may pass.
    Stop,
}

impl Group {
    /// What to do now. Call it after every change, until it says nothing more; then again at [`Group::next_ms`].
    pub fn decide(&mut self, now_ms: u64) -> Vec<Decision> {
        if self.reservations_expire(now_ms) || self.next_ms().is_some_and(|next| now_ms >= next) {
            self.changed = true;
        }
        if self.shares.weigh(now_ms) {
            self.queue.rescore_all(&self.shares);
        }
        if !self.changed {
            return Vec::new();
        }
        let mut walk = Walk::default();
        self.refuse_in_vain(&mut walk);
        if !self.index.is_empty() {
            self.walk_reserved(&mut walk, now_ms);
            self.walk_queue(&mut walk, now_ms);
        }
        // Fewer decisions than may be: what is left does not fit.
        self.changed = walk.decisions.len() >= DECISIONS_MAX;
        walk.decisions
    }

    /// When something may be decided although nothing has changed.
    pub fn next_ms(&self) -> Option<u64> {
        let rule = self.rules.head;
        let patience = self.head.as_ref().filter(|head| !head.passed && self.queue.len() > 1);
        let patience = patience.map(|head| head.since_ms.saturating_add(rule.wait_ms));
        patience.into_iter().chain(self.reservation_next_ms()).min()
    }

    fn refuse_in_vain(&mut self, walk: &mut Walk) {
        while walk.decisions.len() < DECISIONS_MAX
            && let Some((session, why)) = self.refusals.pop()
        {
            if self.session_unqueue(session).is_some() {
                walk.decisions.push(Decision::Refuse { session, why });
            }
        }
    }

    /// Who has a reservation that holds now waits for nobody else.
    fn walk_reserved(&mut self, walk: &mut Walk, now_ms: u64) {
        let line: Vec<_> = self.with_reservation.iter().take(FAILURES_MAX).map(|(_, id)| *id).collect();
        for id in line {
            let Some(Waiting { session, shape }) = self.waiting.get(&id).cloned() else { continue };
            let holds = session.reservation.is_some_and(|id| self.reservation_holds(id, now_ms));
            if walk.decisions.len() >= DECISIONS_MAX || !holds {
                continue;
            }
            self.try_place(&session, shape, walk, now_ms);
        }
    }

    fn walk_queue(&mut self, walk: &mut Walk, now_ms: u64) {
        let mut cursor = Cursor::default();
        self.try_preempting_head(walk, now_ms);
        while walk.decisions.len() < DECISIONS_MAX && walk.failures < FAILURES_MAX {
            let Some(id) = self.queue.next(&mut cursor) else { break };
            let Some(Waiting { session, shape }) = self.waiting.get(&id).cloned() else { continue };
            if walk.head.is_none() && self.head.as_ref().is_some_and(|head| head.session != id) {
                // Whoever is before the head of last time is not bound by what that one was promised.
                self.head_unpromise();
            }
            if self.try_place(&session, shape, walk, now_ms) {
                continue;
            }
            walk.failures += 1;
            if self.blocked(&session, walk, now_ms) == Go::Stop {
                break;
            }
        }
        // Whoever was promised room and is not the first blocked one any more needs no promise.
        if walk.head.is_some() && self.head.as_ref().map(|head| head.session) != walk.head {
            self.head_clear();
        }
    }

    /// Whoever others were ended for comes first, as long as they go or have gone just now.
    fn try_preempting_head(&mut self, walk: &mut Walk, now_ms: u64) {
        let Some(head) = self.head.as_mut().filter(|head| head.preempts) else { return };
        head.preempts = !self.leaving.is_empty();
        let id = head.session;
        let Some(Waiting { session, shape }) = self.waiting.get(&id).cloned() else { return };
        let placed = self.try_place(&session, shape, walk, now_ms);
        if !placed && self.head.as_ref().is_some_and(|head| head.preempts) {
            walk.head = Some(id);
        }
    }

    fn try_place(&mut self, session: &Session, shape: ShapeId, walk: &mut Walk, now_ms: u64) -> bool {
        let Some(placements) = self.look(session, shape, now_ms) else { return false };
        self.session_unqueue(session.id);
        self.hold(session, &placements, now_ms);
        walk.decisions.push(Decision::Place(Place { session: session.id, placements }));
        true
    }

    /// Where nothing has become free since the like of it did not fit, it does not fit now.
    fn look(&mut self, session: &Session, shape: ShapeId, now_ms: u64) -> Option<Vec<Placement>> {
        let own = session.reservation.is_some() || self.head.as_ref().is_some_and(|head| head.session == session.id);
        if own {
            return self.find(session, now_ms);
        }
        let Since::Nodes(nodes) = self.openings.since(shape, session.lasts_ms_max) else {
            return self.look_everywhere(session, shape, now_ms);
        };
        let emptier = nodes.into_iter().filter(|id| self.members.get(id).is_some_and(|it| it.free.has(&session.want)));
        let emptier: Vec<_> = emptier.collect();
        if emptier.is_empty() {
            self.openings.failed_still(shape);
            return None;
        }
        if session.gang.mode == GangMode::MultiNode && session.gang.size > 1 {
            return self.look_everywhere(session, shape, now_ms);
        }
        let found = self.find_among(session, emptier.into_iter(), now_ms);
        if found.is_none() {
            self.openings.failed(shape, session.lasts_ms_max.max(1));
        }
        found
    }

    fn look_everywhere(&mut self, session: &Session, shape: ShapeId, now_ms: u64) -> Option<Vec<Placement>> {
        let found = self.find(session, now_ms);
        if found.is_none() {
            let lasts_ms = if self.fits_unpromised(session) { session.lasts_ms_max.max(1) } else { 0 };
            self.openings.failed(shape, lasts_ms);
        }
        found
    }

    /// The first that does not fit gets a promise of room, by ending others where it may; who comes after it may have to wait.
    fn blocked(&mut self, session: &Session, walk: &mut Walk, now_ms: u64) -> Go {
        if walk.head.is_some() {
            return Go::On;
        }
        if let Some(why) = self.why_never(session) {
            self.session_unqueue(session.id);
            walk.decisions.push(Decision::Refuse { session: session.id, why });
            return Go::On;
        }
        walk.head = Some(session.id);
        if self.head.as_ref().is_none_or(|head| head.session != session.id) {
            self.head_clear();
            let (session, nodes) = (session.id, Vec::new());
            self.head = Some(Head {
                session,
                since_ms: now_ms,
                tries: 0,
                passed: false,
                preempts: false,
                promised_ms: None,
                nodes,
            });
        }
        self.head_promise(session, &mut walk.decisions, now_ms);
        let rule = self.rules.head;
        let Some(head) = &mut self.head else { return Go::On };
        head.tries = head.tries.saturating_add(1);
        let patient = head.tries <= rule.tries && now_ms < head.since_ms.saturating_add(rule.wait_ms);
        head.passed |= !patient;
        if head.passed { Go::On } else { Go::Stop }
    }

    fn head_promise(&mut self, session: &Session, decisions: &mut Vec<Decision>, now_ms: u64) {
        if self.leaving.is_empty()
            && let Some((nodes, victims)) = self.victims(session, now_ms)
        {
            self.promise(session, &nodes, now_ms);
            if let Some(head) = &mut self.head {
                head.preempts = true;
            }
            for victim in victims {
                self.leaving.insert(victim);
                decisions.push(Decision::Preempt { session: victim, in_favour_of: session.id });
            }
            return;
        }
        let promised = self.head.as_ref().and_then(|head| head.promised_ms);
        if promised.is_none_or(|promised| self.leaving.is_empty() && promised < now_ms)
            && let Some((starts_ms, nodes)) = self.earliest(session, now_ms)
        {
            self.promise(session, &nodes, starts_ms);
        }
    }

    fn promise(&mut self, session: &Session, nodes: &[(NodeId, u32)], starts_ms: u64) {
        let to = PromisedTo::Session(session.id);
        let Some(head) = &mut self.head else { return };
        let before = std::mem::replace(&mut head.nodes, nodes.iter().map(|(node, _)| *node).collect());
        head.promised_ms = Some(starts_ms);
        if !before.is_empty() {
            self.openings.promise_dropped();
        }
        for node in before {
            if let Some(member) = self.members.get_mut(&node) {
                member.promises_drop(to);
            }
        }
        let (want, ends_ms) = (session.want.clone(), session.ends_ms(starts_ms));
        for (node, count) in nodes {
            if let Some(member) = self.members.get_mut(node) {
                let (count, want) = (*count, want.clone());
                member.promises.push(crate::promise::Promise { to, starts_ms, ends_ms, want, count });
            }
        }
    }

    pub(crate) fn head_clear(&mut self) {
        self.head_unpromise();
        self.head = None;
    }

    fn head_unpromise(&mut self) {
        let Some(head) = &mut self.head else { return };
        if head.promised_ms.take().is_none() {
            return;
        }
        self.openings.promise_dropped();
        for node in head.nodes.drain(..) {
            if let Some(member) = self.members.get_mut(&node) {
                member.promises_drop(PromisedTo::Session(head.session));
            }
        }
    }
}
