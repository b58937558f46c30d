//! A directory as one file, written as it is read: nothing is kept but a part of a file, and for zip the list of what there was.
//!
//! What a file's size was when it was opened is what the archive holds of it, whatever happens to it meanwhile: what it gains is left out,
//! what it loses is zeros. So no program that writes into a folder can spoil the archive of it.

mod tar;
mod zip;

use std::{io, os::fd::OwnedFd, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use rustix::{
    fs::{FileType, Stat, fstat},
    io::pread,
};

use super::Hands;
use crate::{
    StorageError,
    tree::{EntryKind, Met, Tree, TreePath, Walk},
};
use tar::Tar;
use zip::Zip;

/// Written at once.
const BLOCK_BYTES: usize = 256 << 10;
/// Names that one archive holds; of those beyond it says that they were left out.
const ENTRIES_MAX: usize = 1_000_000;
/// What was left out is named up to so many.
const LEFT_OUT_MAX: usize = 1_000;
/// The entry that names what was left out.
const LEFT_OUT_NAME: &str = "MADANG-LEFT-OUT.txt";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    Zip,
    Tar,
}

impl ArchiveKind {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
        }
    }

    pub fn ending(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
        }
    }
}

/// What formats need to know of an entry.
struct Meta<'a> {
    /// Relative to the archive's top, with `/` between names and none at the end.
    name: &'a [u8],
    mode: u32,
    modified_s: i64,
}

/// How entries are written. Between `file_begin` and `file_end` come exactly as many bytes as were announced.
trait Format: Send {
    fn directory(&mut self, meta: &Meta<'_>, out: &mut Vec<u8>);
    fn link(&mut self, meta: &Meta<'_>, target: &[u8], out: &mut Vec<u8>);
    fn file_begin(&mut self, meta: &Meta<'_>, size: u64, out: &mut Vec<u8>);
    fn file_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>);
    fn file_end(&mut self, out: &mut Vec<u8>);
    fn end(&mut self, out: &mut Vec<u8>);
    /// So many bytes of `out` have been taken away.
    fn block_ends(&mut self, _bytes: u64) {}
    /// Whether there is room for one more.
    fn has_room(&self) -> bool {
        true
    }
}

/// An archive being written.
pub struct Archive {
    walk: Walk,
    top: TreePath,
    format: Box<dyn Format>,
    file: Option<Reading>,
    block: Vec<u8>,
    entries: usize,
    left_out: Vec<String>,
    left_out_count: usize,
    ended: bool,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("top", &self.top).field("entries", &self.entries).finish_non_exhaustive()
    }
}

struct Reading {
    fd: OwnedFd,
    at: u64,
    size: u64,
}

impl Archive {
    /// Of all beneath `top`, with names relative to it.
    pub fn of(tree: &Tree, top: &TreePath, kind: ArchiveKind) -> Result<Self, StorageError> {
        let format: Box<dyn Format> = match kind {
            ArchiveKind::Zip => Box::new(Zip::default()),
            ArchiveKind::Tar => Box::new(Tar::default()),
        };
        let walk = Walk::beneath(tree, top)?;
        Ok(Self {
            walk,
            top: top.clone(),
            format,
            file: None,
            block: vec![0; BLOCK_BYTES],
            entries: 0,
            left_out: Vec::new(),
            left_out_count: 0,
            ended: false,
        })
    }

    /// Block after block. The archive goes to a thread of `hands` for each and comes back with it.
    pub fn into_blocks(self, hands: Arc<Hands>) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold((self, hands), |(mut archive, hands)| async move {
            let filled = hands.run(move || {
                let block = archive.next_block();
                Ok((archive, block))
            });
            let (archive, block) = filled.await.map_err(io::Error::other)?;
            Ok(block.map(|block| (block, (archive, hands))))
        })
    }

    /// None behind the end. Blocking.
    fn next_block(&mut self) -> Option<Bytes> {
        let mut out = Vec::with_capacity(2 * BLOCK_BYTES);
        while out.len() < BLOCK_BYTES && !self.ended {
            match self.file.take() {
                Some(file) => self.go_on_with(file, &mut out),
                None => self.step(&mut out),
            }
        }
        self.format.block_ends(out.len() as u64);
        (!out.is_empty()).then(|| Bytes::from(out))
    }

