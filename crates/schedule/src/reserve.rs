//! Reservations: slots promised for a time, refused where the promise could not be kept.

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{NodeId, ReservationId};
use serde::{Deserialize, Serialize};

use crate::{
    Group,
    node::pool_key,
    promise::{Promise, PromisedTo},
    want::{Session, Want},
};

/// The most slots of one reservation.
const SLOTS_MAX: u32 = 100_000;
/// So far after its own time another is looked for, where a reservation cannot be kept.
const LOOK_AHEAD_MS: u64 = 30 * 86_400_000;
/// At so many moments: each costs a look at all that nodes hold.
const MOMENTS_MAX: usize = 16;

/// So many slots, each as large as `want`, from then to then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub id: ReservationId,
    pub starts_ms: u64,
    pub ends_ms: u64,
    pub slots: u32,
    pub want: Want,
    pub image: String,
    pub language: String,
}

/// Why a reservation is impossible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It ends before it begins, is over, or asks for nothing.
    Senseless(&'static str),
    /// So many slots are the most that can be promised for the time; all of them, for as long, from `starts_ms` on.
    TooMany { possible: u32, starts_ms: Option<u64> },
}

/// How it stands with a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationState {
    /// Slots that are promised on nodes: fewer than asked for after the loss of a node.
    pub promised: u32,
    /// Slots in use.
    pub used: u32,
    pub nodes: BTreeMap<NodeId, u32>,
}

#[derive(Debug, Clone)]
pub(crate) struct Reserved {
    pub reservation: Reservation,
    pub nodes: BTreeSet<NodeId>,
}

impl Reserved {
    fn holds(&self, now_ms: u64) -> bool {
        (self.reservation.starts_ms..self.reservation.ends_ms).contains(&now_ms)
    }
}

impl Group {
    /// Promises the slots, or says how many could be.
    pub fn reserve(&mut self, reservation: Reservation, now_ms: u64) -> Result<(), Refusal> {
        if reservation.slots == 0 || reservation.slots > SLOTS_MAX {
            return Err(Refusal::Senseless("it is for no slots or for too many"));
        }
        if reservation.ends_ms <= reservation.starts_ms.max(now_ms) {
            return Err(Refusal::Senseless("it is over before it begins"));
        }
        let spots = self.spots(&reservation, reservation.slots, now_ms);
        let possible = spots.iter().map(|(_, count)| count).sum();
        if possible < reservation.slots {
            return Err(Refusal::TooMany { possible, starts_ms: self.possible_from(&reservation, now_ms) });
        }
        self.reserved(reservation, spots);
        Ok(())
    }

    /// One that was promised before this scheduler was there: as much of it as can be.
    pub fn reservation_restore(&mut self, reservation: Reservation, now_ms: u64) {
        let spots = self.spots(&reservation, reservation.slots, now_ms);
        self.reserved(reservation, spots);
    }

    /// Takes a reservation back; sessions that use it stay.
    pub fn reservation_end(&mut self, id: ReservationId) {
        let Some(reserved) = self.reservations.remove(&id) else { return };
        self.openings.promise_dropped();
        for node in reserved.nodes {
            if let Some(member) = self.members.get_mut(&node) {
                member.promises_drop(PromisedTo::Reservation(id));
            }
        }
        self.changed = true;
    }

    pub fn reservation_state(&self, id: ReservationId) -> Option<ReservationState> {
        let reserved = self.reservations.get(&id)?;
        let mut state = ReservationState { promised: 0, used: 0, nodes: BTreeMap::new() };
        for node in &reserved.nodes {
            let Some(member) = self.members.get(node) else { continue };
            let to = PromisedTo::Reservation(id);
            let count = member.promises.iter().filter(|promise| promise.to == to).map(|promise| promise.count).sum();
            state.promised += count;
            state.used += count - member.promised_left(to);
            state.nodes.insert(*node, count);
        }
        Some(state)
    }

    /// Slots that each node should have waiting in its pools, for reservations that begin within `lead_ms` or have begun.
    pub fn pools_wanted(&self, now_ms: u64, lead_ms: u64) -> BTreeMap<NodeId, BTreeMap<String, u64>> {
        let mut wanted: BTreeMap<NodeId, BTreeMap<String, u64>> = BTreeMap::new();
        for (id, reserved) in &self.reservations {
            let reservation = &reserved.reservation;
            if now_ms.saturating_add(lead_ms) < reservation.starts_ms || now_ms >= reservation.ends_ms {
                continue;
            }
            let key = pool_key(&reservation.image, &reservation.language);
            for node in &reserved.nodes {
                let left =
                    self.members.get(node).map_or(0, |member| member.promised_left(PromisedTo::Reservation(*id)));
                *wanted.entry(*node).or_default().entry(key.clone()).or_default() += u64::from(left);
            }
        }
        wanted
    }

    pub(crate) fn reservation_holds(&self, id: ReservationId, now_ms: u64) -> bool {
        self.reservations.get(&id).is_some_and(|reserved| reserved.holds(now_ms))
    }

    pub(crate) fn reservation_next_ms(&self) -> Option<u64> {
        // One that holds already begins no more; its end is the next thing about it.
        let times = self.reservations.values().map(|reserved| {
            let reservation = &reserved.reservation;
            if self.began.contains(&reservation.id) { reservation.ends_ms } else { reservation.starts_ms }
        });
        times.min()
    }

