//! Accelerators: how many of which kind somebody wants, and which devices they were given.
//!
//! Amounts are thousandths of a device. Less than a whole one is a share of one device, which others use too.

use madang_ids::NodeId;
use serde::{Deserialize, Serialize};

/// A whole device.
pub const WHOLE_MILLIS: u64 = 1_000;
/// The smallest share that anybody may ask for.
pub const SHARE_MILLIS_MIN: u64 = 10;
/// Whole devices of one kind in one sandbox.
pub const DEVICES_MAX: u64 = 64;

/// A device, or a share of one, that a sandbox has been given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceGrant {
    /// The id by which its node tells it from all others.
    pub device: String,
    /// 1000: all of it.
    pub millis: u64,
}

/// What a sandbox holds of the devices of a node, from the decision to give them until nothing of it is left there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesHeld {
    /// Whose devices they are.
    pub node: NodeId,
    /// Each device once.
    pub grants: Vec<DeviceGrant>,
}

/// Why an amount cannot be had from any machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Neither a share nor whole devices.
    #[error("an amount is a share between 0.01 and 1 of one device, or a whole number of devices")]
    Odd,
    /// More than any machine has.
    #[error("one sandbox has at most {DEVICES_MAX} devices of a kind (DEVICES_MAX)")]
    TooMany,
}

/// Thousandths of a device from the number that people write: 0.5, 1, 4.
pub fn millis(amount: f64) -> Result<u64, AmountError> {
    if !amount.is_finite() || amount <= 0.0 {
        return Err(AmountError::Odd);
    }
    if amount > DEVICES_MAX as f64 {
        return Err(AmountError::TooMany);
    }
    // Far below what a float counts exactly.
    let millis = (amount * WHOLE_MILLIS as f64).round() as u64;
    let share = (SHARE_MILLIS_MIN..WHOLE_MILLIS).contains(&millis);
    let whole = millis > 0 && millis.is_multiple_of(WHOLE_MILLIS);
    if share || whole { Ok(millis) } else { Err(AmountError::Odd) }
}

/// The same as people write it.
#[must_use]
pub fn amount(millis: u64) -> f64 {
    millis as f64 / WHOLE_MILLIS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shares_or_whole_devices() {
        let good = [(0.5, 500), (0.01, 10), (0.333, 333), (1.0, 1_000), (4.0, 4_000), (64.0, 64_000)];
        for (asked, expected) in good {
            assert_eq!(millis(asked), Ok(expected), "{asked}");
            assert_eq!(amount(expected), asked);
        }
        for odd in [0.0, -1.0, 0.001, 1.5, 2.001, f64::NAN, f64::INFINITY] {
            assert_eq!(millis(odd), Err(AmountError::Odd), "{odd}");
        }
        assert_eq!(millis(65.0), Err(AmountError::TooMany));
    }
}
