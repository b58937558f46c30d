//! Finding room for one session: all of its sandboxes or none.

use madang_ids::NodeId;

use crate::{
    Group,
    decide::Placement,
    hash::IdSet,
    index::Spreading,
    node::{Holding, Member, pool_key},
    promise::{Asks, PromisedTo},
    room::{Grant, Room},
    share::Owner,
    want::{GangMode, Session},
};

/// A node with room for some of a gang.
struct Found {
    node: NodeId,
    room: Room,
}

impl Group {
    /// Where the session can start now.
    pub(crate) fn find(&self, session: &Session, now_ms: u64) -> Option<Vec<Placement>> {
        self.find_among(session, self.index.candidates(session, self.rules.spreading, self.rules.prefer), now_ms)
    }

    /// The same, as far as these nodes go.
    pub(crate) fn find_among(
        &self,
        session: &Session,
        nodes: impl Iterator<Item = NodeId>,
        now_ms: u64,
    ) -> Option<Vec<Placement>> {
        let reservation = session.reservation.filter(|id| self.reservation_holds(*id, now_ms));
        let asks = Some(Asks::of(session, reservation, now_ms));
        let promised = reservation.into_iter().flat_map(|id| self.reservation_nodes(id));
        let members = promised.chain(nodes).filter_map(|id| self.members.get(&id));
        self.find_on(session, &asks, members)
    }

    /// Whether only promises are in the way of a session that fits nowhere.
    pub(crate) fn fits_unpromised(&self, session: &Session) -> bool {
        if session.gang.mode == GangMode::MultiNode && session.gang.size > 1 {
            return self.find_on(session, &None, self.members.values()).is_some();
        }
        let reserved = self.reservations.values().flat_map(|reserved| &reserved.nodes);
        let kept = self.head.iter().flat_map(|head| &head.nodes);
        let promised = reserved.chain(kept).filter_map(|id| self.members.get(id));
        self.find_on(session, &None, promised).is_some()
    }

    fn find_on<'a>(
        &self,
        session: &Session,
        asks: &Option<Asks>,
        members: impl Iterator<Item = &'a Member>,
    ) -> Option<Vec<Placement>> {
        let members = members.filter(|member| member.open() && member.suits(session));
        match (session.gang.mode, session.gang.size) {
            (_, 1) | (GangMode::SingleNode, _) => one_node(session, asks, members),
            (GangMode::MultiNode, _) => many_nodes(session, asks, members, self.rules.spreading),
        }
    }

    /// Whether the session would fit if nothing else were there.
    pub(crate) fn could_ever_fit(&self, session: &Session) -> bool {
        let size = session.gang.size;
        let mut found = 0;
        for member in self.members.values().filter(|member| member.suits(session)) {
            let times = member.whole().times(&session.want, size);
            found = match session.gang.mode {
                GangMode::SingleNode => times,
                GangMode::MultiNode => found + times,
            };
            if found >= size {
                return true;
            }
        }
        false
    }

    /// Writes a placement down: from now on the session holds it.
    pub(crate) fn hold(&mut self, session: &Session, placements: &[Placement], now_ms: u64) {
        let owner = Owner::from(session.owner.as_str());
        let pool = pool_key(&session.image, &session.language);
        for (number, placement) in (0..).zip(placements) {
            let Some(member) = self.members.get_mut(&placement.node) else { continue };
            let holding = Holding::new(session, placement.grants.clone(), now_ms);
            self.shares.hold(&owner, &holding.amount, &holding.grants);
            member.holdings.insert((session.id, number), holding);
            *member.pools_used.entry(pool.clone()).or_default() += 1;
            if member.node.pools.get(&pool) == member.pools_used.get(&pool) {
                self.index.relane(placement.node);
            }
            self.index.took(placement.node);
        }
        let mut nodes: Vec<_> = placements.iter().map(|placement| placement.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in &nodes {
            self.member_changed(*node);
        }
        if session.preemptible {
            self.preemptible.insert((session.priority, session.id));
        }
        self.placed.insert(session.id, nodes);
        self.queue.rescore(&owner, &self.shares);
    }

    fn reservation_nodes(&self, id: madang_ids::ReservationId) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.reservations.get(&id).into_iter().flat_map(|reserved| reserved.nodes.iter().copied());
        nodes.filter(move |node| {
            let member = self.members.get(node);
            member.is_some_and(|member| member.promised_left(PromisedTo::Reservation(id)) > 0)
        })
    }
}

fn room(member: &Member, asks: &Option<Asks>) -> Room {
    asks.as_ref().map_or_else(|| member.free.clone(), |asks| member.room_for(asks))
}

fn one_node<'a>(
    session: &Session,
    asks: &Option<Asks>,
    members: impl Iterator<Item = &'a Member>,
) -> Option<Vec<Placement>> {
    for member in members {
        // Most nodes that are full are passed here, without a copy of anything.
        if !member.free.has(&session.want) {
            continue;
        }
        let mut room = room(member, asks);
        let grants: Option<Vec<_>> = (0..session.gang.size).map(|_| room.take(&session.want)).collect();
        if let Some(grants) = grants {
            return Some(grants.into_iter().map(|grants| Placement { node: member.id, grants }).collect());
        }
    }
    None
}

/// Packing fills one node after another; otherwise each node gets one in turn.
fn many_nodes<'a>(
    session: &Session,
    asks: &Option<Asks>,
    members: impl Iterator<Item = &'a Member>,
    spreading: Spreading,
) -> Option<Vec<Placement>> {
    let size = session.gang.size as usize;
    let mut placements = Vec::with_capacity(size);
    let mut found: Vec<Found> = Vec::new();
    let mut seen = IdSet::default();
    let place = |node, grants: Vec<Grant>, placements: &mut Vec<Placement>| {
        placements.push(Placement { node, grants });
        placements.len() == size
    };
    for member in members.filter(|member| member.free.has(&session.want)) {
        if !seen.insert(member.id) {
            continue;
        }
        let mut room = room(member, asks);
        while let Some(grants) = room.take(&session.want) {
            if place(member.id, grants, &mut placements) {
                return Some(placements);
            }
            if spreading != Spreading::Pack {
                break;
            }
        }
        found.push(Found { node: member.id, room });
    }
    while !found.is_empty() {
        let mut left = Vec::new();
        for mut found in found {
            if let Some(grants) = found.room.take(&session.want) {
                if place(found.node, grants, &mut placements) {
                    return Some(placements);
                }
                left.push(found);
            }
        }
        found = left;
    }
    None
}
