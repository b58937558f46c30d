//! Tar streams, read one entry at a time with every amount bounded. Start at [`TarReader`].

mod extended;
mod header;
mod name;
mod write;

use std::io::{self, Read};

use extended::Extended;
use header::{BLOCK, Header};
pub use name::EntryName;
pub use write::{Kind, TarWriter, Written};

use crate::{error::Refusal, limits::ImageLimits};

/// Bytes of one extended header. A name takes 4 KiB at most; the rest are attributes that are dropped.
const EXTENDED_BYTES_MAX: u64 = 1 << 20;

/// Extended headers in a row before an entry.
const EXTENDED_RUN_MAX: usize = 8;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// With its target as it stands.
    Symlink(Vec<u8>),
    /// With the name of the entry it shares.
    HardLink(Vec<u8>),
}

/// One entry with a clean name. Devices, pipes, sparse files and unknown kinds never get this far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: EntryName,
    pub kind: EntryKind,
    pub mode: u32,
    pub mtime: i64,
    /// Of the body; zero unless it is a file.
    pub size: u64,
}

/// Reads entries from a stream. After [`TarReader::next_entry`] the body is read from the reader itself.
pub struct TarReader<'a, R> {
    stream: R,
    limits: &'a ImageLimits,
    /// Bytes of the current body not read yet, and of the padding after it.
    body: u64,
    padding: u64,
    entries: u64,
    /// Bytes consumed so far.
    position: u64,
}

impl<'a, R: Read> TarReader<'a, R> {
    pub fn new(stream: R, limits: &'a ImageLimits) -> TarReader<'a, R> {
        TarReader { stream, limits, body: 0, padding: 0, entries: 0, position: 0 }
    }

    /// The next entry, after skipping what is left of the last one; none at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        for _ in 0..EXTENDED_RUN_MAX {
            self.skip_body()?;
            let Some(header) = self.header()? else { return Ok(None) };
            match header.kind {
                b'x' => {
                    let records = self.extension(&header)?;
                    extended = Extended::parse(&records)?;
                }
                b'g' => {
                    let records = self.extension(&header)?;
                    if Extended::parse(&records)?.changes_entries() {
                        return Err(Refusal::BadHeader("a global header changes all entries").into());
                    }
                }
                b'L' => extended.name = Some(without_nul(self.extension(&header)?)),
                b'K' => extended.link = Some(without_nul(self.extension(&header)?)),
                _ => return self.entry(header, extended).map(Some),
            }
        }
        Err(Refusal::BadHeader("too many extended headers in a row").into())
    }

    /// Where the current body begins, in bytes from the start of the stream. Right after `next_entry` only.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn entry(&mut self, header: Header, extended: Extended) -> io::Result<Entry> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Refusal::TooManyEntries(self.limits.entries).into());
        }
        let raw = extended.name.unwrap_or(header.name);
        let name = EntryName::parse(&raw, self.limits)?;
        let shown = || name.to_string();
        if extended.sparse {
            return Err(Refusal::Sparse(shown()).into());
        }
        let link = extended.link.unwrap_or(header.link);
        let kind = match header.kind {
            // Before POSIX a directory was a file whose name ends in a slash.
            0 if raw.ends_with(b"/") => EntryKind::Directory,
            b'0' | b'7' | 0 => EntryKind::File,
            b'1' => EntryKind::HardLink(link),
            b'2' => EntryKind::Symlink(link),
            b'5' => EntryKind::Directory,
            b'3' | b'4' => return Err(Refusal::DeviceNode(shown()).into()),
            b'6' => return Err(Refusal::NamedPipe(shown()).into()),
            b'S' => return Err(Refusal::Sparse(shown()).into()),
            kind => return Err(Refusal::UnknownKind { name: shown(), kind: char::from(kind) }.into()),
        };
        let size = extended.size.unwrap_or(header.size);
        if kind != EntryKind::File && size != 0 {
            return Err(Refusal::BadHeader("something without contents has a size").into());
        }
        if size > self.limits.file_bytes {
            return Err(Refusal::FileTooLarge { name: shown(), max: self.limits.file_bytes }.into());
        }
        self.begin_body(size);
        Ok(Entry { name, kind, mode: header.mode, mtime: extended.mtime.unwrap_or(header.mtime), size })
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0_u8; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.stream.read(&mut block[filled..])? {
                // Some writers leave the closing zeros out; an archive may end between entries.
                0 if filled == 0 => return Ok(None),
                0 => return Err(Refusal::Truncated.into()),
                read => filled += read,
            }
        }
        self.position += BLOCK as u64;
        Ok(Header::parse(&block)?)
    }

    fn extension(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        if header.size > EXTENDED_BYTES_MAX {
            return Err(Refusal::BadHeader("an extended header is too large").into());
        }
        self.begin_body(header.size);
        let mut records = Vec::new();
        self.read_to_end(&mut records)?;
        Ok(records)
    }

    fn begin_body(&mut self, size: u64) {
        self.body = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_body(&mut self) -> io::Result<()> {
        io::copy(&mut Read::by_ref(self), &mut io::sink())?;
        let padding = io::copy(&mut Read::by_ref(&mut self.stream).take(self.padding), &mut io::sink())?;
        if padding < self.padding {
            return Err(Refusal::Truncated.into());
        }
        self.position += padding;
        self.padding = 0;
        Ok(())
    }
}

impl<R: Read> Read for TarReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.body).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let read = self.stream.read(&mut buffer[..want])?;
        if read == 0 {
            return Err(Refusal::Truncated.into());
        }
        self.body -= read as u64;
        self.position += read as u64;
        Ok(read)
    }
}

/// GNU's long names end in a NUL that is not part of them.
fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}
