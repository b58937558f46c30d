//! Where something is beneath a folder. Names may be any bytes that the kernel takes; in URLs they travel percent-encoded (RFC 3986 §2.1).

use std::fmt;

use crate::StorageError;

/// A longer path is none. The kernel's own bound, less the end that it adds.
pub const PATH_BYTES_MAX: usize = 4_095;
/// A longer name is none: the bound of every file system that we know.
pub const NAME_BYTES_MAX: usize = 255;

/// Names, with one `/` between two; without any it is the folder itself. No name is empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// From bytes as programs write paths: slashes before and behind mean nothing, and nothing may lead upwards.
    pub fn parse(bytes: &[u8]) -> Result<Self, StorageError> {
        let trimmed = trimmed(bytes);
        if trimmed.len() > PATH_BYTES_MAX {
            return Err(StorageError::Invalid(format!("a path has at most {PATH_BYTES_MAX} bytes")));
        }
        if !trimmed.is_empty() {
            trimmed.split(|byte| *byte == b'/').try_for_each(check_name)?;
        }
        Ok(Self(trimmed.to_vec()))
    }

    /// From the part of a URL that names it.
    pub fn from_percent(text: &str) -> Result<Self, StorageError> {
        Self::parse(&percent_decoded(text)?)
    }

    /// As it stands in a URL.
    pub fn to_percent(&self) -> String {
        percent_encoded(&self.0)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder itself.
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory that it is in, and its name there; none for the folder itself.
    pub fn split_last(&self) -> Option<(TreePath, &[u8])> {
        if self.is_top() {
            return None;
        }
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => Some((Self(self.0[..at].to_vec()), &self.0[at + 1..])),
            None => Some((Self::default(), &self.0)),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// One name further down.
    pub fn join(&self, name: &[u8]) -> Result<Self, StorageError> {
        check_name(name)?;
        let whole = if self.is_top() { name.to_vec() } else { [&self.0, &b"/"[..], name].concat() };
        Self::parse(&whole)
    }

    /// At or beneath `top`.
    pub fn is_within(&self, top: &TreePath) -> bool {
        match self.0.strip_prefix(&top.0[..]) {
            Some(rest) => top.is_top() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

/// For people: what is not UTF-8 is shown by replacements.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_top() {
            true => f.write_str("the folder"),
            false => f.write_str(&String::from_utf8_lossy(&self.0)),
        }
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != b'/').unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(start, |at| at + 1);
    &bytes[start..end]
}

fn check_name(name: &[u8]) -> Result<(), StorageError> {
    let why = match name {
        b"" => "a path has no empty names",
        b"." | b".." => "a path has no `.` and no `..`",
        name if name.contains(&0) => "a name has no NUL",
        name if name.contains(&b'/') => "a name has no `/`",
        name if name.len() > NAME_BYTES_MAX => "a name has at most 255 bytes",
        _ => return Ok(()),
    };
    Err(StorageError::Invalid(why.to_owned()))
}

/// `%41` is `A`; `%` without two hexadecimal digits is refused.
pub fn percent_decoded(text: &str) -> Result<Vec<u8>, StorageError> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = bytes.next().and_then(hex).zip(bytes.next().and_then(hex));
                let (high, low) = digits
                    .ok_or_else(|| StorageError::Invalid("`%` in a path goes before two hexadecimal digits".into()))?;
                high << 4 | low
            }
            byte => byte,
        });
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Everything but letters, digits, `-._~` and `/`.
pub fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_leads_upwards_or_nowhere() {
        for bad in ["..", "a/..", "../a", "a/./b", "a//b", "a\0b", ".", &"x".repeat(256), &"x/".repeat(3_000)] {
            assert!(TreePath::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for bad in ["%2e%2e/a", "a%2F..%2Fb", "%00", "%", "%4", "%4g", "a/%2E"] {
            assert!(TreePath::from_percent(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TreePath::parse(b"/a/b/").unwrap(), TreePath::from_percent("a%2fb").unwrap());
        assert!(TreePath::parse(b"/").unwrap().is_top());
    }

    #[test]
    fn within_is_by_whole_names() {
        let path = |text: &str| TreePath::parse(text.as_bytes()).unwrap();
        assert!(path("a/b").is_within(&path("a")) && path("a").is_within(&path("a")) && path("a").is_within(&path("")));
        assert!(!path("ab").is_within(&path("a")) && !path("a").is_within(&path("a/b")));
        let (parent, name) = path("a/b/c").split_last().map(|(path, name)| (path, name.to_vec())).unwrap();
        assert_eq!((parent, name), (path("a/b"), b"c".to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_parsed_stays_beneath_and_travels_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(path) = TreePath::parse(&bytes) {
                prop_assert!(path.names().all(|name| name != b".." && name != b"." && !name.contains(&0)));
                prop_assert_eq!(TreePath::from_percent(&path.to_percent()).unwrap(), path);
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,200}") {
            let _ = TreePath::from_percent(&text);
        }
    }
}
