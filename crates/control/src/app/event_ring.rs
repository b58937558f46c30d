//! The server's own events: the latest ones, for any number of readers, each at its own pace.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use madang_model::{Owner, Sight};
use madang_public_api::{ServerEvent, ServerEventBody, Timestamp};
use tokio::sync::watch;

use crate::clock::now_ms;

/// Events kept for readers that are behind; whoever is further behind is told how many are missing.
const EVENTS_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct EventRing {
    kept: Mutex<VecDeque<(Option<Owner>, ServerEvent)>>,
    /// The number of the next event.
    next: watch::Sender<u64>,
}

impl EventRing {
    pub fn new() -> Self {
        Self { kept: Mutex::default(), next: watch::Sender::new(0) }
    }

    /// What is about somebody's work is told only to those who may see that work; without an owner everybody hears it.
    pub fn push(&self, owner: Option<Owner>, body: ServerEventBody) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *self.next.borrow();
        if kept.len() == EVENTS_MAX {
            kept.pop_front();
        }
        kept.push_back((owner, ServerEvent { seq, at: Timestamp(now_ms()), body }));
        self.next.send_replace(seq + 1);
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Events from `seq` on that the reader may see, and the number to go on from; where some are gone, a word about it comes first.
    pub fn since(&self, seq: u64, sight: &Sight) -> (Vec<ServerEvent>, u64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::new();
        if let Some(first) = kept.front().map(|(_, event)| event.seq).filter(|first| *first > seq) {
            let body = ServerEventBody::Lagged { missed: first - seq };
            events.push(ServerEvent { seq: first - 1, at: Timestamp(now_ms()), body });
        }
        let seen = kept
            .iter()
            .filter(|(owner, event)| event.seq >= seq && owner.as_ref().is_none_or(|owner| sight.shows(owner)));
        events.extend(seen.map(|(_, event)| event.clone()));
        (events, *self.next.borrow())
    }
}
