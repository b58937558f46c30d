//! Room on one node at one time, down to devices.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::want::{Amount, DeviceWant, WHOLE_MILLIS, Want};

/// An accelerator of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// What the vendor calls it for ever: a UUID.
    pub id: String,
    pub kind: String,
    /// Sandboxes that may use it at once; nobody gets less of it than one of so many parts. 1: it is given whole only.
    pub shares: u32,
}

impl Device {
    /// Whether so little of it is given.
    fn gives(&self, millis: u64) -> bool {
        millis >= WHOLE_MILLIS || self.shares > 1 && millis >= WHOLE_MILLIS / u64::from(self.shares)
    }
}

/// A device, or a share of one, for one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    pub device: String,
    /// 1000: all of it.
    pub millis: u64,
}

/// What is left of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    pub amount: Amount,
    /// What is left of each device, in the node's order.
    pub devices: Vec<DeviceRoom>,
}

/// What is left of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRoom {
    pub device: Arc<Device>,
    pub millis: u64,
}

impl Room {
    pub fn whole(amount: Amount, devices: &[Arc<Device>]) -> Self {
        let whole = |device: &Arc<Device>| DeviceRoom { device: Arc::clone(device), millis: WHOLE_MILLIS };
        Self { amount, devices: devices.iter().map(whole).collect() }
    }

    /// Whether it is there, once.
    pub fn has(&self, want: &Want) -> bool {
        let enough = |want: &DeviceWant| {
            let of_kind = self.devices_for(want);
            match want.millis {
                0..WHOLE_MILLIS => of_kind.into_iter().any(|left| left.millis >= want.millis),
                whole => {
                    of_kind.filter(|left| left.millis == WHOLE_MILLIS).count() as u64 >= whole.div_ceil(WHOLE_MILLIS)
                }
            }
        };
        self.amount.holds(&want.amount) && want.devices.iter().all(enough)
    }

    /// Takes what is wanted and says which devices it got; what does not fit changes nothing.
    pub fn take(&mut self, want: &Want) -> Option<Vec<Grant>> {
        if !self.amount.holds(&want.amount) {
            return None;
        }
        let mut grants = Vec::new();
        for device in &want.devices {
            grants.extend(self.grants(device)?);
        }
        self.hold(&want.amount, &grants);
        Some(grants)
    }

    /// Leaves nothing of what is wanted and not there in full.
    pub(crate) fn take_what_there_is(&mut self, want: &Want) {
        self.amount = self.amount.minus(&want.amount);
        for left in &mut self.devices {
            if want.devices.iter().any(|want| want.kind == left.device.kind) {
                left.millis = 0;
            }
        }
    }

    /// Takes what somebody holds.
    pub(crate) fn hold(&mut self, amount: &Amount, grants: &[Grant]) {
        self.amount = self.amount.minus(amount);
        for grant in grants {
            if let Some(left) = self.devices.iter_mut().find(|left| left.device.id == grant.device) {
                left.millis = left.millis.saturating_sub(grant.millis);
            }
        }
    }

    /// Whole devices: the first free ones. A share: of the device with the least left that has enough, so that whole ones stay whole.
    fn grants(&self, want: &DeviceWant) -> Option<Vec<Grant>> {
        let of_kind = self.devices_for(want);
        let grant = |left: &DeviceRoom, millis| Grant { device: left.device.id.clone(), millis };
        if want.millis < WHOLE_MILLIS {
            let fits = of_kind.filter(|left| left.millis >= want.millis);
            return fits.min_by_key(|left| left.millis).map(|left| vec![grant(left, want.millis)]);
        }
        let count = usize::try_from(want.millis.div_ceil(WHOLE_MILLIS)).ok()?;
        let free = of_kind.filter(|left| left.millis == WHOLE_MILLIS);
        let grants: Vec<_> = free.take(count).map(|left| grant(left, WHOLE_MILLIS)).collect();
        (grants.len() == count).then_some(grants)
    }

    /// The most that it could be given now: of one device where it wants a share, whole ones else.
    pub(crate) fn most_of(&self, want: &DeviceWant) -> u64 {
        let left = self.devices_for(want).map(|left| left.millis);
        match want.millis {
            0..WHOLE_MILLIS => left.max().unwrap_or(0),
            _ => left.filter(|millis| *millis == WHOLE_MILLIS).sum(),
        }
    }

    /// Devices that could ever be given for it.
    fn devices_for<'a>(&'a self, want: &'a DeviceWant) -> impl Iterator<Item = &'a DeviceRoom> {
        self.devices.iter().filter(|left| left.device.kind == want.kind && left.device.gives(want.millis))
    }

    /// What there is at both times.
    pub(crate) fn least(mut self, other: &Self) -> Self {
        self.amount = self.amount.least(&other.amount);
        for (mine, theirs) in self.devices.iter_mut().zip(&other.devices) {
            mine.millis = mine.millis.min(theirs.millis);
        }
        self
    }

    /// How often the same want fits, at most `most` times.
    pub(crate) fn times(mut self, want: &Want, most: u32) -> u32 {
        (0..most).take_while(|_| self.take(want).is_some()).count() as u32
    }
}
