//! Names of tar entries, checked. What passes here is relative, clean and of bounded length and depth.
//!
//! These checks give good reasons; they are not the wall. The wall is `openat2` beneath the layer's directory.

use std::fmt;

use crate::{error::Refusal, limits::ImageLimits};

/// A clean relative path: parts joined by `/`, none empty, `.` or `..`. Empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(String);

impl EntryName {
    pub fn parse(bytes: &[u8], limits: &ImageLimits) -> Result<EntryName, Refusal> {
        let shown = || String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        if bytes.is_empty() {
            return Err(Refusal::EmptyName);
        }
        if bytes.len() > limits.name_bytes {
            return Err(Refusal::NameTooLong(limits.name_bytes));
        }
        if bytes.contains(&0) {
            return Err(Refusal::NameWithNul(shown()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::NameNotUtf8(shown()))?;
        if text.starts_with('/') {
            return Err(Refusal::AbsoluteName(shown()));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(Refusal::ParentInName(shown()));
        }
        if parts.len() > limits.name_parts {
            return Err(Refusal::NameTooDeep(limits.name_parts));
        }
        if parts.iter().any(|part| part.len() > PART_BYTES_MAX) {
            return Err(Refusal::NameTooLong(PART_BYTES_MAX));
        }
        Ok(EntryName(parts.join("/")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory it lies in, empty for the root, and its last part.
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// How many directories lie between it and the root.
    fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// Checks the target of a symbolic link with this name. Absolute targets begin at the image's own root and are fine;
    /// relative ones may climb to it but not beyond.
    pub fn check_symlink(&self, target: &[u8], limits: &ImageLimits) -> Result<String, Refusal> {
        let bad = || Refusal::BadLinkTarget(self.0.clone());
        if target.is_empty() || target.len() > limits.name_bytes || target.contains(&0) {
            return Err(bad());
        }
        let text = std::str::from_utf8(target).map_err(|_| bad())?;
        let mut depth = if text.starts_with('/') { 0 } else { self.depth() };
        for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part != ".." {
                depth += 1;
            } else if depth == 0 {
                return Err(Refusal::LinkLeadsOut { name: self.0.clone(), target: text.to_owned() });
            } else {
                depth -= 1;
            }
        }
        Ok(text.to_owned())
    }
}

/// What file systems take.
const PART_BYTES_MAX: usize = 255;

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &[u8]) -> Result<String, Refusal> {
        EntryName::parse(name, &ImageLimits::default()).map(|name| name.0)
    }

    #[test]
    fn names_are_cleaned_or_refused() {
        assert_eq!(parse(b"./usr//bin/./sh").unwrap(), "usr/bin/sh");
        assert_eq!(parse(b"./").unwrap(), "");
        assert_eq!(parse(b"etc/").unwrap(), "etc");
        assert_eq!(parse(b"..a/b..").unwrap(), "..a/b..");
        assert!(matches!(parse(b""), Err(Refusal::EmptyName)));
        assert!(matches!(parse(b"/etc"), Err(Refusal::AbsoluteName(_))));
        assert!(matches!(parse(b"a/../b"), Err(Refusal::ParentInName(_))));
        assert!(matches!(parse(b".."), Err(Refusal::ParentInName(_))));
        assert!(matches!(parse(b"a\0b"), Err(Refusal::NameWithNul(_))));
        assert!(matches!(parse(b"\xff\xfe"), Err(Refusal::NameNotUtf8(_))));
        assert!(matches!(parse(&[b'a'; 256]), Err(Refusal::NameTooLong(255))));
        assert!(matches!(parse(&[b'a'; 5000]), Err(Refusal::NameTooLong(4095))));
        assert!(matches!(parse("d/".repeat(129).as_bytes()), Err(Refusal::NameTooDeep(128))));
    }

    #[test]
    fn links_may_climb_to_the_root_but_not_beyond() {
        let limits = ImageLimits::default();
        let name = EntryName::parse(b"usr/bin/x", &limits).unwrap();
        for good in ["y", "../../etc/passwd", "/etc/passwd", "../lib/../bin/y", "/a/.."] {
            assert_eq!(name.check_symlink(good.as_bytes(), &limits).unwrap(), good);
        }
        for bad in ["../../../etc/passwd", "/..", "/a/../../b", "y/../../../../z"] {
            assert!(matches!(name.check_symlink(bad.as_bytes(), &limits), Err(Refusal::LinkLeadsOut { .. })), "{bad}");
        }
        assert!(matches!(name.check_symlink(b"a\0", &limits), Err(Refusal::BadLinkTarget(_))));
        assert!(matches!(name.check_symlink(b"", &limits), Err(Refusal::BadLinkTarget(_))));
    }
}
