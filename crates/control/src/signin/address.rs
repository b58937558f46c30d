//! Where a request comes from: the connection's other end, or whom a proxy we trust vouches for.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    bits: u8,
}

/// The text is no `ADDRESS` or `ADDRESS/BITS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address range is ADDRESS or ADDRESS/BITS, as in 10.0.0.0/8")]
pub struct AddressRangeError;

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, AddressRangeError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| AddressRangeError)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| AddressRangeError)?;
        if bits > most { Err(AddressRangeError) } else { Ok(Self { first, bits }) }
    }
}

impl AddressRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |one: u128, other: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            shift >= width || one >> shift == other >> shift
        };
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(one.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// Whoever is at the other end, as far as we can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Behind the Unix socket.
    Local {
        uid: Option<u32>,
    },
    Remote {
        address: IpAddr,
        secure: Transport,
    },
}

/// Whether others could read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    /// TLS up to a proxy we trust.
    Tls,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Local { uid: Some(uid) } => write!(f, "uid {uid}"),
            Origin::Local { uid: None } => f.write_str("socket"),
            Origin::Remote { address, .. } => address.fmt(f),
        }
    }
}

impl Origin {
    /// Whom to count together: an IPv6 customer has at least a /64.
    pub fn group(&self) -> IpAddr {
        match self {
            Origin::Local { .. } => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Origin::Remote { address: IpAddr::V6(address), .. } => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
            }
            Origin::Remote { address, .. } => *address,
        }
    }

    pub fn is_secure(&self) -> bool {
        matches!(self, Origin::Remote { secure: Transport::Tls, .. })
    }
}

/// What `X-Forwarded-For` and `X-Forwarded-Proto` say, heard only if `peer` is a proxy we trust. Of the addresses in it the last that is none
/// of our proxies counts: those before it are whatever the client wrote.
pub(crate) fn remote(peer: IpAddr, proxies: &[AddressRange], forwarded: &str, protocol: &str) -> Origin {
    let peer = peer.to_canonical();
    let trusted = |address: IpAddr| proxies.iter().any(|range| range.contains(address));
    if !trusted(peer) {
        return Origin::Remote { address: peer, secure: Transport::Plain };
    }
    let mut address = peer;
    for text in forwarded.rsplit(',') {
        let Ok(named) = text.trim().parse::<IpAddr>() else { break };
        address = named.to_canonical();
        if !trusted(address) {
            break;
        }
    }
    let last = protocol.rsplit(',').next().unwrap_or("").trim();
    let secure = if last.eq_ignore_ascii_case("https") { Transport::Tls } else { Transport::Plain };
    Origin::Remote { address, secure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, proxies: &[&str], forwarded: &str) -> String {
        let proxies: Vec<_> = proxies.iter().map(|range| range.parse().unwrap()).collect();
        remote(peer.parse().unwrap(), &proxies, forwarded, "").to_string()
    }

    #[test]
    fn only_our_proxies_are_heard() {
        assert_eq!(from("192.0.2.9", &[], "203.0.113.1"), "192.0.2.9");
        assert_eq!(from("10.1.2.3", &["10.0.0.0/8"], "203.0.113.1"), "203.0.113.1");
        assert_eq!(
            from("10.1.2.3", &["10.0.0.0/8"], "203.0.113.1, 198.51.100.2"),
            "198.51.100.2",
            "the client's own words"
        );
        assert_eq!(from("10.1.2.3", &["10.0.0.0/8"], "203.0.113.1, 10.9.9.9"), "203.0.113.1", "two proxies");
        assert_eq!(from("10.1.2.3", &["10.0.0.0/8"], "nonsense"), "10.1.2.3");
        assert_eq!(from("::ffff:10.1.2.3", &["10.0.0.0/8"], "2001:db8::1"), "2001:db8::1");
        assert_eq!(from("2001:db8::5", &["2001:db8::/32"], ""), "2001:db8::5");
    }

    #[test]
    fn tls_is_the_last_proxys_word() {
        let proxies = ["127.0.0.1".parse().unwrap()];
        let secure = |peer: &str, protocol| remote(peer.parse().unwrap(), &proxies, "", protocol).is_secure();
        assert!(secure("127.0.0.1", "https") && secure("127.0.0.1", "http, https"));
        assert!(!secure("127.0.0.1", "https, http") && !secure("127.0.0.2", "https"));
    }

    #[test]
    fn ranges() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<AddressRange>(), Err(AddressRangeError), "{bad}");
        }
        let all: AddressRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("203.0.113.1".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        let group = |text: &str| remote(text.parse().unwrap(), &[], "", "").group().to_string();
        assert_eq!(group("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::");
        assert_eq!(group("192.0.2.9"), "192.0.2.9");
    }
}
