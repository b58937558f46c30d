//! The section `[network]`: what this machine's sandboxes may reach at most, and how.

use std::net::{IpAddr, SocketAddr};

use madang_node::NetworkConfig;

use super::Section;

const RANGE: &str = "ADDRESS or ADDRESS/BITS";
/// Bits of the smallest pool: it has room for one sandbox.
const POOL_BITS_MAX: u8 = 30;
/// Room for more sandboxes than a machine has.
const POOL_BITS_MIN: u8 = 8;
const DNS: u16 = 53;

pub(super) fn read(section: &mut Section) -> NetworkConfig {
    let usual = NetworkConfig::default();
    let pool = section.parsed("pool", RANGE).unwrap_or(usual.pool);
    if !(POOL_BITS_MIN..=POOL_BITS_MAX).contains(&pool.bits()) {
        section.problem("pool", "is a range of 8 to 30 bits");
    }
    let resolvers: Vec<IpAddr> = section.list("resolvers", "an address").unwrap_or_default();
    NetworkConfig {
        pool,
        opened: section.list("open", RANGE).unwrap_or_default(),
        closed: section.list("close", RANGE).unwrap_or_default(),
        connections_max: section.parsed_number("connections_max").map_or(usual.connections_max, Into::into),
        bytes_per_s_max: section.number("bytes_per_second_max"),
        resolvers: resolvers.into_iter().map(|address| SocketAddr::new(address, DNS)).collect(),
    }
}
