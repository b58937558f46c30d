//! `Range: bytes=…` (RFC 9110 §14.1.2). Pure.

/// A request for more parts gets the whole.
pub const RANGES_MAX: usize = 16;

/// From `start` up to, and without, `end`; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub start: u64,
    pub end: u64,
}

impl Range {
    pub fn bytes(self) -> u64 {
        self.end - self.start
    }

    /// As `Content-Range` says it.
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end - 1)
    }
}

/// What a request for parts comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Nothing was asked for that we must heed.
    Whole,
    /// In the order they were asked for; at least one.
    Parts(Vec<Range>),
    /// All that was asked for is behind the end.
    None,
}

impl Ranges {
    /// A head that cannot be read, parts that come to more than the whole, and too many of them, are as none (§14.2: a server may).
    pub fn of(head: &str, size: u64) -> Self {
        let Some((unit, list)) = head.split_once('=') else { return Self::Whole };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let (mut parts, mut asked) = (Vec::new(), 0_usize);
        for one in list.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            asked += 1;
            match part(one, size) {
                _ if asked > RANGES_MAX => return Self::Whole,
                None => return Self::Whole,
                Some(None) => {}
                Some(Some(range)) => parts.push(range),
            }
        }
        let total = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.bytes()));
        match (asked, parts.len()) {
            (0, _) => Self::Whole,
            (_, 0) => Self::None,
            (_, 2..) if total > size => Self::Whole,
            _ => Self::Parts(parts),
        }
    }
}

/// None: cannot be read. Some(None): nothing is there.
fn part(text: &str, size: u64) -> Option<Option<Range>> {
    let (first, last) = text.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than a number can be is behind every end.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some((start < end).then_some(Range { start, end }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_the_specification() {
        let one = |start, end| Ranges::Parts(vec![Range { start, end }]);
        assert_eq!(Ranges::of("bytes=0-499", 10_000), one(0, 500));
        assert_eq!(Ranges::of("bytes=-500", 10_000), one(9_500, 10_000));
        assert_eq!(Ranges::of("bytes=9500-", 10_000), one(9_500, 10_000));
        assert_eq!(Ranges::of("bytes=0-99999999999999999999999", 10), one(0, 10));
        let two = vec![Range { start: 0, end: 1 }, Range { start: 9_999, end: 10_000 }];
        assert_eq!(Ranges::of("bytes= 0-0, -1", 10_000), Ranges::Parts(two));
        assert_eq!(Ranges::of("bytes=10-", 10), Ranges::None);
        assert_eq!(Ranges::of("bytes=-0", 10), Ranges::None);
        assert_eq!(Ranges::of("bytes=0-", 0), Ranges::None);
        for whole in [
            "bytes=5-4",
            "lines=1-2",
            "bytes",
            "bytes=a-b",
            "bytes=",
            "bytes=0-9,0-9",
            &format!("bytes={}", "0-0,".repeat(17)),
        ] {
            assert_eq!(Ranges::of(whole, 10), Ranges::Whole, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn parts_are_inside_and_never_more_than_the_whole(head in "(bytes=)?[0-9,\\- a-z]{0,60}", size in 0_u64..100) {
            if let Ranges::Parts(parts) = Ranges::of(&head, size) {
                prop_assert!(!parts.is_empty() && parts.len() <= RANGES_MAX);
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                prop_assert!(parts.iter().map(|part| part.bytes()).sum::<u64>() <= size);
            }
        }
    }
}
