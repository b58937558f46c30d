//! Who is next: the order of the queue.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use madang_ids::SessionId;
use serde::{Deserialize, Serialize};

use crate::{
    share::{Owner, Score, Shares, Weigh},
    want::Session,
};

/// How sessions that wait are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueOrder {
    /// Who came first; a step of priority is worth some time of waiting, so that nobody starves.
    #[default]
    Fifo,
    /// Who came last, within a priority.
    Lifo,
    /// The owner who holds least (dominant resource fairness), within a priority.
    Drf,
    /// The owner who has used least, what is long ago counting less, within a priority.
    FairShare,
}

/// Where a session stands in its line.
pub(crate) type Key = (i64, i64, SessionId);

/// Sessions of one priority, a line for each owner.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    /// Who has least first.
    pub lines: BTreeMap<(Score, Owner), BTreeSet<Key>>,
    /// Where each line is.
    pub scores: BTreeMap<Owner, Score>,
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    order: QueueOrder,
    /// What one step of priority is worth, milliseconds of waiting.
    step_ms: i64,
    /// For FIFO and LIFO.
    pub line: BTreeSet<Key>,
    /// For shares, the highest priority first.
    pub levels: BTreeMap<Reverse<i64>, Level>,
    len: usize,
}

impl Queue {
    pub fn new(order: QueueOrder, step_ms: u64) -> Self {
        let step_ms = i64::try_from(step_ms).unwrap_or(i64::MAX);
        Self { order, step_ms, line: BTreeSet::new(), levels: BTreeMap::new(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn weigh(&self) -> Option<Weigh> {
        match self.order {
            QueueOrder::Fifo | QueueOrder::Lifo => None,
            QueueOrder::Drf => Some(Weigh::Held),
            QueueOrder::FairShare => Some(Weigh::Used),
        }
    }

    pub fn push(&mut self, session: &Session, shares: &Shares) {
        let key = self.key(session);
        let Some(weigh) = self.weigh() else {
            self.len += usize::from(self.line.insert(key));
            return;
        };
        let level = self.levels.entry(Reverse(session.priority)).or_default();
        let owner: Owner = Arc::from(session.owner.as_str());
        let score = *level.scores.entry(Arc::clone(&owner)).or_insert_with(|| shares.score(&owner, weigh));
        self.len += usize::from(level.lines.entry((score, owner)).or_default().insert(key));
    }

    pub fn remove(&mut self, session: &Session) {
        let key = self.key(session);
        if self.weigh().is_none() {
            self.len -= usize::from(self.line.remove(&key));
            return;
        }
        let Some(level) = self.levels.get_mut(&Reverse(session.priority)) else { return };
        let Some((owner, score)) = level.scores.get_key_value(session.owner.as_str()) else { return };
        let at = (*score, Arc::clone(owner));
        let Some(line) = level.lines.get_mut(&at) else { return };
        self.len -= usize::from(line.remove(&key));
        if line.is_empty() {
            level.lines.remove(&at);
            level.scores.remove(&at.1);
        }
        if level.lines.is_empty() {
            self.levels.remove(&Reverse(session.priority));
        }
    }

    /// An owner holds more or less than before.
    pub fn rescore(&mut self, owner: &Owner, shares: &Shares) {
        let Some(weigh) = self.weigh() else { return };
        let score = shares.score(owner, weigh);
        for level in self.levels.values_mut() {
            let Some(before) = level.scores.get_mut(owner).filter(|before| **before != score) else { continue };
            let before = std::mem::replace(before, score);
            if let Some(line) = level.lines.remove(&(before, Arc::clone(owner))) {
                level.lines.insert((score, Arc::clone(owner)), line);
            }
        }
    }

    pub fn rescore_all(&mut self, shares: &Shares) {
        let owners: BTreeSet<Owner> = self.levels.values().flat_map(|level| level.scores.keys().cloned()).collect();
        owners.iter().for_each(|owner| self.rescore(owner, shares));
    }

    fn key(&self, session: &Session) -> Key {
        let queued = i64::try_from(session.queued_ms).unwrap_or(i64::MAX);
        let (first, second) = match self.order {
            QueueOrder::Fifo => (queued.saturating_sub(session.priority.saturating_mul(self.step_ms)), queued),
            QueueOrder::Lifo => (session.priority.saturating_neg(), queued.saturating_neg()),
            QueueOrder::Drf | QueueOrder::FairShare => (0, queued),
        };
        (first, second, session.id)
    }
}