    pub(crate) fn reservations_expire(&mut self, now_ms: u64) -> bool {
        let over = |reserved: &Reserved| reserved.reservation.ends_ms <= now_ms;
        let ids: Vec<_> = self.reservations.iter().filter(|(_, it)| over(it)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.reservation_end(*id));
        let begun =
            self.reservations.iter().filter(|(_, reserved)| reserved.holds(now_ms)).map(|(id, _)| *id).collect();
        let before = std::mem::replace(&mut self.began, begun);
        !ids.is_empty() || before != self.began
    }

    /// Nodes have changed: what was promised on one that is not open any more is promised elsewhere, as far as that is possible.
    pub(crate) fn promises_mend(&mut self, now_ms: u64) {
        let closed = |group: &Self, node: &NodeId| group.members.get(node).is_none_or(|member| !member.open());
        if self.head.as_ref().is_some_and(|head| head.nodes.iter().any(|node| closed(self, node))) {
            self.head_clear();
        }
        let ids: Vec<_> = self.reservations.keys().copied().collect();
        for id in ids {
            let Some(reserved) = self.reservations.get(&id) else { continue };
            let lost: Vec<_> = reserved.nodes.iter().copied().filter(|node| closed(self, node)).collect();
            self.promises_move(id, &lost, now_ms);
        }
    }

    fn promises_move(&mut self, id: ReservationId, lost: &[NodeId], now_ms: u64) {
        if !lost.is_empty() {
            self.openings.promise_dropped();
        }
        for node in lost {
            if let Some(member) = self.members.get_mut(node) {
                member.promises_drop(PromisedTo::Reservation(id));
            }
            if let Some(reserved) = self.reservations.get_mut(&id) {
                reserved.nodes.remove(node);
            }
        }
        let promised = self.reservation_state(id).map_or(0, |state| state.promised);
        let Some(reserved) = self.reservations.get(&id) else { return };
        let missing = reserved.reservation.slots.saturating_sub(promised);
        if missing > 0 {
            let reservation = reserved.reservation.clone();
            let spots = self.spots(&reservation, missing, now_ms);
            self.reserved(reservation, spots);
        }
    }

    /// When all of it could be promised for as long, if what is there goes when it must: nothing is foreseen of what nobody holds yet.
    fn possible_from(&self, reservation: &Reservation, now_ms: u64) -> Option<u64> {
        let from_ms = reservation.starts_ms.max(now_ms);
        let lasts_ms = reservation.ends_ms - from_ms;
        let moments = self.moments_of_more_room(from_ms);
        // Of many every n-th, and the last, at which most has ended.
        let step = moments.len().div_ceil(MOMENTS_MAX).max(1);
        moments.iter().rev().step_by(step).rev().copied().find(|starts_ms| {
            let moved = Reservation {
                starts_ms: *starts_ms,
                ends_ms: starts_ms.saturating_add(lasts_ms),
                ..reservation.clone()
            };
            self.spots(&moved, moved.slots, now_ms).iter().map(|(_, count)| count).sum::<u32>() == moved.slots
        })
    }

    /// When something that holds room or is promised some ends, in order.
    fn moments_of_more_room(&self, from_ms: u64) -> Vec<u64> {
        let ends = self.members.values().filter(|member| member.open()).flat_map(|member| {
            let held = member.holdings.values().map(|holding| holding.ends_ms);
            held.chain(member.promises.iter().map(|promise| promise.ends_ms))
        });
        let soon = |at_ms: &u64| *at_ms > from_ms && *at_ms - from_ms <= LOOK_AHEAD_MS;
        ends.filter(soon).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Where so many slots can be promised, the emptiest nodes first.
    fn spots(&self, reservation: &Reservation, slots: u32, now_ms: u64) -> Vec<(NodeId, u32)> {
        let session = reservation.as_session();
        let from_ms = reservation.starts_ms.max(now_ms);
        let fits = self.members.values().filter(|member| member.open() && member.suits(&session)).map(|member| {
            let room = member.room_between(from_ms, reservation.ends_ms);
            (room.times(&reservation.want, slots), member.id)
        });
        let mut fits: Vec<_> = fits.filter(|(times, _)| *times > 0).collect();
        fits.sort_by_key(|(times, id)| (std::cmp::Reverse(*times), *id));
        let mut left = slots;
        let mut spots = Vec::new();
        for (times, id) in fits {
            let count = times.min(left);
            left -= count;
            spots.push((id, count));
            if left == 0 {
                break;
            }
        }
        spots
    }

    fn reserved(&mut self, reservation: Reservation, spots: Vec<(NodeId, u32)>) {
        let to = PromisedTo::Reservation(reservation.id);
        let (starts_ms, ends_ms, id) = (reservation.starts_ms, reservation.ends_ms, reservation.id);
        let want = reservation.want.clone();
        let reserved = self.reservations.entry(id).or_insert_with(|| Reserved { reservation, nodes: BTreeSet::new() });
        for (node, count) in spots {
            reserved.nodes.insert(node);
            if let Some(member) = self.members.get_mut(&node) {
                match member.promises.iter_mut().find(|promise| promise.to == to) {
                    Some(promise) => promise.count += count,
                    None => member.promises.push(Promise { to, starts_ms, ends_ms, want: want.clone(), count }),
                }
            }
        }
        self.changed = true;
    }
}

impl Reservation {
    /// What one slot of it looks like to a node.
    fn as_session(&self) -> Session {
        Session {
            id: madang_ids::SessionId::MIN,
            owner: String::new(),
            priority: 0,
            preemptible: false,
            gang: Default::default(),
            want: self.want.clone(),
            image: self.image.clone(),
            language: self.language.clone(),
            labels: BTreeMap::new(),
            depends_on: BTreeSet::new(),
            reservation: None,
            queued_ms: 0,
            lasts_ms_max: self.ends_ms.saturating_sub(self.starts_ms),
        }
    }
}
