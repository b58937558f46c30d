//! Slots that wait: made off the hot path, one queue an image and language, refilled where misses hurt.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use madang_sandbox::{CgroupLimits, Slot};
use tokio::sync::Notify;

use crate::{app::Label, link::Link};

/// What slots of a pool have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolKey {
    pub image: String,
    /// Whose interpreter waits in it; none for one that runs any command.
    pub language: Option<String>,
    /// The app that was started in it, if one was.
    pub app: Option<String>,
}

impl std::fmt::Display for PoolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.image, self.language.as_deref().unwrap_or("plain"))?;
        self.app.iter().try_for_each(|app| write!(f, "+{app}"))
    }
}

/// The limits a slot was made with; only what differs is written at the claim.
#[derive(Debug, Clone, Copy)]
pub struct MadeWith {
    pub cgroup: CgroupLimits,
    pub disk_bytes: u64,
}

/// A slot that waits, its walls up and its interpreter, if any, ready.
#[derive(Debug)]
pub struct Ready {
    pub slot: Arc<Slot>,
    pub link: Link,
    pub made_with: MadeWith,
    pub app: Option<Label>,
}

/// How many slots a pool keeps.
#[derive(Debug, Clone, Copy)]
pub struct Watermarks {
    /// Kept even if nobody asks.
    pub low: usize,
    /// Kept after misses, at most.
    pub high: usize,
}

/// A pool grown by misses shrinks by one after so long without.
const SHRINK_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Pool<R> {
    ready: VecDeque<R>,
    marks: Watermarks,
    target: usize,
    /// What control wants waiting, over the marks.
    wanted: usize,
    making: usize,
    calm_since: Instant,
    /// Making failed: not tried again before.
    rest_until: Option<Instant>,
}

/// One with an app costs as much as many without: it shrinks only when nobody has asked for one for so long, and then goes.
const SHRINK_AFTER_WITH_APP: Duration = Duration::from_secs(15 * 60);

impl PoolKey {
    /// What a pool that nobody opened is kept at after its first miss.
    fn unforeseen(&self) -> Watermarks {
        Watermarks { low: 0, high: if self.app.is_some() { 1 } else { 4 } }
    }

    fn shrink_after(&self) -> Duration {
        if self.app.is_some() { SHRINK_AFTER_WITH_APP } else { SHRINK_AFTER }
    }
}

/// Which slots may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Any.
    All,
    /// None with an app: as many as may are being made.
    WithoutApps,
}

impl<R> Pool<R> {
    fn new(marks: Watermarks) -> Self {
        Self {
            ready: VecDeque::new(),
            marks,
            target: marks.low,
            wanted: 0,
            making: 0,
            calm_since: Instant::now(),
            rest_until: None,
        }
    }
}

impl<R> Pool<R> {
    fn floor(&self) -> usize {
        self.marks.low.max(self.wanted)
    }
}

/// Every pool of a node. What waits in them is a [`Ready`] slot everywhere but in tests.
#[derive(Debug)]
pub struct Pools<R = Ready> {
    pools: Mutex<BTreeMap<PoolKey, Pool<R>>>,
    /// Rung when a slot was taken.
    pub wanted: Notify,
    counts: Mutex<Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub hits: u64,
    pub misses: u64,
}

impl<R> Default for Pools<R> {
    fn default() -> Self {
        Self { pools: Mutex::default(), wanted: Notify::new(), counts: Mutex::default() }
    }
}

impl<R> Pools<R> {
    /// A pool that keeps itself between `marks`.
    pub fn open(&self, key: PoolKey, marks: Watermarks) {
        let pool = Pool::new(marks);
        self.lock().insert(key, pool);
        self.wanted.notify_one();
    }

    /// Keeps so many slots in the pool whatever its marks say; 0 leaves it to them.
    pub fn want(&self, key: PoolKey, slots: usize) {
        let mut pools = self.lock();
        let pool = pools.entry(key.clone()).or_insert_with(|| Pool::new(key.unforeseen()));
        pool.wanted = slots;
        pool.target = pool.target.min(pool.marks.high).max(pool.floor());
        pool.rest_until = None;
        drop(pools);
        self.wanted.notify_one();
    }