    fn go_on_with(&mut self, mut file: Reading, out: &mut Vec<u8>) {
        let left = file.size - file.at;
        if left == 0 {
            return self.format.file_end(out);
        }
        let wanted = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
        let block = &mut self.block[..wanted];
        let read = pread(&file.fd, &mut *block, file.at).unwrap_or(0);
        // What a file has lost, or cannot be read of it.
        let bytes = if read == 0 { block.len() } else { read };
        if read == 0 {
            block.fill(0);
        }
        self.format.file_bytes(&block[..bytes], out);
        file.at += bytes as u64;
        self.file = Some(file);
    }

    fn step(&mut self, out: &mut Vec<u8>) {
        match self.walk.step() {
            None => self.end(out),
            Some(Met::Closed { path }) => self.leave_out(&path, "it could not be entered"),
            Some(Met::Entry { path, .. }) if self.entries >= ENTRIES_MAX || !self.format.has_room() => {
                self.leave_out(&path, "the archive is full, and this and all after it are left out");
                self.end(out);
            }
            Some(Met::Entry { path, stat }) => {
                self.entries += 1;
                if let Err(why) = self.entry(&path, &stat, out) {
                    self.leave_out(&path, why);
                }
            }
        }
    }

    fn entry(&mut self, path: &TreePath, stat: &Stat, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let skip = if self.top.is_top() { 0 } else { self.top.as_bytes().len() + 1 };
        let name = path.as_bytes().get(skip..).unwrap_or_default();
        let meta = |stat: &Stat| Meta { name, mode: stat.st_mode & 0o777, modified_s: stat.st_mtime };
        match EntryKind::of(stat) {
            EntryKind::Directory => self.format.directory(&meta(stat), out),
            EntryKind::Other => return Err("it is neither a file nor a directory"),
            EntryKind::Link => {
                let target = self.walk.link_target(path).map_err(|_| "it could not be read")?;
                if leads_out(name, &target) {
                    return Err("it is a link that leads out of the archive");
                }
                self.format.link(&meta(stat), &target, out);
            }
            EntryKind::File => {
                let fd = self.walk.open_file(path).map_err(|_| "it could not be opened")?;
                let stat = fstat(&fd).map_err(|_| "it could not be opened")?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err("it became something else");
                }
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                self.format.file_begin(&meta(&stat), size, out);
                self.file = Some(Reading { fd, at: 0, size });
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &TreePath, why: &str) {
        self.left_out_count += 1;
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(format!("{}: {why}\n", path.to_percent()));
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.left_out_count > 0 {
            let more = self.left_out_count - self.left_out.len();
            let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
            let text = format!("Not in this archive (paths are percent-encoded):\n{}{more}", self.left_out.concat());
            let meta = Meta { name: LEFT_OUT_NAME.as_bytes(), mode: 0o644, modified_s: 0 };
            self.format.file_begin(&meta, text.len() as u64, out);
            self.format.file_bytes(text.as_bytes(), out);
            self.format.file_end(out);
        }
        self.format.end(out);
        self.ended = true;
    }
}

/// Whether a link of this name could lead whoever unpacks the archive to somewhere else. It may go up before it goes down, for what is
/// above it is a directory. Up behind a name is nobody knows where: the name may be another link.
fn leads_out(name: &[u8], target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") {
        return true;
    }
    let depth = name.iter().filter(|byte| **byte == b'/').count();
    let parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let up = parts.clone().take_while(|part| *part == b"..").count();
    up > depth || parts.skip(up).any(|part| part == b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_known() {
        let out =
            [("a", "/etc/passwd"), ("a", "../x"), ("a/b", "../../x"), ("a", "b/../../x"), ("a", ""), ("a", "b/../x")];
        for (name, target) in out {
            assert!(leads_out(name.as_bytes(), target.as_bytes()), "{name} -> {target}");
        }
        for (name, target) in [("a", "b"), ("a/b", "../x"), ("a/b", ".."), ("a/b", "./../c/./d")] {
            assert!(!leads_out(name.as_bytes(), target.as_bytes()), "{name} -> {target}");
        }
    }
}
