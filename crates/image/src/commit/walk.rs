//! Reads a guest's directory into a layer. The guest made all of it: each step goes through a descriptor, beneath the one before it, through
//! no link and onto no other file system.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, readlinkat, statat},
    io::Errno,
};
use sha2::{Digest as _, Sha256};

use super::{
    CommitLimits, HOME, LeftOut, Told,
    secret::{Scanner, Secret},
};
use crate::{
    digest::Digest,
    error::{ImageError, Refusal},
    export::{Counted, Hashing},
    limits::ImageLimits,
    tar::{EntryName, Kind, TarWriter, Written},
    unpack::kept_mode,
};

const WALLS: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Not blocking: a pipe in the place of a file must not hold us.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const OPAQUE: &str = ".wh..wh..opq";
const WHITEOUT: &[u8] = b".wh.";

pub(super) struct Walked {
    pub diff_id: Digest,
    pub layer_bytes: u64,
    pub bytes: u64,
    pub entries: u64,
    pub left_out: Told<LeftOut>,
    pub secrets: Told<Secret>,
}

type Out<'f> = BufWriter<Counted<Hashing<&'f File>>>;

struct Walk<'a> {
    tar: TarWriter<Out<'a>>,
    limits: &'a CommitLimits,
    names: &'a ImageLimits,
    bytes: u64,
    entries: u64,
    left_out: Told<LeftOut>,
    secrets: Told<Secret>,
    /// Files with several names, by number: the first name.
    linked: BTreeMap<u64, String>,
}

pub(super) fn pack(
    home: OwnedFd,
    layer: &File,
    limits: &CommitLimits,
    names: &ImageLimits,
) -> Result<Walked, ImageError> {
    let out = BufWriter::with_capacity(1 << 20, Counted::new(Hashing { to: layer, hash: Sha256::new() }));
    let mut walk = Walk {
        tar: TarWriter::new(out),
        limits,
        names,
        bytes: 0,
        entries: 0,
        left_out: Told::default(),
        secrets: Told::default(),
        linked: BTreeMap::new(),
    };
    walk.put("home/", Kind::Directory, 0o755, 0)?;
    walk.put(&format!("{HOME}/"), Kind::Directory, 0o755, 0)?;
    walk.put(&format!("{HOME}/{OPAQUE}"), Kind::File(0), 0o644, 0)?;
    walk.directory(&home, HOME)?;
    let Walk { tar, bytes, entries, left_out, secrets, .. } = walk;
    let mut out = tar.finish().map_err(writing)?;
    out.flush().map_err(writing)?;
    let counted = out.into_inner().map_err(|error| writing(error.into_error()))?;
    let (layer_bytes, diff_id) = (counted.bytes, Digest::finish(counted.to.hash));
    Ok(Walked { diff_id, layer_bytes, bytes, entries, left_out, secrets })
}

fn writing(error: io::Error) -> ImageError {
    ImageError::io("write", Path::new("a layer"))(error)
}