    /// A waiting slot, if there is one. A miss raises what the pool keeps, or opens one.
    pub fn take(&self, key: &PoolKey) -> Option<R> {
        let mut pools = self.lock();
        let pool = pools.entry(key.clone()).or_insert_with(|| Pool::new(key.unforeseen()));
        let ready = pool.ready.pop_front();
        if ready.is_none() {
            pool.target = (pool.target + 1).min(pool.marks.high.max(pool.floor()));
        }
        if ready.is_none() || key.app.is_some() {
            pool.calm_since = Instant::now();
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match ready {
            Some(_) => counts.hits += 1,
            None => counts.misses += 1,
        }
        drop(pools);
        self.wanted.notify_one();
        ready
    }

    /// The pool that lacks most, relative to what it keeps; one more is then being made for it.
    pub fn next_to_make(&self, room: Room) -> Option<PoolKey> {
        let now = Instant::now();
        let mut pools = self.lock();
        for (key, pool) in &mut *pools {
            if pool.target > pool.floor() && now.duration_since(pool.calm_since) > key.shrink_after() {
                pool.target -= 1;
                pool.calm_since = now;
            }
        }
        let fill = |pool: &Pool<R>| (pool.ready.len() + pool.making) as f64 / pool.target.max(1) as f64;
        let lacking = |pool: &Pool<R>| {
            pool.ready.len() + pool.making < pool.target && pool.rest_until.is_none_or(|until| until <= now)
        };
        let may = |key: &PoolKey| room == Room::All || key.app.is_none();
        let (key, pool) = pools
            .iter_mut()
            .filter(|(key, pool)| may(key) && lacking(pool))
            .min_by(|a, b| fill(a.1).total_cmp(&fill(b.1)))?;
        pool.making += 1;
        Some(key.clone())
    }

    /// The slot announced by [`Pools::next_to_make`], or that it failed.
    pub fn made(&self, key: &PoolKey, ready: Option<R>) {
        const REST: Duration = Duration::from_secs(2);
        if let Some(pool) = self.lock().get_mut(key) {
            pool.making = pool.making.saturating_sub(1);
            match ready {
                Some(ready) => pool.ready.push_back(ready),
                None => pool.rest_until = Some(Instant::now() + REST),
            }
        }
        self.wanted.notify_one();
    }

    /// What waits above what its pool keeps now.
    pub fn surplus(&self) -> Vec<R> {
        let cut = |pool: &mut Pool<R>| pool.ready.split_off(pool.target.min(pool.ready.len()));
        self.lock().values_mut().flat_map(cut).collect()
    }

    /// Nothing is kept for this image any more; what waits is to be retired, and so is what is still being made, as surplus.
    pub fn forget(&self, image: &str) -> Vec<R> {
        let mut waiting = Vec::new();
        for (_, pool) in self.lock().iter_mut().filter(|(key, _)| key.image == image) {
            pool.marks = Watermarks { low: 0, high: 0 };
            (pool.target, pool.wanted) = (0, 0);
            waiting.extend(pool.ready.drain(..));
        }
        waiting
    }

    /// Of what waits.
    pub fn images(&self) -> Vec<String> {
        let pools = self.lock();
        pools.iter().filter(|(_, pool)| !pool.ready.is_empty()).map(|(key, _)| key.image.clone()).collect()
    }

    /// Takes those out for which `is_dead`.
    pub fn take_if(&self, is_dead: impl Fn(&R) -> bool) -> Vec<R> {
        let mut dead = Vec::new();
        for pool in self.lock().values_mut() {
            let (gone, alive): (VecDeque<R>, VecDeque<R>) = pool.ready.drain(..).partition(&is_dead);
            pool.ready = alive;
            dead.extend(gone);
        }
        dead
    }

    /// Something of each that waits.
    pub fn of_all<T>(&self, of: impl Fn(&R) -> T) -> Vec<T> {
        self.lock().values().flat_map(|pool| pool.ready.iter().map(&of).collect::<Vec<_>>()).collect()
    }

    /// Takes everything that waits, so that it can be retired.
    pub fn drain(&self) -> Vec<R> {
        self.lock().values_mut().flat_map(|pool| pool.ready.drain(..).collect::<Vec<_>>()).collect()
    }

    pub fn ready(&self) -> BTreeMap<String, u64> {
        self.lock().iter().map(|(key, pool)| (key.to_string(), pool.ready.len() as u64)).collect()
    }

    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PoolKey, Pool<R>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key(number: usize) -> PoolKey {
        PoolKey { image: "host".to_owned(), language: Some(format!("language{number}")), app: None }
    }

    #[derive(Debug, Clone)]
    enum Event {
        Take(usize),
        Make,
        Made,
        Failed,
        Want(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0usize..3).prop_map(Event::Take),
            (0usize..8).prop_map(Event::Want),
            Just(Event::Make),
            Just(Event::Made),
            Just(Event::Failed)
        ]
    }

    proptest! {
        #[test]
        fn never_more_than_wanted_and_nothing_twice(events in proptest::collection::vec(event(), 0..200)) {
            let pools: Pools<u32> = Pools::default();
            pools.open(key(0), Watermarks { low: 2, high: 5 });
            let (mut making, mut next, mut taken) = (VecDeque::new(), 0, BTreeSet::new());
            for event in events {
                match event {
                    Event::Take(number) => {
                        if let Some(slot) = pools.take(&key(number)) {
                            prop_assert!(taken.insert(slot), "{slot} was given twice");
                        }
                    }
                    Event::Want(slots) => pools.want(key(0), slots),
                    Event::Make => making.extend(pools.next_to_make(Room::All)),
                    Event::Made => {
                        if let Some(key) = making.pop_front() {
                            next += 1;
                            pools.made(&key, Some(next));
                        }
                    }
                    Event::Failed => {
                        if let Some(key) = making.pop_front() {
                            pools.made(&key, None);
                        }
                    }
                }
                for pool in pools.lock().values() {
                    prop_assert!(pool.target >= pool.floor() && pool.target <= pool.marks.high.max(pool.floor()));
                }
            }
        }
    }

    #[test]
    fn what_is_wanted_is_made_and_given_up_again() {
        let pools: Pools<u32> = Pools::default();
        pools.open(key(0), Watermarks { low: 1, high: 3 });
        pools.want(key(0), 9);
        let wanted = std::iter::from_fn(|| pools.next_to_make(Room::All)).count();
        assert_eq!(wanted, 9);
        (0..9).for_each(|slot| pools.made(&key(0), Some(slot)));
        assert!(pools.surplus().is_empty());
        pools.want(key(0), 0);
        assert_eq!(pools.surplus().len(), 6);
    }

    #[test]
    fn a_miss_is_remembered_and_the_emptiest_is_filled_first() {
        let pools: Pools<u32> = Pools::default();
        pools.open(key(0), Watermarks { low: 1, high: 3 });
        assert_eq!(pools.take(&key(1)), None);
        let first = pools.next_to_make(Room::All).unwrap();
        pools.made(&first, Some(1));
        let second = pools.next_to_make(Room::All).unwrap();
        assert_eq!(BTreeSet::from([first, second.clone()]), BTreeSet::from([key(0), key(1)]));
        pools.made(&second, Some(2));
        assert_eq!(pools.next_to_make(Room::All), None);
    }
}
