//! What happens, here and in the other processes: the latest events, for any number of readers, each at its own pace.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use madang_model::{Owner, Sight};
use madang_public_api::{ServerEvent, ServerEventBody, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::now_ms;

/// Events kept for readers that are behind; whoever is further behind is told how many are missing.
const EVENTS_MAX: usize = 1_024;

/// An event, and whose it is; what is nobody's is told to everybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub owner: Option<Owner>,
    pub event: ServerEvent,
}

#[derive(Debug)]
struct Kept {
    happened: Happened,
    /// In this process.
    ours: bool,
}

#[derive(Debug)]
pub(crate) struct EventRing {
    kept: Mutex<VecDeque<Kept>>,
    /// The number of the next event.
    next: watch::Sender<u64>,
    /// Addresses of the processes that are heard.
    heard: watch::Sender<BTreeSet<String>>,
}

impl EventRing {
    pub fn new() -> Self {
        Self { kept: Mutex::default(), next: watch::Sender::new(0), heard: watch::Sender::default() }
    }

    /// What is about somebody's work is told only to those who may see that work; without an owner everybody hears it.
    pub fn push(&self, owner: Option<Owner>, body: ServerEventBody) {
        let event = ServerEvent { seq: 0, at: Timestamp(now_ms()), body };
        self.keep(Kept { happened: Happened { owner, event }, ours: true });
    }

    /// What has happened in another process.
    pub fn hear(&self, happened: Happened) {
        self.keep(Kept { happened, ours: false });
    }

    fn keep(&self, mut new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *self.next.borrow();
        if kept.len() == EVENTS_MAX {
            kept.pop_front();
        }
        new.happened.event.seq = seq;
        kept.push_back(new);
        self.next.send_replace(seq + 1);
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Events from `seq` on that the reader may see, and the number to go on from; where some are gone, a word about it comes first.
    pub fn since(&self, seq: u64, sight: &Sight) -> (Vec<ServerEvent>, u64) {
        let sees = |kept: &Kept| kept.happened.owner.as_ref().is_none_or(|owner| sight.shows(owner));
        let (happened, next) = self.pick(seq, sees);
        (happened.into_iter().map(|happened| happened.event).collect(), next)
    }

    /// Of the events from `seq` on those of this process, for another one.
    pub fn ours_since(&self, seq: u64) -> (Vec<Happened>, u64) {
        self.pick(seq, |kept| kept.ours)
    }

    fn pick(&self, seq: u64, wanted: impl Fn(&Kept) -> bool) -> (Vec<Happened>, u64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = Vec::new();
        if let Some(first) = kept.front().map(|kept| kept.happened.event.seq).filter(|first| *first > seq) {
            let body = ServerEventBody::Lagged { missed: first - seq };
            let event = ServerEvent { seq: first - 1, at: Timestamp(now_ms()), body };
            events.push(Happened { owner: None, event });
        }
        let later = kept.iter().filter(|kept| kept.happened.event.seq >= seq && wanted(kept));
        events.extend(later.map(|kept| kept.happened.clone()));
        (events, *self.next.borrow())
    }

    /// From now on whatever happens in the process at this address is heard.
    pub fn heard_now(&self, address: &str) {
        self.heard.send_if_modified(|heard| heard.insert(address.to_owned()));
    }

    pub fn heard_no_more(&self, address: &str) {
        self.heard.send_if_modified(|heard| heard.remove(address));
    }

    /// Waits a while until all of these are heard.
    pub async fn hears(&self, addresses: &[String], wait: Duration) {
        let mut heard = self.heard.subscribe();
        let all = heard.wait_for(|heard| addresses.iter().all(|address| heard.contains(address)));
        // One that cannot be reached is no reason to hear nobody.
        let _ = tokio::time::timeout(wait, all).await;
    }
}
