//! The files of an archive, by path, whatever holds them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat2},
    io::Errno,
};

use super::missing;
use crate::{
    error::{ImageError, Refusal, refusal_of},
    limits::ImageLimits,
    stream::LayerStream,
    tar::{Entry, EntryKind, EntryName, TarReader},
};

/// Links from one entry to another in a row; `docker save` makes one.
const LINKS_MAX: usize = 4;

/// Entries of an archive: a few for each layer. Far below what a layer may have.
const ENTRIES_MAX: u64 = 100_000;

/// An archive opened for reading.
pub(crate) enum ArchiveFiles {
    Directory(OwnedFd),
    Tar { file: File, places: BTreeMap<String, Place> },
}

/// Where an entry of a tar is.
pub(crate) enum Place {
    File { offset: u64, size: u64 },
    Link(String),
}

impl ArchiveFiles {
    /// A directory is used as it is, a tar is indexed; a packed tar is unpacked into a nameless file in `tmp` first.
    pub(super) fn open(path: &Path, limits: &ImageLimits, tmp: &Path) -> Result<ArchiveFiles, ImageError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => ImageError::NotFound(path.display().to_string()),
            errno => ImageError::io("open", path)(errno.into()),
        })?;
        let file = File::from(opened);
        let seen = file.metadata().map_err(ImageError::io("look at", path))?;
        if seen.is_dir() {
            return Ok(ArchiveFiles::Directory(file.into()));
        }
        if !seen.is_file() {
            return Err(ImageError::Invalid(format!("{} is neither a file nor a directory", path.display())));
        }
        index(file, limits, tmp).map_err(|error| match refusal_of(error) {
            Ok(refusal) => ImageError::refused(path.display().to_string())(refusal),
            Err(error) => ImageError::io("read", path)(error),
        })
    }

    /// The entries of a tar that is not packed.
    pub(crate) fn of_tar(file: File, limits: &ImageLimits) -> Result<ArchiveFiles, ImageError> {
        entries(file, limits).map_err(|error| match refusal_of(error) {
            Ok(refusal) => ImageError::refused("an archive")(refusal),
            Err(error) => ImageError::io("read", Path::new("an archive"))(error),
        })
    }

    /// Opens a file of the archive; its size is where it really ends.
    pub(crate) fn open_file(&self, path: &str) -> Result<(Box<dyn Read + '_>, u64), ImageError> {
        let refused = |refusal| ImageError::refused("a file")(refusal);
        let name = EntryName::parse(path.as_bytes(), &ImageLimits::default()).map_err(refused)?;
        match self {
            ArchiveFiles::Directory(directory) => open_beneath(directory, name.as_str()),
            ArchiveFiles::Tar { file, places } => {
                let (offset, size) = find(places, name.as_str()).map_err(refused)?;
                Ok((Box::new(Part { file, offset, end: offset.saturating_add(size) }), size))
            }
        }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.open_file(path).is_ok()
    }

    /// The whole of a small file.
    pub(super) fn document(&self, path: &str, limits: &ImageLimits) -> Result<Vec<u8>, ImageError> {
        let (stream, size) = self.open_file(path)?;
        if size > limits.document_bytes {
            let refusal = Refusal::FileTooLarge { name: path.to_owned(), max: limits.document_bytes };
            return Err(ImageError::refused("a document")(refusal));
        }
        let mut bytes = Vec::new();
        stream
            .take(limits.document_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(ImageError::io("read", Path::new(path)))?;
        Ok(bytes)
    }
}

/// Opens a regular file beneath a directory and through no link.
fn open_beneath(directory: &OwnedFd, path: &str) -> Result<(Box<dyn Read>, u64), ImageError> {
    let walls = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let refused = |refusal| ImageError::refused("a file")(refusal);
    let opened = openat2(directory, path, flags, Mode::empty(), walls).map_err(|errno| match errno {
        Errno::NOENT => refused(missing(path)),
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO => {
            refused(Refusal::ThroughNonDirectory(path.to_owned()))
        }
        errno => ImageError::io("open", Path::new(path))(errno.into()),
    })?;
    let file = File::from(opened);
    let seen = file.metadata().map_err(ImageError::io("look at", Path::new(path)))?;
    if !seen.is_file() {
        return Err(refused(missing(path)));
    }
    Ok((Box::new(file), seen.len()))
}

fn index(mut file: File, limits: &ImageLimits, tmp: &Path) -> io::Result<ArchiveFiles> {
    let mut magic = [0_u8; 4];
    let read = file.read(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let packed = magic[..read].starts_with(&[0x1f, 0x8b]) || magic[..read] == [0x28, 0xb5, 0x2f, 0xfd];
    entries(if packed { unpacked(file, limits, tmp)? } else { file }, limits)
}

fn entries(file: File, limits: &ImageLimits) -> io::Result<ArchiveFiles> {
    let outer = ImageLimits { entries: ENTRIES_MAX, file_bytes: limits.archive_bytes, ..*limits };
    let mut places = BTreeMap::new();
    let mut tar =
        TarReader::new(BufReader::with_capacity(64 << 10, Part { file: &file, offset: 0, end: u64::MAX }), &outer);
    while let Some(entry) = tar.next_entry()? {
        let offset = tar.position();
        if let Some(place) = place_of(&entry, offset, &outer)?
            && places.insert(entry.name.to_string(), place).is_some()
        {
            return Err(Refusal::Duplicate(entry.name.to_string()).into());
        }
    }
    Ok(ArchiveFiles::Tar { file, places })
}

fn unpacked(file: File, limits: &ImageLimits, tmp: &Path) -> io::Result<File> {
    let bounded = ImageLimits { layer_bytes: limits.archive_bytes, ..*limits };
    let mut stream = LayerStream::new(file, &bounded)?;
    let mut whole = tempfile::tempfile_in(tmp)?;
    io::copy(&mut stream, &mut whole)?;
    whole.seek(SeekFrom::Start(0))?;
    Ok(whole)
}

fn place_of(entry: &Entry, offset: u64, limits: &ImageLimits) -> Result<Option<Place>, Refusal> {
    match &entry.kind {
        EntryKind::Directory => Ok(None),
        EntryKind::File => Ok(Some(Place::File { offset, size: entry.size })),
        EntryKind::HardLink(target) => {
            EntryName::parse(target, limits).map(|target| Some(Place::Link(target.to_string())))
        }
        EntryKind::Symlink(target) => {
            let target = entry.name.check_symlink(target, limits)?;
            let mut parts: Vec<&str> = entry.name.split().0.split('/').filter(|part| !part.is_empty()).collect();
            for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
                if part == ".." { parts.truncate(parts.len().saturating_sub(1)) } else { parts.push(part) }
            }
            Ok(Some(Place::Link(parts.join("/"))))
        }
    }
}

fn find(places: &BTreeMap<String, Place>, path: &str) -> Result<(u64, u64), Refusal> {
    let mut path = path;
    for _ in 0..=LINKS_MAX {
        match places.get(path) {
            Some(Place::File { offset, size }) => return Ok((*offset, *size)),
            Some(Place::Link(target)) => path = target,
            None => return Err(missing(path)),
        }
    }
    Err(Refusal::ThroughNonDirectory(path.to_owned()))
}

/// A range of a file, read without moving the file's position, so that readers do not disturb each other.
struct Part<'f> {
    file: &'f File,
    offset: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..want], self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
