//! SHA-256 digests: the only names that content is stored under.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Refusal;

const PREFIX: &str = "sha256:";

/// `sha256:` and 64 hexadecimal digits in lower case. Safe as a file name: it holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::finish(Sha256::new_with_prefix(bytes))
    }

    pub(crate) fn finish(hash: Sha256) -> Digest {
        use fmt::Write as _;
        let mut text = PREFIX.to_owned();
        for byte in hash.finalize() {
            write!(text, "{byte:02x}").expect("writing to a string never fails");
        }
        Digest(text)
    }

    /// The 64 digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches(PREFIX)
    }
}

impl FromStr for Digest {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Digest, Refusal> {
        let hex = text.strip_prefix(PREFIX).filter(|hex| hex.len() == 64);
        let plain = hex.is_some_and(|hex| hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        if plain { Ok(Digest(text.to_owned())) } else { Err(Refusal::BadDigest(text.chars().take(200).collect())) }
    }
}

impl TryFrom<String> for Digest {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Digest, Refusal> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_lower_case_sha256_is_a_digest() {
        let good = Digest::of(b"");
        assert_eq!(good.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(good.to_string().parse::<Digest>().unwrap(), good);
        let short = "a".repeat(63);
        let long = "a".repeat(65);
        let upper = "A".repeat(64);
        let climbing = format!("../{}", "a".repeat(61));
        for bad in ["", &short, &long, &upper, &climbing] {
            assert!(format!("sha256:{bad}").parse::<Digest>().is_err(), "{bad}");
        }
        assert!(format!("sha512:{}", "a".repeat(64)).parse::<Digest>().is_err());
        assert!("a".repeat(64).parse::<Digest>().is_err());
    }
}
