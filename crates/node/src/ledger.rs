//! Names and id ranges of slots: who has which, so that no two have the same, and what has none is nobody's.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    sync::{
        Mutex, MutexGuard, PoisonError,
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
    /// Of everything that is there, is being made or is on its way out.
    known: Mutex<BTreeSet<OsString>>,
    named: AtomicU64,
    epoch: u64,
    rootless: bool,
}

impl Ledger {
    pub fn new(rootless: bool) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            taken: Mutex::default(),
            known: Mutex::default(),
            named: AtomicU64::new(0),
            epoch: since.as_millis() as u64,
            rootless,
        }
    }

    /// A name no other slot of this instance has or had.
    pub fn name(&self) -> String {
        let name = format!("{:x}-{:x}", self.epoch, self.named.fetch_add(1, Ordering::Relaxed));
        self.enlist(name.as_ref());
        name
    }

    /// Something that was there before us, or that nobody of us made. False if it is known already.
    pub fn enlist(&self, name: &OsStr) -> bool {
        self.known().insert(name.to_owned())
    }

    /// Whether anything of this name is ours.
    pub fn knows(&self, name: &OsStr) -> bool {
        self.known().contains(name)
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<OsString>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Nothing is left of it.
    pub fn free(&self, name: &OsStr, uid_base: Option<u32>) {
        self.known().remove(name);
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
        ledger.free("".as_ref(), some);
        assert_eq!(ledger.take(), Ok(some));
    }

    #[test]
    fn a_name_is_known_from_before_it_is_made_until_nothing_is_left() {
        let ledger = Ledger::new(false);
        let name = ledger.name();
        assert!(ledger.knows(name.as_ref()) && !ledger.enlist(name.as_ref()) && !ledger.knows("other".as_ref()));
        ledger.free(name.as_ref(), None);
        assert!(!ledger.knows(name.as_ref()));
    }
}
