//! Tar streams, written: POSIX ustar, with a pax header where a name, a target or a size does not fit.

use std::io::{self, Read, Write};

use super::header::BLOCK;

/// What is written of an entry besides its contents.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Relative; of a directory with a slash at its end.
    pub name: &'a [u8],
    pub kind: Kind<'a>,
    /// Permission bits.
    pub mode: u32,
    /// Unix time, seconds.
    pub mtime: i64,
}

/// Its kind.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// With its size.
    File(u64),
    Directory,
    Symlink(&'a [u8]),
    /// With the name of an entry before.
    HardLink(&'a [u8]),
}

/// The largest number of eleven octal digits.
const OCTAL_MAX: u64 = (1 << 33) - 1;
const NAME_BYTES: usize = 100;

/// Writes entries one after the other.
pub struct TarWriter<W> {
    to: W,
}

impl<W: Write> TarWriter<W> {
    pub fn new(to: W) -> Self {
        Self { to }
    }

    /// One entry; the contents of a file are read from `body`, which must have as many bytes as were said.
    pub fn entry(&mut self, entry: &Written<'_>, body: &mut impl Read) -> io::Result<()> {
        let (flag, size, link) = match entry.kind {
            Kind::File(size) => (b'0', size, &b""[..]),
            Kind::Directory => (b'5', 0, &b""[..]),
            Kind::Symlink(target) => (b'2', 0, target),
            Kind::HardLink(target) => (b'1', 0, target),
        };
        let mtime = entry.mtime.clamp(0, OCTAL_MAX as i64);
        let records = extended(entry.name, link, size);
        if !records.is_empty() {
            let pax = Written { name: b"pax", kind: Kind::File(records.len() as u64), mode: 0o644, mtime };
            self.block(&pax, b'x', records.len() as u64, b"")?;
            self.body(&mut &records[..], records.len() as u64)?;
        }
        self.block(&Written { mtime, ..*entry }, flag, size.min(OCTAL_MAX), link)?;
        self.body(body, size)
    }

    /// One file whose contents `write` writes, exactly as many bytes as were said.
    pub fn stream(
        &mut self,
        entry: &Written<'_>,
        write: impl FnOnce(&mut Bounded<'_, W>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Kind::File(size) = entry.kind else { return Err(io::ErrorKind::InvalidInput.into()) };
        let header = Written { mtime: entry.mtime.max(0), ..*entry };
        let records = extended(entry.name, b"", size);
        if !records.is_empty() {
            self.block(&Written { name: b"pax", ..header }, b'x', records.len() as u64, b"")?;
            self.body(&mut &records[..], records.len() as u64)?;
        }
        self.block(&header, b'0', size.min(OCTAL_MAX), b"")?;
        let mut bounded = Bounded { to: &mut self.to, left: size };
        write(&mut bounded)?;
        match bounded.left {
            0 => self.pad(size),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "less was written than was said")),
        }
    }

    /// The closing zeros.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn block(&mut self, entry: &Written<'_>, flag: u8, size: u64, link: &[u8]) -> io::Result<()> {
        let mut block = [0_u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &entry.name[..entry.name.len().min(NAME_BYTES)]);
        put(100, format!("{:07o}\0", entry.mode & 0o7777).as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{size:011o}\0").as_bytes());
        put(136, format!("{:011o}\0", entry.mtime).as_bytes());
        // The checksum counts its own field as spaces.
        put(148, b"        ");
        put(156, &[flag]);
        put(157, &link[..link.len().min(NAME_BYTES)]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.to.write_all(&block)
    }

    fn body(&mut self, from: &mut impl Read, size: u64) -> io::Result<()> {
        let copied = io::copy(&mut from.take(size), &mut self.to)?;
        if copied < size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter while it was read"));
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let over = (size % BLOCK as u64) as usize;
        self.to.write_all(&[0; BLOCK][..(BLOCK - over) % BLOCK])
    }
}

/// Takes as many bytes as an entry was said to have.
pub struct Bounded<'a, W> {
    to: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Bounded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more was written than was said"));
        }
        let written = self.to.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The pax records of what the header cannot say.
fn extended(name: &[u8], link: &[u8], size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if name.len() > NAME_BYTES {
        records.extend(record(b"path", name));
    }
    if link.len() > NAME_BYTES {
        records.extend(record(b"linkpath", link));
    }
    if size > OCTAL_MAX {
        records.extend(record(b"size", size.to_string().as_bytes()));
    }
    records
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::ImageLimits,
        tar::{EntryKind, TarReader},
    };

    #[test]
    fn what_is_written_is_read_again() {
        let long = "d/".repeat(90) + "file";
        let target = "t".repeat(300);
        let mut tar = TarWriter::new(Vec::new());
        let none = || io::empty();
        let entry = |name, kind, mode| Written { name, kind, mode, mtime: 1_700_000_000 };
        tar.entry(&entry(b"dir/", Kind::Directory, 0o1755), &mut none()).unwrap();
        tar.entry(&entry(long.as_bytes(), Kind::File(5), 0o640), &mut &b"hello"[..]).unwrap();
        tar.entry(&entry(b"again", Kind::HardLink(long.as_bytes()), 0o640), &mut none()).unwrap();
        tar.entry(&entry(b"link", Kind::Symlink(target.as_bytes()), 0o777), &mut none()).unwrap();
        assert!(tar.entry(&entry(b"short", Kind::File(5), 0o644), &mut &b"hell"[..]).is_err());
        let mut bytes = TarWriter::new(Vec::new());
        bytes.entry(&entry(long.as_bytes(), Kind::File(5), 0o640), &mut &b"hello"[..]).unwrap();
        bytes.entry(&entry(b"link", Kind::Symlink(target.as_bytes()), 0o777), &mut none()).unwrap();
        let bytes = bytes.finish().unwrap();
        let limits = ImageLimits::default();
        let mut reader = TarReader::new(&bytes[..], &limits);
        let file = reader.next_entry().unwrap().unwrap();
        assert_eq!((file.name.as_str(), file.mode, file.size, file.mtime), (long.as_str(), 0o640, 5, 1_700_000_000));
        let mut body = String::new();
        reader.read_to_string(&mut body).unwrap();
        assert_eq!(body, "hello");
        assert_eq!(reader.next_entry().unwrap().unwrap().kind, EntryKind::Symlink(target.into_bytes()));
        assert_eq!(reader.next_entry().unwrap(), None);
    }
}
