//! Work on files beneath `/home/work`, as the guest, never following a path out of it and never waiting on what a guest planted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use madang_slot_api::{CommitWhen, Entry, EntryKind, FileAnswer, FileAsk, FileFault};
use rustix::{
    fs::{
        AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, fstat, mkdirat, openat2, renameat,
        renameat_with, statat, unlinkat,
    },
    io::Errno,
};

/// Entries of one page of a listing; a page fits a packet at the longest names used in practice, pages shrink if not.
const PAGE_BYTES_MAX: usize = 48 << 10;
/// Directories deeper than this are listed and removed no further.
const DEPTH_MAX: usize = 128;
/// A listing ends here, whatever lies below.
const ENTRIES_MAX: usize = 100_000;
/// So does one whose paths are this long together.
const LISTING_BYTES_MAX: usize = 8 << 20;

/// The part that `Put` writes to; nodes count theirs from 0.
const PUT_PART: u32 = u32::MAX;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// The work directory, held open from before any guest ran.
pub struct Files {
    work: OwnedFd,
}

/// What to say, and the descriptor that goes with it.
pub type Answer = (Result<FileAnswer, FileFault>, Option<OwnedFd>);

impl Files {
    pub fn open() -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { work: rustix::fs::open(crate::program::WORK, flags, Mode::empty())? })
    }

    pub fn answer(&self, ask: FileAsk) -> Answer {
        match ask {
            FileAsk::Read { path } => opened(self.read(&path)),
            FileAsk::Write { path, part } => opened(self.write(&path, part)),
            FileAsk::Put { path, bytes } => done(self.put(&path, &bytes)),
            FileAsk::Commit { path, part, when } => (self.commit(&path, part, when).map(FileAnswer::Opened), None),
            FileAsk::Discard { path, part } => done(self.discard(&path, part)),
            FileAsk::List { path, deep, after } => (self.list(&path, deep, after as usize), None),
            FileAsk::Remove { path } => done(self.remove(&path)),
            FileAsk::Home => opened(self.home()),
        }
    }

    fn read(&self, path: &str) -> Result<(Entry, OwnedFd), FileFault> {
        // Not blocking: a pipe planted under this name must not hold us.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat2(&self.work, path, flags, Mode::empty(), BENEATH).map_err(fault)?;
        let entry = entry(path.to_owned(), &fstat(&file).map_err(fault)?);
        if entry.kind == EntryKind::File { Ok((entry, file)) } else { Err(FileFault::NotFile) }
    }

    fn home(&self) -> Result<(Entry, OwnedFd), FileFault> {
        let directory = open_directory(self.work.as_fd(), ".", BENEATH)?;
        Ok((entry(String::new(), &fstat(&directory).map_err(fault)?), directory))
    }

    fn write(&self, path: &str, part: u32) -> Result<(Entry, OwnedFd), FileFault> {
        let (parent, name) = self.make_parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat2(&parent, partial(name, part), flags, Mode::from_raw_mode(0o644), BENEATH).map_err(fault)?;
        let entry = entry(path.to_owned(), &fstat(&file).map_err(fault)?);
        if entry.kind == EntryKind::File { Ok((entry, file)) } else { Err(FileFault::NotFile) }
    }

    /// A file that is like that already stays the same one: whoever knows it by its tag still does, and a build finds nothing new.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), FileFault> {
        if self.holds(path, bytes) {
            return Ok(());
        }
        let (_, file) = self.write(path, PUT_PART)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&file, rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) => {
                    let _ = self.discard(path, PUT_PART);
                    return Err(fault(error));
                }
            }
        }
        self.commit(path, PUT_PART, CommitWhen::Always).map(drop)
    }

    /// Whether a file of just these bytes is there. Whatever cannot be read without waiting is none.
    fn holds(&self, path: &str, bytes: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = openat2(&self.work, path, flags, Mode::empty(), BENEATH) else { return false };
        let alike = |stat: Stat| {
            entry(String::new(), &stat).kind == EntryKind::File && stat.st_size as u64 == bytes.len() as u64
        };
        if !fstat(&file).is_ok_and(alike) {
            return false;
        }
        let mut rest = bytes;
        let mut part = [0; 4096];
        while !rest.is_empty() {
            let Ok(count @ 1..) = rustix::io::read(&file, &mut part[..]) else { return false };
            let Some(left) = rest.strip_prefix(&part[..count]) else { return false };
            rest = left;
        }
        true
    }

    /// Init does one thing at a time, so nothing that comes through it gets between the look and the renaming; a program of the guest,
    /// which may write at any moment, can.
    fn commit(&self, path: &str, part: u32, when: CommitWhen) -> Result<Entry, FileFault> {
        let (parent, name) = self.make_parent(path)?;
        let from = partial(name, part);
        let written =
            openat2(&parent, &*from, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), BENEATH);
        let written = written.map_err(fault)?;
        let renamed = match when {
            CommitWhen::Always => renameat(&parent, &*from, &parent, name).map_err(fault),
            CommitWhen::Absent => match renameat_with(&parent, &*from, &parent, name, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => Err(FileFault::Changed),
                other => other.map_err(fault),
            },
            CommitWhen::Same { tag } if self.tag(path) == Some(tag) => {
                renameat(&parent, &*from, &parent, name).map_err(fault)
            }
            CommitWhen::Same { .. } => Err(FileFault::Changed),
        };
        if let Err(refused) = renamed {
            let _ = unlinkat(&parent, &*from, AtFlags::empty());
            return Err(refused);
        }
        Ok(entry(path.to_owned(), &fstat(&written).map_err(fault)?))
    }

    /// Of what reading `path` would give.
    fn tag(&self, path: &str) -> Option<u64> {
        let file = openat2(&self.work, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH).ok()?;
        Some(tag(&fstat(&file).ok()?))
    }

    fn discard(&self, path: &str, part: u32) -> Result<(), FileFault> {
        let (parent, name) = self.make_parent(path)?;
        unlinkat(&parent, partial(name, part), AtFlags::empty()).map_err(fault)
    }

    /// The directory that holds `path`, made where it is missing, and the name in it.
    fn make_parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), FileFault> {
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        if name.is_empty() || name == "." || name == ".." {
            return Err(FileFault::NotFile);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut reached = String::from(".");
        for part in directory.split('/').filter(|part| !part.is_empty() && *part != ".") {
            reached = format!("{reached}/{part}");
            match openat2(&self.work, &*reached, flags, Mode::empty(), BENEATH) {
                Err(Errno::NOENT) => {
                    let (above, last) = reached.rsplit_once('/').unwrap_or((".", part));
                    let above = openat2(&self.work, above, flags, Mode::empty(), BENEATH).map_err(fault)?;
                    mkdirat(&above, last, Mode::from_raw_mode(0o755)).map_err(fault)?;
                }
                opened => drop(opened.map_err(fault)?),
            }
        }
        let parent = openat2(&self.work, &*reached, flags, Mode::empty(), BENEATH).map_err(fault)?;
        Ok((parent, name))
    }

    fn list(&self, path: &str, deep: bool, after: usize) -> Result<FileAnswer, FileFault> {
        let path = path.trim_matches('/');
        let start = if path.is_empty() { "." } else { path };
        let directory = open_directory(self.work.as_fd(), start, BENEATH)?;
        let mut all = Vec::new();
        let prefix = if start == "." { String::new() } else { format!("{path}/") };
        let depth = if deep { DEPTH_MAX } else { 1 };
        let mut bytes_left = LISTING_BYTES_MAX;
        collect(directory.as_fd(), &prefix, depth, (&mut all, &mut bytes_left))?;
        let mut bytes = 0;
        let page = all.into_iter().skip(after);
        let mut page = page.peekable();
        let mut entries = Vec::new();
        while let Some(entry) = page.next_if(|entry| bytes + entry.path.len() + 64 < PAGE_BYTES_MAX) {
            bytes += entry.path.len() + 64;
            entries.push(entry);
        }
        Ok(FileAnswer::Listed { entries, more: page.peek().is_some() })
    }

    fn remove(&self, path: &str) -> Result<(), FileFault> {
        let path = path.trim_end_matches('/');
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        if name.is_empty() || name == "." || name == ".." {
            return Err(FileFault::NotFile);
        }
        let directory = if directory.is_empty() { "." } else { directory };
        let parent = open_directory(self.work.as_fd(), directory, BENEATH)?;
        remove_below(parent.as_fd(), name, DEPTH_MAX)
    }
}

