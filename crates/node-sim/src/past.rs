//! What a node remembers of what is over.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// Ids that are remembered; an order is never so late that more have come since.
const PAST_MAX: usize = 16_384;

/// Ids of sandboxes that have ended, of runs that were started: neither begins again.
#[derive(Clone)]
pub(crate) struct Past<T> {
    ids: HashSet<T>,
    order: VecDeque<T>,
}

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new() }
    }
}

/// Whether an id was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    New,
    Again,
}

impl<T: Copy + Eq + Hash> Past<T> {
    pub fn put(&mut self, id: T) -> Put {
        if !self.ids.insert(id) {
            return Put::Again;
        }
        self.order.push_back(id);
        if self.order.len() > PAST_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        Put::New
    }

    pub fn has(&self, id: T) -> bool {
        self.ids.contains(&id)
    }
}
