//! What use costs: a price for a unit from a moment on, and the sum of money that a use comes to. Pure.
//!
//! Money is whole numbers. People set and read millionths of a currency (`micro`); sums are kept in thousandths of those (`nano`), so that
//! many small runs do not all round to nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Usage;

/// Thousandths of a millionth.
pub const NANO_PER_MICRO: u64 = 1_000;
const HOUR_US: u128 = 3_600_000_000;
const HOUR_MS: u128 = 3_600_000;
const GIB: u128 = 1 << 30;
const KIB_PER_GIB: u128 = 1 << 20;

/// What can have a price.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PricedUnit {
    /// One processor busy for an hour.
    CpuHour,
    /// One GiB of memory held for an hour.
    MemoryGibHour,
    /// One accelerator held for an hour.
    AcceleratorHour,
    /// One sandbox for an hour, whatever it does.
    SandboxHour,
    /// One GiB that programs read.
    ReadGib,
    /// One GiB that programs wrote.
    WrittenGib,
    /// One GiB that came in over the network.
    ReceivedGib,
    /// One GiB that went out over the network.
    SentGib,
}

impl PricedUnit {
    pub const ALL: [Self; 8] = [
        Self::CpuHour,
        Self::MemoryGibHour,
        Self::AcceleratorHour,
        Self::SandboxHour,
        Self::ReadGib,
        Self::WrittenGib,
        Self::ReceivedGib,
        Self::SentGib,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::CpuHour => "cpu-hour",
            Self::MemoryGibHour => "memory-gib-hour",
            Self::AcceleratorHour => "accelerator-hour",
            Self::SandboxHour => "sandbox-hour",
            Self::ReadGib => "read-gib",
            Self::WrittenGib => "written-gib",
            Self::ReceivedGib => "received-gib",
            Self::SentGib => "sent-gib",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// How much of it a use is, and how much of that makes one unit.
    fn share(self, usage: &Usage) -> (u64, u128) {
        match self {
            Self::CpuHour => (usage.cpu_us(), HOUR_US),
            Self::MemoryGibHour => (usage.memory_kib_ms, KIB_PER_GIB * HOUR_MS),
            Self::AcceleratorHour => (usage.accelerator_us, HOUR_US),
            Self::SandboxHour => (usage.wall_us, HOUR_US),
            Self::ReadGib => (usage.read_bytes, GIB),
            Self::WrittenGib => (usage.written_bytes, GIB),
            Self::ReceivedGib => (usage.received_bytes, GIB),
            Self::SentGib => (usage.sent_bytes, GIB),
        }
    }
}

/// What a unit costs from a moment on, until another price of the same unit begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub unit: PricedUnit,
    /// Millionths of the currency for one unit.
    pub micro: u64,
    /// Unix time, milliseconds.
    pub from_ms: u64,
}

/// Every price there has been and will be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariff {
    /// By unit, then by when it begins.
    prices: BTreeMap<PricedUnit, BTreeMap<u64, u64>>,
}

impl Tariff {
    /// Of several prices of one unit from the same moment the last one stands.
    pub fn new(prices: impl IntoIterator<Item = Price>) -> Self {
        let mut tariff = Self::default();
        for price in prices {
            tariff.prices.entry(price.unit).or_default().insert(price.from_ms, price.micro);
        }
        tariff
    }

    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }

    /// What one unit costs at a time, in millionths; none where it has no price yet.
    pub fn micro(&self, unit: PricedUnit, at_ms: u64) -> Option<u64> {
        let (_, micro) = self.prices.get(&unit)?.range(..=at_ms).next_back()?;
        Some(*micro)
    }

    /// What this use costs by the prices of a time. Each unit is rounded down.
    pub fn cost_nano(&self, usage: &Usage, at_ms: u64) -> u64 {
        let cost = |unit: &PricedUnit| {
            let micro = self.micro(*unit, at_ms)?;
            let (amount, one) = unit.share(usage);
            // Whole units apart from the rest, so that the thousand fits into what is left of 128 bits.
            let product = u128::from(amount) * u128::from(micro);
            let thousand = u128::from(NANO_PER_MICRO);
            let nano = (product / one).saturating_mul(thousand).saturating_add(product % one * thousand / one);
            Some(u64::try_from(nano).unwrap_or(u64::MAX))
        };
        self.prices.keys().filter_map(cost).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(unit: PricedUnit, micro: u64, from_ms: u64) -> Price {
        Price { unit, micro, from_ms }
    }

    #[test]
    fn a_use_costs_what_was_the_price_at_its_time() {
        let unit = PricedUnit::CpuHour;
        let tariff = Tariff::new([price(unit, 3_600_000, 100), price(unit, 7_200_000, 200)]);
        let second = Usage { cpu_user_us: 600_000, cpu_system_us: 400_000, ..Usage::default() };
        let micro = |at_ms| tariff.cost_nano(&second, at_ms) / NANO_PER_MICRO;
        assert_eq!([micro(99), micro(100), micro(199), micro(200)], [0, 1_000, 1_000, 2_000]);
        assert_eq!(tariff.micro(unit, 99), None);
    }

    #[test]
    fn one_of_each_unit_costs_its_price() {
        let one = Usage {
            wall_us: 3_600_000_000,
            cpu_user_us: 3_600_000_000,
            cpu_system_us: 0,
            memory_peak_bytes: 0,
            memory_kib_ms: (1 << 20) * 3_600_000,
            read_bytes: 1 << 30,
            written_bytes: 1 << 30,
            received_bytes: 1 << 30,
            sent_bytes: 1 << 30,
            accelerator_us: 3_600_000_000,
        };
        for unit in PricedUnit::ALL {
            let cost = Tariff::new([price(unit, 5, 0)]).cost_nano(&one, 0);
            assert_eq!(cost, 5 * NANO_PER_MICRO, "{}", unit.name());
        }
    }

    #[test]
    fn nothing_overflows() {
        let most = Usage { cpu_user_us: u64::MAX, cpu_system_us: u64::MAX, wall_us: u64::MAX, ..Usage::default() };
        let tariff =
            Tariff::new([price(PricedUnit::CpuHour, u64::MAX, 0), price(PricedUnit::SandboxHour, u64::MAX, 0)]);
        assert_eq!(tariff.cost_nano(&most, 1), u64::MAX);
    }
}