fn opened(result: Result<(Entry, OwnedFd), FileFault>) -> Answer {
    match result {
        Ok((entry, file)) => (Ok(FileAnswer::Opened(entry)), Some(file)),
        Err(fault) => (Err(fault), None),
    }
}

fn done(result: Result<(), FileFault>) -> Answer {
    (result.map(|()| FileAnswer::Done), None)
}

/// What a file is called until all of it is here.
fn partial(name: &str, part: u32) -> String {
    // By a hash, so that names that begin alike stay apart.
    let hash = fnv(name.bytes());
    let short: String = name.chars().take(40).collect();
    format!(".{short}.{hash:016x}-{part:x}.madang-part")
}

/// FNV-1a.
fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn tag(stat: &Stat) -> u64 {
    let parts = [stat.st_dev, stat.st_ino, stat.st_size as u64, stat.st_ctime as u64, stat.st_ctime_nsec];
    fnv(parts.into_iter().flat_map(u64::to_le_bytes)) >> 1
}

fn open_directory(at: BorrowedFd<'_>, path: &str, resolve: ResolveFlags) -> Result<OwnedFd, FileFault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(at, path, flags, Mode::empty(), resolve).map_err(fault)
}

fn names(directory: BorrowedFd<'_>) -> Result<Vec<std::ffi::CString>, FileFault> {
    let entries = Dir::read_from(directory).map_err(fault)?.flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_owned()).take(ENTRIES_MAX).collect();
    names.retain(|name| name.as_bytes() != b"." && name.as_bytes() != b"..");
    names.sort();
    Ok(names)
}

