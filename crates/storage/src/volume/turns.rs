//! One at a time, for each of many things.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Condvar, Mutex, PoisonError},
};

use super::lock;

#[derive(Debug)]
pub(super) struct Turns<K> {
    taken: Mutex<HashSet<K>>,
    given_back: Condvar,
}

/// Nobody else has it as long as this lives.
#[derive(Debug)]
pub(super) struct Turn<'a, K: Eq + Hash> {
    turns: &'a Turns<K>,
    of: K,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { taken: Mutex::default(), given_back: Condvar::new() }
    }
}

impl<K: Eq + Hash + Copy> Turns<K> {
    /// Waits for whoever has it. Blocking.
    pub fn take(&self, of: K) -> Turn<'_, K> {
        let mut taken = lock(&self.taken);
        while !taken.insert(of) {
            taken = self.given_back.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, of }
    }
}

impl<K: Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        lock(&self.turns.taken).remove(&self.of);
        self.turns.given_back.notify_all();
    }
}
