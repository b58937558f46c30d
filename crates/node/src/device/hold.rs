//! Who holds how much of which device, from before a sandbox is made until its processes are gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use madang_model::DeviceGrant;
use madang_node_api::{DeviceSeen, NodeError, devices_check};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Holds {
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    by: BTreeMap<u64, Vec<DeviceGrant>>,
}

/// Somebody holds devices as long as this is there.
#[derive(Debug)]
pub struct Hold {
    number: u64,
    holds: Arc<Holds>,
    millis: u64,
}

impl Hold {
    /// All of it together, thousandths of a device.
    pub fn millis(&self) -> u64 {
        self.millis
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.held().by.remove(&self.number);
        self.holds.freed.notify_waiters();
    }
}

impl Holds {
    /// Waits for what others hold, but not for what can never be had.
    pub(super) async fn take_within(
        self: &Arc<Self>,
        devices: &[DeviceSeen],
        grants: &[DeviceGrant],
        wait: Duration,
    ) -> Result<Hold, NodeError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // What is freed from here on is heard of.
            freed.as_mut().enable();
            match self.take(devices, grants) {
                Err(NodeError::Capacity(why)) => {
                    if tokio::time::timeout_at(until, freed).await.is_err() {
                        return Err(NodeError::Capacity(why));
                    }
                }
                other => return other,
            }
        }
    }

    fn take(self: &Arc<Self>, devices: &[DeviceSeen], grants: &[DeviceGrant]) -> Result<Hold, NodeError> {
        let mut held = self.held();
        devices_check(devices, held.by.values().flatten(), grants)?;
        Ok(self.write_down(&mut held, grants))
    }

    /// Holds it whatever others hold.
    pub(super) fn keep(self: &Arc<Self>, grants: &[DeviceGrant]) -> Hold {
        self.write_down(&mut self.held(), grants)
    }

    fn write_down(self: &Arc<Self>, held: &mut Held, grants: &[DeviceGrant]) -> Hold {
        held.next += 1;
        held.by.insert(held.next, grants.to_vec());
        let millis = grants.iter().fold(0_u64, |sum, grant| sum.saturating_add(grant.millis));
        Hold { number: held.next, holds: Arc::clone(self), millis }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn devices() -> Vec<DeviceSeen> {
        vec![DeviceSeen { id: "a".into(), kind: "fake".into(), shares: 2, ..DeviceSeen::default() }]
    }

    fn grant(millis: u64) -> Vec<DeviceGrant> {
        vec![DeviceGrant { device: "a".into(), millis }]
    }

    #[tokio::test]
    async fn what_is_held_is_waited_for_and_what_can_never_be_had_is_not() {
        let (holds, devices) = (Arc::new(Holds::default()), devices());
        let before = holds.keep(&grant(1_000));
        let refused = holds.take_within(&devices, &grant(500), NO_WAIT).await;
        assert!(matches!(refused, Err(NodeError::Capacity(_))), "{refused:?}");
        let never = holds.take_within(&devices, &grant(1_001), LONG).await;
        assert!(matches!(never, Err(NodeError::Invalid(_))), "{never:?}");
        let waiting = {
            let (holds, devices) = (Arc::clone(&holds), devices.clone());
            tokio::spawn(async move { holds.take_within(&devices, &grant(500), LONG).await })
        };
        tokio::task::yield_now().await;
        drop(before);
        let first = waiting.await.unwrap().unwrap();
        let second = holds.take_within(&devices, &grant(500), NO_WAIT).await.unwrap();
        assert_eq!((first.millis(), second.millis()), (500, 500));
        assert!(holds.take_within(&devices, &grant(500), NO_WAIT).await.is_err());
    }
}
