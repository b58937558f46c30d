//! Writes one layer below a directory of its own, as overlayfs wants it.
//!
//! The directory is fresh and private to us; every path is opened with `openat2` beneath it and through no link, so nothing an
//! archive says can lead elsewhere. What is kept of an entry: contents, permission bits without setuid and setgid, time of
//! change. What is not: owners (all is ours, and what its owner may read everybody may), extended attributes, device nodes.
//! Start at [`unpack_layer`].

mod beneath;

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
    path::Path,
};

use beneath::Beneath;
use rustix::{fs::FileType, io::Errno};

use crate::{
    error::{ImageError, Refusal, refusal_of},
    limits::ImageLimits,
    tar::{Entry, EntryKind, EntryName, TarReader},
};

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// Bookkeeping of the file system that whiteouts come from; means nothing elsewhere.
const WHITEOUT_PRIVATE: &str = ".wh..wh.";
const COPY_BYTES: usize = 128 << 10;

/// How a directory is marked as hiding what lower layers have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpaqueMark {
    /// `trusted.overlay.opaque`: needs privilege over the machine.
    Trusted,
    /// `user.overlay.opaque`: overlayfs must be mounted with `userxattr`.
    User,
}

impl OpaqueMark {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            OpaqueMark::Trusted => "trusted.overlay.opaque",
            OpaqueMark::User => "user.overlay.opaque",
        }
    }
}

