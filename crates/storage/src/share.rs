//! Of what there is only so much of, nobody takes all.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

/// As many turns for each.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    each: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Shares<K> {
    pub fn new(each: usize) -> Self {
        Self { each, taken: Mutex::default() }
    }

    pub fn of(&self, key: K) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has a turn, or may take one, holds the semaphore: one that nobody holds is as a new one.
        taken.retain(|_, turns| Arc::strong_count(turns) > 1);
        Arc::clone(taken.entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}
