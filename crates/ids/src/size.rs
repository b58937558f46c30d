//! Human sizes and durations, as the command line and configuration write them. JSON carries plain integers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not a size or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("`{text}` does not start with a whole number")]
    Number { text: String },
    #[error("`{unit}` is no unit; use one of {allowed}")]
    Unit { unit: String, allowed: &'static str },
    #[error("`{text}` is too large")]
    TooLarge { text: String },
}

fn parse(text: &str, allowed: &'static str, unit: fn(&str) -> Option<u64>) -> Result<u64, SizeError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    if digits.is_empty() {
        return Err(SizeError::Number { text: text.to_owned() });
    }
    let too_large = || SizeError::TooLarge { text: text.to_owned() };
    let number: u64 = digits.parse().map_err(|_| too_large())?;
    let suffix = suffix.trim();
    let factor = unit(suffix).ok_or_else(|| SizeError::Unit { unit: suffix.to_owned(), allowed })?;
    number.checked_mul(factor).ok_or_else(too_large)
}

/// A number of bytes: `512MiB`, `1GB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let unit = |suffix: &str| {
            Some(match suffix {
                "" | "B" => 1,
                "KiB" | "K" | "k" => 1 << 10,
                "MiB" | "M" | "m" => 1 << 20,
                "GiB" | "G" | "g" => 1 << 30,
                "TiB" | "T" | "t" => 1 << 40,
                "kB" | "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "TB" => 1_000_000_000_000,
                _ => return None,
            })
        };
        parse(text, "B, KiB, MiB, GiB, TiB, KB, MB, GB, TB", unit).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor) {
            Some((unit, factor)) if self.0.is_multiple_of(*factor) => write!(f, "{}{unit}", self.0 / factor),
            Some((unit, factor)) => write!(f, "{:.1}{unit}", self.0 as f64 / *factor as f64),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// A number of milliseconds: `90s`, `250ms`, `5m`, `2h`, `1d`; a bare number is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl FromStr for Millis {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let unit = |suffix: &str| {
            Some(match suffix {
                "ms" => 1,
                "" | "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            })
        };
        parse(text, "ms, s, m, h, d", unit).map(Self)
    }
}

impl fmt::Display for Millis {
    /// In the largest unit that it is a whole number of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!("512MiB".parse(), Ok(ByteSize(512 << 20)));
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
        assert_eq!("1GB".parse(), Ok(ByteSize(1_000_000_000)));
        assert_eq!(ByteSize(512 << 20).to_string(), "512MiB");
        assert_eq!(ByteSize(1536).to_string(), "1.5KiB");
    }

    #[test]
    fn durations() {
        assert_eq!("90s".parse(), Ok(Millis(90_000)));
        assert_eq!("250ms".parse(), Ok(Millis(250)));
        assert_eq!("10".parse(), Ok(Millis(10_000)));
        for text in ["90s", "250ms", "5m", "2h", "1d", "0ms"] {
            assert_eq!(text.parse::<Millis>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!("".parse::<ByteSize>(), Err(SizeError::Number { .. })));
        assert!(matches!("-1".parse::<ByteSize>(), Err(SizeError::Number { .. })));
        assert!(matches!("1XiB".parse::<ByteSize>(), Err(SizeError::Unit { .. })));
        assert!(matches!("99999999999TiB".parse::<ByteSize>(), Err(SizeError::TooLarge { .. })));
        assert!(matches!("999999999999999999999".parse::<ByteSize>(), Err(SizeError::TooLarge { .. })));
    }
}
