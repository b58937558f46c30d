//! Addresses: what is never the internet, and the four addresses of each sandbox.

use std::net::Ipv4Addr;

use madang_model::network::Ipv4Range;

use crate::link::Mac;

const fn range(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Range {
    Ipv4Range::new(Ipv4Addr::new(a, b, c, d), bits)
}

/// Where no sandbox gets unless an administrator lists it: the registry of special addresses of IPv4 (RFC 6890 and those after it),
/// and the metadata service of a cloud that has it elsewhere.
pub const BLOCKED: [Ipv4Range; 16] = [
    range(0, 0, 0, 0, 8),
    range(10, 0, 0, 0, 8),
    range(100, 64, 0, 0, 10),
    range(127, 0, 0, 0, 8),
    range(168, 63, 129, 16, 32),
    range(169, 254, 0, 0, 16),
    range(172, 16, 0, 0, 12),
    range(192, 0, 0, 0, 24),
    range(192, 0, 2, 0, 24),
    range(192, 88, 99, 0, 24),
    range(192, 168, 0, 0, 16),
    range(198, 18, 0, 0, 15),
    range(198, 51, 100, 0, 24),
    range(203, 0, 113, 0, 24),
    range(224, 0, 0, 0, 4),
    range(240, 0, 0, 0, 4),
];

/// Ranges in order, none touching another: first and last address of each.
pub fn merged(ranges: &[Ipv4Range]) -> Vec<(u32, u32)> {
    let mut all: Vec<_> = ranges.iter().map(|range| (range.first().to_bits(), range.last().to_bits())).collect();
    all.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Which addresses may be reached at all.
#[derive(Debug, Clone)]
pub struct Reach {
    closed: Vec<(u32, u32)>,
    opened: Vec<(u32, u32)>,
}

impl Reach {
    /// `closed` besides [`BLOCKED`]; `opened` whatever is closed.
    pub fn new(closed: &[Ipv4Range], opened: &[Ipv4Range]) -> Self {
        let closed: Vec<_> = BLOCKED.iter().chain(closed).copied().collect();
        Self { closed: merged(&closed), opened: merged(opened) }
    }

    pub fn allows(&self, address: Ipv4Addr) -> bool {
        let within =
            |ranges: &[(u32, u32)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&address.to_bits()));
        !within(&self.closed) || within(&self.opened)
    }
}

/// The place of one sandbox in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plot {
    pub index: u32,
    /// Ours, at our end of its link.
    pub gateway: Ipv4Addr,
    /// The sandbox's.
    pub address: Ipv4Addr,
}

/// Addresses that a sandbox takes of the pool.
const BITS: u8 = 30;

impl Plot {
    /// How many there are in `pool`.
    pub fn count(pool: Ipv4Range) -> u32 {
        1u32.checked_shl(u32::from(BITS.saturating_sub(pool.bits()))).unwrap_or(u32::MAX)
    }

    pub fn of(pool: Ipv4Range, index: u32) -> Self {
        let first = pool.first().to_bits() + index * 4;
        Self { index, gateway: (first + 1).into(), address: (first + 2).into() }
    }

    /// Hardware addresses of both ends, ours first: locally administered.
    pub fn macs(&self) -> (Mac, Mac) {
        let [_, a, b, c] = self.index.to_be_bytes();
        ([0x02, 0x6d, 0x64, a, b, c], [0x06, 0x6d, 0x64, a, b, c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges =
            ["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16", "240.0.0.0/4", "1.1.1.1"].map(|text| text.parse().unwrap());
        let text: Vec<_> =
            merged(&ranges).iter().map(|&(first, last)| (Ipv4Addr::from(first), Ipv4Addr::from(last))).collect();
        let pair = |first: &str, last: &str| (first.parse().unwrap(), last.parse().unwrap());
        let wanted =
            [pair("1.1.1.1", "1.1.1.1"), pair("10.0.0.0", "10.255.255.255"), pair("240.0.0.0", "255.255.255.255")];
        assert_eq!(text, wanted);
    }

    #[test]
    fn plots_do_not_overlap() {
        let pool: Ipv4Range = "198.18.0.0/15".parse().unwrap();
        assert_eq!(Plot::count(pool), 32_768);
        let last = Plot::of(pool, 32_767);
        assert_eq!((last.gateway, last.address), (Ipv4Addr::new(198, 19, 255, 253), Ipv4Addr::new(198, 19, 255, 254)));
        assert_eq!(Plot::of(pool, 1).gateway, Ipv4Addr::new(198, 18, 0, 5));
    }
}
