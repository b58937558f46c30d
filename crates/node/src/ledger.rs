//! Names and id ranges of slots: who has which, so that no two have the same.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// Host ids of slots start here, far from those of people and services.
const UID_FIRST: u32 = 0x2000_0000;
const UIDS_A_SLOT: u32 = 65_536;
/// Slots that can exist at once.
pub const SLOTS_MAX: u32 = 16_384;

/// Hands out names and ranges.
#[derive(Debug)]
pub struct Ledger {
    taken: Mutex<BTreeSet<u32>>,
    named: AtomicU64,
    epoch: u64,
    rootless: bool,
}

impl Ledger {
    pub fn new(rootless: bool) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { taken: Mutex::default(), named: AtomicU64::new(0), epoch: since.as_millis() as u64, rootless }
    }

    /// A name no other slot of this instance has or had.
    pub fn name(&self) -> String {
        format!("{:x}-{:x}", self.epoch, self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// A free range; `Err` when all are taken. `Ok(None)` where there are no ranges.
    pub fn take(&self) -> Result<Option<u32>, ()> {
        if self.rootless {
            return Ok(None);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // The lowest free one after the highest taken, to reuse as late as is cheap.
        let next = taken.last().map_or(0, |last| last + 1);
        let index =
            if next < SLOTS_MAX { next } else { (0..SLOTS_MAX).find(|index| !taken.contains(index)).ok_or(())? };
        taken.insert(index);
        Ok(Some(UID_FIRST + index * UIDS_A_SLOT))
    }

    /// A range that a slot found at start already has.
    pub fn claim(&self, uid_base: Option<u32>) {
        if let Some(index) = index(uid_base) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
    }

    pub fn free(&self, uid_base: Option<u32>) {
        if let Some(index) = index(uid_base) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&index);
        }
    }
}

fn index(uid_base: Option<u32>) -> Option<u32> {
    Some(uid_base?.checked_sub(UID_FIRST)? / UIDS_A_SLOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_slots_share_a_range_and_freed_ones_come_back() {
        let ledger = Ledger::new(false);
        let all: BTreeSet<_> = (0..SLOTS_MAX).map(|_| ledger.take().unwrap()).collect();
        assert_eq!(all.len(), SLOTS_MAX as usize);
        assert_eq!(ledger.take(), Err(()));
        let some = *all.iter().nth(7).unwrap();
        ledger.free(some);
        assert_eq!(ledger.take(), Ok(some));
    }
}
