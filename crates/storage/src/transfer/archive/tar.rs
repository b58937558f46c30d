//! tar as POSIX has it (IEEE Std 1003.1, pax Interchange Format): ustar headers, and a pax header before those that ustar cannot hold. Pure.

use super::{Format, Meta};

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;
/// The largest number that eleven octal digits hold.
const OCTAL_MAX: u64 = (1 << 33) - 1;

#[derive(Debug, Default)]
pub(super) struct Tar {
    /// Bytes of the file that is being written.
    written: u64,
}

impl Format for Tar {
    fn directory(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>) {
        let name = [meta.name, b"/"].concat();
        write_headers(&Meta { name: &name, ..*meta }, (b'5', b""), 0, out);
    }

    fn link(&mut self, meta: &Meta<'_>, target: &[u8], out: &mut Vec<u8>) {
        write_headers(meta, (b'2', target), 0, out);
    }

    fn file_begin(&mut self, meta: &Meta<'_>, size: u64, out: &mut Vec<u8>) {
        self.written = 0;
        write_headers(meta, (b'0', b""), size, out);
    }

    fn file_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.written += bytes.len() as u64;
        out.extend_from_slice(bytes);
    }

    fn file_end(&mut self, out: &mut Vec<u8>) {
        pad(self.written, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.resize(out.len() + 2 * BLOCK, 0);
    }
}

fn pad(written: u64, out: &mut Vec<u8>) {
    let rest = usize::try_from(written % BLOCK as u64).unwrap_or(0);
    if rest > 0 {
        out.resize(out.len() + BLOCK - rest, 0);
    }
}

fn write_headers(meta: &Meta<'_>, (kind, target): (u8, &[u8]), size: u64, out: &mut Vec<u8>) {
    let mut records = Vec::new();
    if !fits(meta.name) {
        record(b"path", meta.name, &mut records);
    }
    if !fits(target) {
        record(b"linkpath", target, &mut records);
    }
    if size > OCTAL_MAX {
        record(b"size", size.to_string().as_bytes(), &mut records);
    }
    if !records.is_empty() {
        // Names that are no UTF-8 travel as they are (the keyword hdrcharset).
        if std::str::from_utf8(meta.name).is_err() || std::str::from_utf8(target).is_err() {
            let mut binary = Vec::new();
            record(b"hdrcharset", b"BINARY", &mut binary);
            records.splice(0..0, binary);
        }
        let of = Meta { name: b"pax", mode: 0o644, modified_s: meta.modified_s };
        out.extend_from_slice(&header(&of, (b'x', b""), records.len() as u64));
        out.extend_from_slice(&records);
        pad(records.len() as u64, out);
    }
    out.extend_from_slice(&header(meta, (kind, target), size.min(OCTAL_MAX)));
}

/// Whether a ustar header holds it so that every reader takes it for the same.
fn fits(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES && name.is_ascii()
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits too.
fn record(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    let rest = 1 + key.len() + 1 + value.len() + 1;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(&[key, b"=", value, b"\n"].concat());
}

fn header(meta: &Meta<'_>, (kind, target): (u8, &[u8]), size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &meta.name[..meta.name.len().min(NAME_BYTES)]);
    put(100, format!("{:07o}", meta.mode).as_bytes());
    put(108, b"0001750\x000001750\0");
    put(124, format!("{size:011o}").as_bytes());
    let modified = u64::try_from(meta.modified_s).unwrap_or(0).min(OCTAL_MAX);
    put(136, format!("{modified:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &target[..target.len().min(NAME_BYTES)]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
