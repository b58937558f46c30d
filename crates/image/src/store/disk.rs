//! Files that are there whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::ImageError;

/// Bytes of one of our own files; `names.json` of a million names fits.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Makes a directory that only we may enter: images hold other people's files.
pub(super) fn make_private(dir: &Path) -> Result<(), ImageError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(ImageError::io("create", dir))
}

pub(super) fn lock(dir: &Path) -> Result<File, ImageError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(ImageError::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ImageError::Busy(dir.to_owned())),
        Err(errno) => Err(ImageError::io("lock", &path)(errno.into())),
    }
}

/// Removes all that is in a directory. Links are removed, not followed.
pub(super) fn empty(dir: &Path) -> Result<(), ImageError> {
    for name in entries(dir)? {
        let path = dir.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        removed.map_err(ImageError::io("remove", &path))?;
    }
    Ok(())
}

pub(super) fn entries(dir: &Path) -> Result<Vec<String>, ImageError> {
    let listed = fs::read_dir(dir).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let listed = listed.map_err(ImageError::io("list", dir))?;
    Ok(listed.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ImageError> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(ImageError::io("open", path))?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(ImageError::io("read", path))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ImageError::Invalid(format!("{} is too large", path.display())));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| ImageError::io("read", path)(error.into()))
}

/// Writes beside, syncs, renames, syncs the directory.
pub(super) fn write_json<T: Serialize>(tmp: &Path, path: &Path, value: &T) -> Result<(), ImageError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| ImageError::io("write", path)(error.into()))?;
    let mut file = tempfile::NamedTempFile::new_in(tmp).map_err(ImageError::io("create a file in", tmp))?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(ImageError::io("write", path))?;
    file.persist(path).map_err(|error| ImageError::io("rename to", path)(error.error))?;
    sync_parent(path)
}

pub(super) fn sync_parent(path: &Path) -> Result<(), ImageError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(ImageError::io("sync", parent))
}
