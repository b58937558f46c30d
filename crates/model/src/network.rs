//! What a sandbox may reach over the network: the policy, its names and its ranges. Pure.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};

/// Names and ranges of one allow-list.
pub const ALLOW_MAX: usize = 256;

/// What a sandbox may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Nothing but its own loopback.
    #[default]
    None,
    /// What the list says, as far as it is on the internet.
    AllowList(AllowList),
    /// The internet: nothing private, nothing of this machine or its network.
    Internet,
}

impl Network {
    /// Every policy in one word.
    pub const WORDS: [&'static str; 3] = ["none", "allow-list", "internet"];

    /// Whether it is none at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The policy in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::AllowList(_) => "allow-list",
            Self::Internet => "internet",
        }
    }
}

/// What may be reached and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowList {
    /// Names; their addresses are those that the node's own resolvers say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NamePattern>,
    /// Ranges of addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Ipv4Range>,
}

impl AllowList {
    /// Reads entries, each a name, a name that begins with `*.`, an address or a range. The error names the first that is none.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, AllowFault> {
        let mut list = Self::default();
        for (index, entry) in entries.into_iter().enumerate() {
            if index >= ALLOW_MAX {
                return Err(AllowFault::TooMany);
            }
            if entry.contains(':') {
                return Err(AllowFault::Version6 { index, entry: entry.to_owned() });
            }
            // What ends like a number is meant to be one: no top-level name does.
            let numeric =
                entry.rsplit('.').next().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_digit()));
            let fault = |()| AllowFault::Malformed { index, entry: entry.to_owned() };
            match numeric {
                true => list.ranges.push(entry.parse().map_err(fault)?),
                false => list.names.push(entry.parse().map_err(fault)?),
            }
        }
        Ok(list)
    }

    /// Whether `name` may be looked up.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.names.iter().any(|pattern| pattern.matches(&name))
    }

    /// The entries as they are written.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(ToString::to_string).chain(self.ranges.iter().map(ToString::to_string))
    }
}

/// What is wrong with an allow-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowFault {
    /// An entry is neither a name nor a range.
    #[error("`{entry}` is no name, no address and no range of addresses")]
    Malformed {
        /// Its place in the list.
        index: usize,
        /// The entry.
        entry: String,
    },
    /// An entry is an address of IPv6.
    #[error("`{entry}`: sandboxes have no IPv6")]
    Version6 {
        /// Its place in the list.
        index: usize,
        /// The entry.
        entry: String,
    },
    /// See [`ALLOW_MAX`].
    #[error("more than {ALLOW_MAX} entries (ALLOW_MAX)")]
    TooMany,
}

/// A name, or with `*.` before it every name below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    name: String,
    below: bool,
}

impl NamePattern {
    /// Whether `name`, in small letters and without its last dot, is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.below {
            false => name == self.name,
            true => name.strip_suffix(&self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl FromStr for NamePattern {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const NAME_BYTES_MAX: usize = 253;
        const LABEL_BYTES_MAX: usize = 63;
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, below) = text.strip_prefix("*.").map_or((text.as_str(), false), |name| (name, true));
        let plain = |label: &str| {
            let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            !label.is_empty() && label.len() <= LABEL_BYTES_MAX && letters && !label.starts_with('-')
        };
        let good = name.len() <= NAME_BYTES_MAX && name.split('.').all(plain);
        good.then(|| Self { name: name.to_owned(), below }).ok_or(())
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|()| format!("`{text}` is no name"))
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.to_string()
    }
}

/// A network: an address whose last bits are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv4Range {
    first: u32,
    bits: u8,
}

impl Ipv4Range {
    /// The range that begins at `first` and has 2^(32-`bits`) addresses; what `first` has beyond `bits` is cut off.
    #[must_use]
    pub const fn new(first: Ipv4Addr, bits: u8) -> Self {
        let bits = if bits > 32 { 32 } else { bits };
        let mask = match bits {
            0 => 0,
            bits => u32::MAX << (32 - bits),
        };
        Self { first: first.to_bits() & mask, bits }
    }

    /// One address.
    #[must_use]
    pub const fn one(address: Ipv4Addr) -> Self {
        Self::new(address, 32)
    }

    /// Its first address.
    #[must_use]
    pub fn first(&self) -> Ipv4Addr {
        self.first.into()
    }

    /// Its last address.
    #[must_use]
    pub fn last(&self) -> Ipv4Addr {
        (self.first | !self.mask()).into()
    }

    /// The bits that all of its addresses share.
    #[must_use]
    pub const fn mask(&self) -> u32 {
        match self.bits {
            0 => 0,
            bits => u32::MAX << (32 - bits),
        }
    }

    /// How many bits those are.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.first
    }
}

impl FromStr for Ipv4Range {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= 32).ok_or(())?;
        Ok(Self::new(address.parse().map_err(|_| ())?, bits))
    }
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.bits)
    }
}

impl TryFrom<String> for Ipv4Range {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|()| format!("`{text}` is no range of IPv4 addresses"))
    }
}

impl From<Ipv4Range> for String {
    fn from(range: Ipv4Range) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole_and_stars_only_below() {
        let list = AllowList::parse(["PyPI.org", "*.example.org", "192.0.2.7", "198.51.100.9/24"]).unwrap();
        for name in ["pypi.org", "PYPI.ORG.", "a.example.org", "a.b.example.org"] {
            assert!(list.allows(name), "{name}");
        }
        for name in ["example.org", "badexample.org", "pypi.org.evil.org", "xpypi.org", ".example.org", ""] {
            assert!(!list.allows(name), "{name}");
        }
        let entries: Vec<_> = list.entries().collect();
        assert_eq!(entries, ["pypi.org", "*.example.org", "192.0.2.7/32", "198.51.100.0/24"]);
    }

    #[test]
    fn what_is_neither_name_nor_range_is_named_with_its_place() {
        for entry in ["", "a..b", "*", "a.*.b", "1.2.3.4/33", "1.2.3", "127.1", "0x7f.1", "a b", "-a.org", "[1.2.3.4]"]
        {
            let fault = AllowList::parse(["pypi.org", entry]).unwrap_err();
            assert_eq!(fault, AllowFault::Malformed { index: 1, entry: entry.to_owned() });
        }
        assert!(matches!(AllowList::parse(["::1"]), Err(AllowFault::Version6 { index: 0, .. })));
        assert_eq!(AllowList::parse(vec!["a.org"; ALLOW_MAX + 1]), Err(AllowFault::TooMany));
    }

    #[test]
    fn policies_read_back_as_they_are_written_and_none_is_as_it_was() {
        let list = Network::AllowList(AllowList::parse(["*.a.org", "10.0.0.0/8"]).unwrap());
        for network in [Network::None, Network::Internet, list] {
            let text = serde_json::to_string(&network).unwrap();
            assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network, "{text}");
        }
        assert_eq!(serde_json::to_string(&Network::None).unwrap(), "\"none\"");
        assert!(serde_json::from_str::<Network>(r#"{"allow-list":{"names":["a b"]}}"#).is_err());
    }

    #[test]
    fn a_range_of_everything_has_everything() {
        let all: Ipv4Range = "9.9.9.9/0".parse().unwrap();
        assert_eq!((all.first(), all.last()), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        assert!(all.contains(Ipv4Addr::new(169, 254, 169, 254)));
    }
}
