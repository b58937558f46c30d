//! What a node gives of its devices: never more than there is, whatever it is told.

use std::collections::{BTreeMap, BTreeSet};

use madang_model::{DeviceGrant, accelerator::WHOLE_MILLIS};

use crate::{DeviceSeen, NodeError};

/// Whether these devices can be given, while others hold those. What is held by others is a [`NodeError::Capacity`].
pub fn devices_check<'a>(
    devices: &[DeviceSeen],
    held: impl IntoIterator<Item = &'a DeviceGrant>,
    wanted: &[DeviceGrant],
) -> Result<(), NodeError> {
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    for grant in held {
        let sum = used.entry(&grant.device).or_default();
        *sum = sum.saturating_add(grant.millis);
    }
    let mut seen = BTreeSet::new();
    for grant in wanted {
        let device = devices.iter().find(|device| device.id == grant.device);
        let device = device.ok_or_else(|| NodeError::NotFound(format!("device {}", grant.device)))?;
        let least = if device.shares > 1 { WHOLE_MILLIS / u64::from(device.shares) } else { WHOLE_MILLIS };
        if !(least..=WHOLE_MILLIS).contains(&grant.millis) || !seen.insert(&device.id) {
            let detail = format!("device {} is not given as {} thousandths", device.id, grant.millis);
            return Err(NodeError::Invalid(detail));
        }
        let used = used.get(device.id.as_str()).copied().unwrap_or(0);
        if used.saturating_add(grant.millis) > WHOLE_MILLIS {
            let detail = format!("{used} thousandths of device {} are held, {} wanted", device.id, grant.millis);
            return Err(NodeError::Capacity(detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shares: u32, held: &[u64], wanted: &[u64]) -> Result<(), NodeError> {
        let device = DeviceSeen { id: "a".into(), kind: "fake".into(), shares, ..DeviceSeen::default() };
        let grants = |all: &[u64]| -> Vec<_> {
            all.iter().map(|millis| DeviceGrant { device: "a".into(), millis: *millis }).collect()
        };
        devices_check(&[device], &grants(held), &grants(wanted))
    }

    #[test]
    fn no_more_is_given_than_there_is() {
        assert_eq!(check(2, &[500], &[500]), Ok(()));
        assert_eq!(check(1, &[], &[1_000]), Ok(()));
        assert!(matches!(check(2, &[500], &[501]), Err(NodeError::Capacity(_))));
        assert!(matches!(check(2, &[500, 500], &[500]), Err(NodeError::Capacity(_))));
        assert!(matches!(check(2, &[u64::MAX], &[500]), Err(NodeError::Capacity(_))));
    }

    #[test]
    fn odd_orders_are_refused() {
        for (shares, wanted) in [(1, 500), (2, 499), (2, 0), (2, 1_001)] {
            assert!(matches!(check(shares, &[], &[wanted]), Err(NodeError::Invalid(_))), "{shares} {wanted}");
        }
        assert!(matches!(check(4, &[], &[250, 250]), Err(NodeError::Invalid(_))), "one device twice");
        let other = DeviceGrant { device: "b".into(), millis: 1_000 };
        assert!(matches!(devices_check(&[], &[], &[other]), Err(NodeError::NotFound(_))));
    }
}
