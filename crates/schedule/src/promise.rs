//! What is promised of a node: to a reservation, or to the blocked head of the queue. Others get only what a promise can spare.

use madang_ids::{ReservationId, SessionId};

use crate::{
    node::{Holding, Member},
    room::Room,
    want::{Session, Want},
};

/// Who was promised something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PromisedTo {
    Reservation(ReservationId),
    /// The head of the queue, for which room is kept.
    Session(SessionId),
}

/// Slots of one node for one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    pub to: PromisedTo,
    pub starts_ms: u64,
    pub ends_ms: u64,
    pub want: Want,
    pub count: u32,
}

/// Who asks for room, and for when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asks {
    pub session: Option<SessionId>,
    /// One that holds now.
    pub reservation: Option<ReservationId>,
    pub size: u32,
    pub from_ms: u64,
    pub until_ms: u64,
}

impl Asks {
    pub fn of(session: &Session, reservation: Option<ReservationId>, now_ms: u64) -> Self {
        let until_ms = session.ends_ms(now_ms);
        Self { session: Some(session.id), reservation, size: session.gang.size, from_ms: now_ms, until_ms }
    }
}

impl Member {
    /// The room that whoever asks may take for all of its time, so that every promise can still be kept.
    pub fn room_for(&self, asks: &Asks) -> Room {
        if self.promises.is_empty() {
            return self.free.clone();
        }
        self.room_for_without(asks, |_| false)
    }

    /// The same, as if some of the holdings were gone.
    pub fn room_for_without(&self, asks: &Asks, gone: impl Fn(&Holding) -> bool) -> Room {
        let mut room = self.room_without(&gone);
        self.set_aside(&mut room, asks, asks.from_ms);
        let starts = self.promises.iter().map(|promise| promise.starts_ms);
        for at_ms in starts.filter(|starts| (asks.from_ms + 1..asks.until_ms).contains(starts)) {
            let mut then = self.room_without(|holding| gone(holding) || holding.ends_ms <= at_ms);
            self.set_aside(&mut then, asks, at_ms);
            room = room.least(&then);
        }
        room
    }

    /// The room at all times of an interval to come.
    pub fn room_between(&self, from_ms: u64, until_ms: u64) -> Room {
        let asks = Asks { session: None, reservation: None, size: 0, from_ms, until_ms };
        self.room_for_without(&asks, |holding| holding.ends_ms <= from_ms)
    }

    fn set_aside(&self, room: &mut Room, asks: &Asks, at_ms: u64) {
        let held = |promise: &&Promise| promise.starts_ms <= at_ms && at_ms < promise.ends_ms;
        for promise in self.promises.iter().filter(held) {
            let left = self.promise_left(promise);
            let left = match promise.to {
                PromisedTo::Session(session) if asks.session == Some(session) => 0,
                PromisedTo::Reservation(id) if asks.reservation == Some(id) => left.saturating_sub(asks.size),
                _ => left,
            };
            for _ in 0..left {
                if room.take(&promise.want).is_none() {
                    // What is there of it is waited for, too: nobody else may have it.
                    room.take_what_there_is(&promise.want);
                    break;
                }
            }
        }
    }

    /// Slots of a promise that nobody uses yet.
    pub fn promise_left(&self, promise: &Promise) -> u32 {
        let PromisedTo::Reservation(id) = promise.to else { return promise.count };
        let used = self.holdings.values().filter(|holding| holding.reservation == Some(id)).count();
        promise.count.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    pub fn promised_left(&self, to: PromisedTo) -> u32 {
        self.promises.iter().filter(|promise| promise.to == to).map(|promise| self.promise_left(promise)).sum()
    }

    pub fn promises_drop(&mut self, to: PromisedTo) {
        self.promises.retain(|promise| promise.to != to);
    }
}