impl Walk<'_> {
    fn directory(&mut self, directory: &OwnedFd, above: &str) -> Result<(), ImageError> {
        for name in self.names_in(directory, above)? {
            let shown = name.to_string_lossy();
            let path = format!("{above}/{shown}");
            // Gone since it was listed, if nobody holds the guest still.
            let Ok(seen) = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if let Some(why) = self.unfit(&name, &path) {
                self.leave(&path, why);
                continue;
            }
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(ImageError::refused("the work directory")(Refusal::TooManyEntries(self.limits.entries)));
            }
            match FileType::from_raw_mode(seen.st_mode) {
                FileType::Directory => self.below(directory, &name, &path, &seen)?,
                FileType::RegularFile => self.file(directory, &name, &path)?,
                FileType::Symlink => self.symlink(directory, &name, &path)?,
                FileType::Socket => self.leave(&path, "a socket"),
                FileType::Fifo => self.leave(&path, "a named pipe"),
                _ => self.leave(&path, "a device"),
            }
        }
        Ok(())
    }

    /// In the order of their names.
    fn names_in(&self, directory: &OwnedFd, above: &str) -> Result<Vec<CString>, ImageError> {
        let failed = |errno: Errno| ImageError::io("list", Path::new(above))(errno.into());
        let left = usize::try_from(self.limits.entries.saturating_sub(self.entries)).unwrap_or(usize::MAX);
        let mut names = Vec::new();
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            if names.len() >= left {
                return Err(ImageError::refused("the work directory")(Refusal::TooManyEntries(self.limits.entries)));
            }
            names.push(entry.file_name().to_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Why no image can have an entry of this name.
    fn unfit(&self, name: &CString, path: &str) -> Option<&'static str> {
        if name.to_str().is_err() {
            return Some("its name is not UTF-8");
        }
        if name.to_bytes().starts_with(WHITEOUT) {
            return Some("in an image its name means that something is not there");
        }
        EntryName::parse(path.as_bytes(), self.names).is_err().then_some("it is too deep or its path too long")
    }

    fn below(&mut self, above: &OwnedFd, name: &CString, path: &str, seen: &Stat) -> Result<(), ImageError> {
        match openat2(above, name, DIRECTORY, Mode::empty(), WALLS) {
            Ok(opened) => {
                self.put(&format!("{path}/"), Kind::Directory, kept_mode(seen.st_mode, FileType::Directory), 0)?;
                self.directory(&opened, path)
            }
            Err(Errno::XDEV) => {
                self.leave(path, "a folder is mounted there");
                Ok(())
            }
            Err(errno) => self.unreadable(path, errno),
        }
    }

    fn file(&mut self, above: &OwnedFd, name: &CString, path: &str) -> Result<(), ImageError> {
        let opened = match openat2(above, name, FILE, Mode::empty(), WALLS) {
            Ok(opened) => opened,
            Err(errno) => return self.unreadable(path, errno),
        };
        let failed = |errno: Errno| ImageError::io("look at", Path::new(path))(errno.into());
        let seen = fstat(&opened).map_err(failed)?;
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
            self.leave(path, "it changed its kind");
            return Ok(());
        }
        let (mode, mtime) = (kept_mode(seen.st_mode, FileType::RegularFile), seen.st_mtime as i64);
        if let Some(first) = self.linked.get(&seen.st_ino).cloned() {
            return self.put(path, Kind::HardLink(first.as_bytes()), mode, mtime);
        }
        let size = u64::try_from(seen.st_size).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(ImageError::refused("the work directory")(Refusal::TooLarge(self.limits.bytes)));
        }
        let mut body = Scanner::new(File::from(opened), path.strip_prefix(HOME).unwrap_or(path));
        let entry = Written { name: path.as_bytes(), kind: Kind::File(size), mode, mtime };
        self.tar.entry(&entry, &mut body).map_err(ImageError::io("read", Path::new(path)))?;
        body.found().into_iter().for_each(|secret| self.secrets.add(secret));
        if seen.st_nlink > 1 {
            self.linked.insert(seen.st_ino, path.to_owned());
        }
        Ok(())
    }

    fn symlink(&mut self, above: &OwnedFd, name: &CString, path: &str) -> Result<(), ImageError> {
        let target = match readlinkat(above, name, Vec::new()) {
            Ok(target) => target,
            Err(errno) => return self.unreadable(path, errno),
        };
        let fits = EntryName::parse(path.as_bytes(), self.names)
            .is_ok_and(|name| name.check_symlink(target.to_bytes(), self.names).is_ok());
        if !fits {
            self.leave(path, "a link that leads out of the image");
            return Ok(());
        }
        self.put(path, Kind::Symlink(target.to_bytes()), 0o777, 0)
    }

    fn put(&mut self, name: &str, kind: Kind<'_>, mode: u32, mtime: i64) -> Result<(), ImageError> {
        let entry = Written { name: name.as_bytes(), kind, mode, mtime };
        self.tar.entry(&entry, &mut io::empty()).map_err(writing)
    }

    /// The guest took it away or forbade it between two looks, or it is no longer what it was.
    fn unreadable(&mut self, path: &str, errno: Errno) -> Result<(), ImageError> {
        match errno {
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::XDEV | Errno::ACCESS | Errno::PERM => {
                self.leave(path, "it cannot be opened");
                Ok(())
            }
            errno => Err(ImageError::io("open", Path::new(path))(errno.into())),
        }
    }

    fn leave(&mut self, path: &str, why: &'static str) {
        let path = path.strip_prefix(HOME).unwrap_or(path).trim_start_matches('/').to_owned();
        self.left_out.add(LeftOut { path, why });
    }
}
