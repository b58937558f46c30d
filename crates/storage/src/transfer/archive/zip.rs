//! zip (PKWARE's APPNOTE 6.3): deflated, sizes behind the bytes, Zip64 where needed, Unix modes and times. Pure.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::{Format, Meta};
use crate::transfer::date::civil;

/// The list of entries, kept until the end: an archive whose list is longer takes no more.
const LIST_BYTES_MAX: usize = 128 << 20;
/// A file of that size may come to more than four bytes can say.
const LARGE_BYTES: u64 = 0xF000_0000;
const SIZE_MAX_SHORT: u64 = 0xFFFF_FFFF;
const ENTRIES_MAX_SHORT: u64 = 0xFFFF;
/// Sizes and checksum come behind the bytes.
const SIZES_BEHIND: u16 = 1 << 3;
const NAME_IS_UTF8: u16 = 1 << 11;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const NEEDS: u16 = 20;
const NEEDS_ZIP64: u16 = 45;
/// Made on Unix, by the specification's version 4.5.
const MADE_BY: u16 = 3 << 8 | 45;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;
/// Deflated at once.
const DEFLATE_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Zip {
    list: Vec<u8>,
    entries: u64,
    /// Bytes of the archive so far, without what is in the current block since its beginning.
    written: u64,
    file: Option<File>,
}

struct File {
    entry: Entry,
    crc: Crc,
    deflate: Compress,
    packed: u64,
    size: u64,
}

/// What the list says of one.
struct Entry {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    kind_and_mode: u32,
    modified_s: i64,
    offset: u64,
    large: bool,
}

impl Zip {
    fn begin(&self, meta: &Meta<'_>, kind: u32, method: u16, offset: u64) -> Entry {
        // A reader on another system would take it for a step to another directory.
        let name: Vec<u8> = meta.name.iter().map(|byte| if *byte == b'\\' { b'_' } else { *byte }).collect();
        let flags = if std::str::from_utf8(&name).is_ok() { NAME_IS_UTF8 } else { 0 };
        let kind_and_mode = kind | meta.mode & 0o777;
        Entry { name, flags, method, kind_and_mode, modified_s: meta.modified_s, offset, large: false }
    }

    /// What is in `out` already belongs to the archive too.
    fn offset(&self, out: &[u8]) -> u64 {
        self.written + out.len() as u64
    }

    /// An entry whose bytes are at hand.
    fn whole(&mut self, entry: Entry, bytes: &[u8], out: &mut Vec<u8>) {
        let mut crc = Crc::new();
        crc.update(bytes);
        let size = bytes.len() as u64;
        entry.write_local((crc.sum(), size), out);
        out.extend_from_slice(bytes);
        self.note(&entry, crc.sum(), (size, size));
    }

    fn note(&mut self, entry: &Entry, crc: u32, sizes: (u64, u64)) {
        self.entries += 1;
        entry.write_in_list(crc, sizes, &mut self.list);
    }
}

impl Format for Zip {
    fn directory(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        let name = [meta.name, b"/"].concat();
        let entry = self.begin(&Meta { name: &name, ..*meta }, S_IFDIR, STORED, self.offset(out));
        self.whole(entry, b"", out);
    }

    fn link(&mut self, meta: &Meta<'_>, target: &[u8], out: &mut Vec<u8>) {
        let entry = self.begin(meta, S_IFLNK, STORED, self.offset(out));
        self.whole(entry, target, out);
    }

    fn file_begin(&mut self, meta: &Meta<'_>, size: u64, out: &mut Vec<u8>) {
        let mut entry = self.begin(meta, S_IFREG, DEFLATED, self.offset(out));
        entry.flags |= SIZES_BEHIND;
        entry.large = size >= LARGE_BYTES;
        entry.write_local((0, 0), out);
        let deflate = Compress::new(Compression::fast(), false);
        self.file = Some(File { entry, crc: Crc::new(), deflate, packed: 0, size: 0 });
    }

    fn file_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if let Some(file) = &mut self.file {
            file.crc.update(bytes);
            file.size += bytes.len() as u64;
            file.deflate(bytes, FlushCompress::None, out);
        }
    }

    fn file_end(&mut self, out: &mut Vec<u8>) {
        let Some(mut file) = self.file.take() else { return };
        file.deflate(b"", FlushCompress::Finish, out);
        out.extend_from_slice(&0x0807_4B50_u32.to_le_bytes());
        out.extend_from_slice(&file.crc.sum().to_le_bytes());
        for size in [file.packed, file.size] {
            match file.entry.large {
                true => out.extend_from_slice(&size.to_le_bytes()),
                false => out.extend_from_slice(&short(size).to_le_bytes()),
            }
        }
        self.note(&file.entry, file.crc.sum(), (file.packed, file.size));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let start = self.offset(out);
        let list = std::mem::take(&mut self.list);
        let bytes = list.len() as u64;
        out.extend_from_slice(&list);
        if self.entries >= ENTRIES_MAX_SHORT || start >= SIZE_MAX_SHORT || bytes >= SIZE_MAX_SHORT {
            write_end_zip64(self.entries, (bytes, start), out);
        }
        let entries = u16::try_from(self.entries).unwrap_or(u16::MAX);
        out.extend_from_slice(&0x0605_4B50_u32.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&entries.to_le_bytes());
        out.extend_from_slice(&entries.to_le_bytes());
        out.extend_from_slice(&short(bytes).to_le_bytes());
        out.extend_from_slice(&short(start).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
    }

    fn block_ends(&mut self, bytes: u64) {
        self.written += bytes;
    }

    fn has_room(&self) -> bool {
        self.list.len() < LIST_BYTES_MAX
    }
}

