//! One 512-byte tar header, decoded. Pure.

use crate::error::Refusal;

pub const BLOCK: usize = 512;

/// A header as it stands, before extended headers change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: u32,
    pub mtime: i64,
    pub size: u64,
    pub kind: u8,
}

impl Header {
    /// None for a block of zeros, which ends an archive.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Option<Header>, Refusal> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        check_sum(block)?;
        let number = |range: std::ops::Range<usize>, what| number(&block[range]).ok_or(Refusal::BadHeader(what));
        let size = u64::try_from(number(124..136, "its size is no number")?)
            .map_err(|_| Refusal::BadHeader("its size is negative"))?;
        let mode = number(100..108, "its mode is no number")?;
        Ok(Some(Header {
            name: name(block),
            link: text(&block[157..257]).to_vec(),
            // Only the lowest twelve bits mean anything.
            mode: u32::try_from(mode & 0o7777).map_err(|_| Refusal::BadHeader("its mode is no number"))?,
            mtime: number(136..148, "its time is no number")?,
            size,
            kind: block[156],
        }))
    }
}

/// The sum of all bytes with the sum's own field taken as spaces. Some old writers summed signed bytes.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), Refusal> {
    let said = number(&block[148..156]).ok_or(Refusal::BadHeader("its checksum is no number"))?;
    let bytes = || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if said == unsigned || said == signed { Ok(()) } else { Err(Refusal::BadHeader("its checksum is wrong")) }
}

fn name(block: &[u8; BLOCK]) -> Vec<u8> {
    let last = text(&block[0..100]);
    let prefix = text(&block[345..500]);
    // The prefix exists in POSIX headers only; GNU's magic has a space here.
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() { [prefix, b"/", last].concat() } else { last.to_vec() }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal digits between spaces and NULs, or base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base_256(field);
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ');
    let mut value: i64 = 0;
    let mut ended = false;
    for byte in digits {
        match byte {
            b'0'..=b'7' if !ended => value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?,
            b' ' | 0 => ended = true,
            _ => return None,
        }
    }
    Some(value)
}

fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let mut value: i64 = if negative { -1 } else { 0 };
    for byte in std::iter::once(first).chain(field[1..].iter().copied()) {
        value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"9000000\0"), None);
        assert_eq!(number(b"-000001\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }

    #[test]
    fn a_header_with_a_wrong_sum_is_refused() {
        let mut block = [0_u8; BLOCK];
        assert_eq!(Header::parse(&block), Ok(None));
        block[0] = b'a';
        assert_eq!(Header::parse(&block), Err(Refusal::BadHeader("its checksum is wrong")));
    }
}