/// Why unpacking stopped: the archive's fault or the machine's.
enum Stop {
    Refused(Refusal),
    Io(io::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Stop {
        Stop::Io(error.into())
    }
}

/// Reads a whole tar stream and writes it below `root`, an empty directory. On failure the caller removes `root`.
pub(crate) fn unpack_layer(
    stream: &mut impl Read,
    root: &Path,
    mark: OpaqueMark,
    limits: &ImageLimits,
) -> Result<(), ImageError> {
    let outcome = Beneath::open(root).map_err(Stop::from).and_then(|beneath| {
        let mut unpacker =
            Unpacker { beneath, mark, whiteouts: Vec::new(), opaques: Vec::new(), buffer: vec![0; COPY_BYTES] };
        unpacker.run(TarReader::new(stream, limits), limits)
    });
    outcome.map_err(|stop| match stop {
        Stop::Refused(refusal) => ImageError::refused("a layer")(refusal),
        Stop::Io(error) => ImageError::io("unpack into", root)(error),
    })
}

struct Unpacker {
    beneath: Beneath,
    mark: OpaqueMark,
    /// Applied last, since a whiteout concerns lower layers only, wherever in its own layer it stands.
    whiteouts: Vec<EntryName>,
    opaques: Vec<String>,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn run<R: Read>(&mut self, mut tar: TarReader<'_, R>, limits: &ImageLimits) -> Result<(), Stop> {
        while let Some(entry) = tar.next_entry().map_err(stop_of)? {
            self.entry(&entry, &mut tar, limits)?;
        }
        for whiteout in std::mem::take(&mut self.whiteouts) {
            self.apply_whiteout(&whiteout)?;
        }
        for directory in std::mem::take(&mut self.opaques) {
            self.beneath.mark_opaque(&directory, self.mark).map_err(|errno| through(errno, &directory))?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, body: &mut impl Read, limits: &ImageLimits) -> Result<(), Stop> {
        let name = &entry.name;
        if let Some(found) = whiteout_of(name, limits)? {
            match found {
                Whiteout::Of(hidden) => self.whiteouts.push(hidden),
                Whiteout::AllBelow(directory) => self.opaques.push(directory),
                Whiteout::Private => {}
            }
            return Ok(());
        }
        if name.is_root() {
            return if entry.kind == EntryKind::Directory { Ok(()) } else { Err(Refusal::EmptyName.into()) };
        }
        match &entry.kind {
            EntryKind::Directory => self.beneath.directory(name, mode_of(entry)).map_err(|errno| taken(errno, name)),
            EntryKind::File => self.file(entry, body),
            EntryKind::Symlink(target) => {
                let target = name.check_symlink(target, limits)?;
                self.beneath.symlink(name, &target).map_err(|errno| taken(errno, name))
            }
            EntryKind::HardLink(target) => self.hard_link(name, target, limits),
        }
    }

    fn file(&mut self, entry: &Entry, body: &mut impl Read) -> Result<(), Stop> {
        let file = self.beneath.create(&entry.name).map_err(|errno| taken(errno, &entry.name))?;
        loop {
            let read = body.read(&mut self.buffer).map_err(stop_of)?;
            if read == 0 {
                break;
            }
            write_all(&file, &self.buffer[..read])?;
        }
        beneath::settle(&file, mode_of(entry), entry.mtime)?;
        Ok(())
    }

    fn hard_link(&mut self, name: &EntryName, target: &[u8], limits: &ImageLimits) -> Result<(), Stop> {
        let refused = || Refusal::HardLinkTarget {
            name: name.to_string(),
            target: String::from_utf8_lossy(&target[..target.len().min(200)]).into_owned(),
        };
        // A bad target is refused for what is wrong with it as a name.
        let target = EntryName::parse(target, limits)?;
        if target.is_root() {
            return Err(refused().into());
        }
        match self.beneath.kind(&target) {
            Ok(FileType::RegularFile) => self.beneath.hard_link(name, &target).map_err(|errno| taken(errno, name)),
            Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => Err(refused().into()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn apply_whiteout(&mut self, hidden: &EntryName) -> Result<(), Stop> {
        match self.beneath.kind(hidden) {
            // The layer has a directory of its own there: only what lies below it in lower layers is hidden.
            Ok(FileType::Directory) => self.opaques.push(hidden.to_string()),
            // Anything else hides lower ones by being there. The same whiteout twice is one.
            Ok(_) => {}
            Err(Errno::NOENT) => self.beneath.whiteout(hidden).map_err(|errno| taken(errno, hidden))?,
            Err(errno) => return Err(through(errno, hidden.as_str())),
        }
        Ok(())
    }
}

enum Whiteout {
    Of(EntryName),
    AllBelow(String),
    Private,
}

fn whiteout_of(name: &EntryName, limits: &ImageLimits) -> Result<Option<Whiteout>, Refusal> {
    let (directory, last) = name.split();
    let bad = || Refusal::BadWhiteout(name.to_string());
    if directory.split('/').any(|part| part.starts_with(WHITEOUT) && !part.starts_with(WHITEOUT_PRIVATE)) {
        return Err(bad());
    }
    if last == OPAQUE {
        return Ok(Some(Whiteout::AllBelow(directory.to_owned())));
    }
    if name.as_str().split('/').any(|part| part.starts_with(WHITEOUT_PRIVATE)) {
        return Ok(Some(Whiteout::Private));
    }
    let Some(hidden) = last.strip_prefix(WHITEOUT) else { return Ok(None) };
    if matches!(hidden, "" | "." | "..") {
        return Err(bad());
    }
    let full = if directory.is_empty() { hidden.to_owned() } else { format!("{directory}/{hidden}") };
    EntryName::parse(full.as_bytes(), limits).map(|hidden| Some(Whiteout::Of(hidden)))
}

/// Permission bits as they are kept: no setuid, no setgid; the owner's read and execute bits for everybody, since owners are
/// not kept and an image holds nothing that its own programs may not read; directories always ours to change.
pub(crate) fn kept_mode(mode: u32, kind: FileType) -> u32 {
    // What is kept once and kept again is the same: the owner's part counts after it was completed.
    let (least, also) = if kind == FileType::Directory { (0o700, 0o1000) } else { (0o400, 0) };
    let full = (mode & 0o777) | least;
    let owner = full & 0o500;
    full | owner >> 3 | owner >> 6 | mode & also
}

fn mode_of(entry: &Entry) -> u32 {
    let kind = if entry.kind == EntryKind::Directory { FileType::Directory } else { FileType::RegularFile };
    kept_mode(entry.mode, kind)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn stop_of(error: io::Error) -> Stop {
    match refusal_of(error) {
        Ok(refusal) => Stop::Refused(refusal),
        Err(error) => Stop::Io(error),
    }
}

/// A name that could not be made: because it is there already, or because of what it goes through.
fn taken(errno: Errno, name: &EntryName) -> Stop {
    match errno {
        Errno::EXIST => Refusal::Duplicate(name.to_string()).into(),
        errno => through(errno, name.as_str()),
    }
}

fn through(errno: Errno, name: &str) -> Stop {
    match errno {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Refusal::ThroughNonDirectory(name.to_owned()).into(),
        errno => errno.into(),
    }
}