fn collect(
    directory: BorrowedFd<'_>,
    prefix: &str,
    depth: usize,
    (into, bytes_left): (&mut Vec<Entry>, &mut usize),
) -> Result<(), FileFault> {
    for name in names(directory)? {
        if into.len() >= ENTRIES_MAX || *bytes_left == 0 {
            return Ok(());
        }
        // It may be gone by now; then it is not listed.
        let Ok(stat) = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let shown = name.to_string_lossy();
        let found = entry(format!("{prefix}{shown}"), &stat);
        let below = found.kind == EntryKind::Directory && depth > 1;
        let deeper = format!("{}/", found.path);
        *bytes_left = bytes_left.saturating_sub(found.path.len());
        into.push(found);
        if below && let Ok(child) = open_directory(directory, &shown, BENEATH | ResolveFlags::NO_SYMLINKS) {
            collect(child.as_fd(), &deeper, depth - 1, (into, bytes_left))?;
        }
    }
    Ok(())
}

fn remove_below(parent: BorrowedFd<'_>, name: &str, depth: usize) -> Result<(), FileFault> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        other => return other.map_err(fault),
    }
    if depth == 0 {
        return Err(FileFault::Other("too deep to remove".to_owned()));
    }
    let directory = open_directory(parent, name, BENEATH | ResolveFlags::NO_SYMLINKS)?;
    for child in names(directory.as_fd())? {
        match child.to_str() {
            Ok(child) => remove_below(directory.as_fd(), child, depth - 1)?,
            Err(_) => unlinkat(&directory, &child, AtFlags::empty()).map_err(fault)?,
        }
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(fault)
}

fn entry(path: String, stat: &Stat) -> Entry {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Other,
    };
    let modified_ms = (stat.st_mtime.max(0) as u64) * 1000 + stat.st_mtime_nsec / 1_000_000;
    Entry { path, kind, size: stat.st_size.max(0) as u64, mode: stat.st_mode & 0o7777, modified_ms, tag: tag(stat) }
}

fn fault(error: Errno) -> FileFault {
    match error {
        Errno::NOENT => FileFault::NotFound,
        Errno::XDEV | Errno::LOOP => FileFault::Outside,
        Errno::NOTDIR => FileFault::NotDirectory,
        Errno::ISDIR | Errno::NXIO => FileFault::NotFile,
        Errno::NOSPC | Errno::DQUOT => FileFault::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => FileFault::Denied,
        other => FileFault::Other(other.to_string()),
    }
}
