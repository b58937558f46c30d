//! Finding by name.

use super::{Entry, Met, Tree, TreePath, Walk, list::NAMES_UNASKED_MAX};
use crate::{StorageError, transfer::Waited};

/// More are not looked for.
pub const SEARCH_FOUND_MAX: usize = 1_000;
/// Names that one search looks at.
const SEARCH_VISITED_MAX: usize = 200_000;
/// A longer pattern is none.
pub const NAME_PATTERN_BYTES_MAX: usize = 255;

/// What a search came to.
#[derive(Debug)]
pub struct Found {
    pub entries: Vec<Entry>,
    /// Everything was looked at and everything found is here.
    pub complete: bool,
}

impl Tree {
    /// By a part of the name, or by all of it with `*` and `?` for what may be anything; capital letters of ASCII are as small ones.
    pub fn search(&self, top: &TreePath, pattern: &[u8], limit: usize, waited: &Waited) -> Result<Found, StorageError> {
        if pattern.is_empty() || pattern.len() > NAME_PATTERN_BYTES_MAX {
            return Err(StorageError::Invalid(format!("a name to look for has 1 to {NAME_PATTERN_BYTES_MAX} bytes")));
        }
        let limit = limit.clamp(1, SEARCH_FOUND_MAX);
        let pattern = Pattern::new(pattern);
        let mut walk = Walk::beneath(self, top)?;
        let (mut entries, mut closed) = (Vec::new(), false);
        for visited in 0..SEARCH_VISITED_MAX {
            if visited % NAMES_UNASKED_MAX == 0 {
                waited.check()?;
            }
            match walk.step() {
                None => return Ok(Found { entries, complete: !closed }),
                Some(Met::Closed { .. }) => closed = true,
                Some(Met::Entry { path, stat }) => {
                    if !path.split_last().is_some_and(|(_, name)| pattern.fits(name)) {
                        continue;
                    }
                    if entries.len() == limit {
                        break;
                    }
                    entries.push(Entry::of(&path, &stat));
                }
            }
        }
        Ok(Found { entries, complete: false })
    }
}

struct Pattern(Vec<u8>);

impl Pattern {
    fn new(text: &[u8]) -> Self {
        let small = text.to_ascii_lowercase();
        let wild = small.iter().any(|byte| matches!(byte, b'*' | b'?'));
        Self(if wild { small } else { [b"*", &small[..], b"*"].concat() })
    }

    /// Greedy, with one place to go back to: no pattern takes more than pattern times name.
    fn fits(&self, name: &[u8]) -> bool {
        let (pattern, name) = (&self.0, name.to_ascii_lowercase());
        let (mut at, mut seen, mut back) = (0, 0, None);
        while seen < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    back = Some((at, seen));
                    at += 1;
                }
                Some(byte) if *byte == b'?' || *byte == name[seen] => (at, seen) = (at + 1, seen + 1),
                _ => match back {
                    Some((star, from)) => {
                        back = Some((star, from + 1));
                        (at, seen) = (star + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern.as_bytes()).fits(name.as_bytes());
        assert!(fits("read", "README.md") && fits("*.md", "README.md") && fits("r?ad*", "README.md") && fits("*", "x"));
        assert!(!fits("read.", "README.md") && !fits("*.m", "README.md") && !fits("?", "xy"));
        assert!(!fits(&"*a".repeat(100), &"a".repeat(99)));
    }
}