impl File {
    fn deflate(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve(DEFLATE_BYTES);
            let (read_before, packed_before) = (self.deflate.total_in(), self.deflate.total_out());
            // Deflating has no way to fail but to be called wrongly; what is missing then is seen by every reader.
            let status = self.deflate.compress_vec(bytes, out, flush).unwrap_or(Status::StreamEnd);
            let read = usize::try_from(self.deflate.total_in() - read_before).unwrap_or(bytes.len());
            self.packed += self.deflate.total_out() - packed_before;
            bytes = &bytes[read.min(bytes.len())..];
            let room_left = out.capacity() > out.len();
            let done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => bytes.is_empty() && room_left,
            };
            if done || status == Status::StreamEnd {
                return;
            }
        }
    }
}

impl Entry {
    fn needs(&self) -> u16 {
        if self.large { NEEDS_ZIP64 } else { NEEDS }
    }

    fn write_local(&self, (crc, size): (u32, u64), out: &mut Vec<u8>) {
        let mut extra = self.extra_time();
        let size = if self.large {
            // Sizes come behind, and eight bytes long: so says this field.
            extra.extend_from_slice(&[1, 0, 16, 0]);
            extra.extend_from_slice(&[0; 16]);
            u32::MAX
        } else {
            short(size)
        };
        out.extend_from_slice(&0x0403_4B50_u32.to_le_bytes());
        self.write_common(self.needs(), (crc, size, size), &extra, out);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
    }

    fn write_in_list(&self, crc: u32, (packed, size): (u64, u64), out: &mut Vec<u8>) {
        let mut extra = self.extra_time();
        let mut long = Vec::new();
        for value in [size, packed, self.offset] {
            if value >= SIZE_MAX_SHORT {
                long.extend_from_slice(&value.to_le_bytes());
            }
        }
        let needs = if long.is_empty() { self.needs() } else { NEEDS_ZIP64 };
        if !long.is_empty() {
            extra.extend_from_slice(&[1, 0, long.len() as u8, 0]);
            extra.extend_from_slice(&long);
        }
        out.extend_from_slice(&0x0201_4B50_u32.to_le_bytes());
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        self.write_common(needs, (crc, short(packed), short(size)), &extra, out);
        // No comment, first volume, no internal attributes.
        out.extend_from_slice(&[0; 6]);
        let dos_directory = if self.kind_and_mode & S_IFDIR == S_IFDIR { 0x10 } else { 0 };
        out.extend_from_slice(&(self.kind_and_mode << 16 | dos_directory).to_le_bytes());
        out.extend_from_slice(&short(self.offset).to_le_bytes());
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
    }

    /// What both headers say alike, up to the lengths of name and extra fields.
    fn write_common(&self, needs: u16, (crc, packed, size): (u32, u32, u32), extra: &[u8], out: &mut Vec<u8>) {
        let (date, time) = dos_time(self.modified_s);
        for value in [needs, self.flags, self.method, time, date] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        for value in [crc, packed, size] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        // A path has at most 4,096 bytes, extra fields some dozens.
        for length in [self.name.len(), extra.len()] {
            out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        }
    }

    /// The time of the last change in seconds since 1970 (extra field 0x5455).
    fn extra_time(&self) -> Vec<u8> {
        let seconds = i32::try_from(self.modified_s).unwrap_or(0);
        [&b"UT\x05\x00\x01"[..], &seconds.to_le_bytes()].concat()
    }
}

fn write_end_zip64(entries: u64, (bytes, start): (u64, u64), out: &mut Vec<u8>) {
    out.extend_from_slice(&0x0606_4B50_u32.to_le_bytes());
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&MADE_BY.to_le_bytes());
    out.extend_from_slice(&NEEDS_ZIP64.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    for value in [entries, entries, bytes, start] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&0x0706_4B50_u32.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(start + bytes).to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
}

/// What four bytes can say; all ones where the value stands elsewhere in eight.
fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Date and time as DOS had them, UTC; 1980 is the first year.
fn dos_time(unix_s: i64) -> (u16, u16) {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let clamped = unix_s.clamp(FIRST, LAST);
    let (days, second) = (clamped.div_euclid(86_400), clamped.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let date = (year - 1980) << 9 | month << 5 | day;
    let (hour, minute, two_seconds) = (second / 3_600, second % 3_600 / 60, second % 60 / 2);
    let time = hour << 11 | minute << 5 | two_seconds;
    (u16::try_from(date).unwrap_or(0), u16::try_from(time).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(dos_time(0), (1 << 5 | 1, 0), "before DOS it is 1980-01-01");
        // 2024-02-29 13:14:16
        assert_eq!(dos_time(1_709_212_456), (44 << 9 | 2 << 5 | 29, 13 << 11 | 14 << 5 | 8));
    }

    #[test]
    fn more_entries_than_two_bytes_can_say_and_offsets_than_four() {
        let (mut zip, mut out) = (Zip { written: 5 << 32, ..Zip::default() }, Vec::new());
        for number in 0..70_000 {
            let name = number.to_string();
            zip.directory(&Meta { name: name.as_bytes(), mode: 0o755, modified_s: 0 }, &mut out);
        }
        zip.end(&mut out);
        let end = &out[out.len() - 22..];
        assert_eq!(end[8..12], [0xFF; 4]);
        let record = &out[out.len() - 22 - 20 - 56..];
        assert_eq!(record[..4], 0x0606_4B50_u32.to_le_bytes());
        assert_eq!(record[24..32], 70_000_u64.to_le_bytes());
    }
}
