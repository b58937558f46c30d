//! Layers on disk: unpacked in `tmp`, checked, synced, and only then renamed to the name that is their digest.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{XattrFlags, setxattr, syncfs},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{GcReport, ImageStore, disk};
use crate::{
    digest::Digest,
    error::{ImageError, Refusal, refusal_of},
    limits::ImageLimits,
    progress::Progress,
    root::MOUNT_POINTS,
    stream::{LayerRead, LayerStream},
    unpack::{OpaqueMark, unpack_layer},
};

/// A packed layer to be added.
pub(crate) struct LayerSource<R> {
    pub stream: R,
    /// What the unpacked stream must hash to; the layer's name.
    pub diff_id: Digest,
    pub origin: Origin,
}

/// What is known of the packed bytes.
pub(crate) enum Origin {
    /// They were promised to have this digest and size.
    Promised { digest: Digest, size: u64 },
    /// They are known to be right, or nothing is promised but the `diff_id`; the size is for showing progress.
    Unchecked { size: u64 },
}

#[derive(Serialize, Deserialize)]
struct LayerFacts {
    /// Of the unpacked stream.
    size_bytes: u64,
}

/// A layer as an export writes it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PackedLayer {
    pub digest: Digest,
    pub size: u64,
}

impl ImageStore {
    /// What an earlier export has found.
    pub(crate) fn packed_layer(&self, digest: &Digest) -> Result<Option<PackedLayer>, ImageError> {
        disk::read_json(&self.layer_dir(digest).join("packed.json"))
    }

    pub(crate) fn keep_packed_layer(&self, digest: &Digest, packed: &PackedLayer) -> Result<(), ImageError> {
        disk::write_json(&self.dir().join("tmp"), &self.layer_dir(digest).join("packed.json"), packed)
    }

    pub(super) fn layer_dir(&self, digest: &Digest) -> PathBuf {
        self.dir().join("layers/sha256").join(digest.hex())
    }

    /// What a layer unpacked to.
    pub(crate) fn layer_root(&self, digest: &Digest) -> PathBuf {
        self.layer_dir(digest).join("fs")
    }

    pub(crate) fn has_layer(&self, digest: &Digest) -> bool {
        self.layer_dir(digest).is_dir()
    }

    /// Unpacked bytes of a layer that is there.
    pub(crate) fn layer_bytes(&self, digest: &Digest) -> Result<u64, ImageError> {
        let facts: Option<LayerFacts> = disk::read_json(&self.layer_dir(digest).join("layer.json"))?;
        facts.map(|facts| facts.size_bytes).ok_or_else(|| ImageError::NotFound(format!("layer {digest}")))
    }

    /// Unpacks a layer unless it is there. Refused content leaves nothing behind. The caller has it pinned. Blocking.
    pub(crate) fn add_layer<R: Read>(&self, source: LayerSource<R>, progress: &Progress) -> Result<(), ImageError> {
        let LayerSource { stream, diff_id, origin } = source;
        if self.has_layer(&diff_id) {
            return Ok(());
        }
        let tmp = self.dir().join("tmp");
        let work = TempDir::new_in(&tmp).map_err(ImageError::io("create a directory in", &tmp))?;
        let root = work.path().join("fs");
        DirBuilder::new().mode(0o755).create(&root).map_err(ImageError::io("create", &root))?;
        let total = match &origin {
            Origin::Promised { size, .. } | Origin::Unchecked { size } => *size,
        };
        let watched = Shown { stream, progress, what: format!("unpack {diff_id}"), done: 0, total, told: 0 };
        let read = unpack_stream(watched, &root, self.shared.mark, self.limits()).and_then(|read| {
            check(&read, &diff_id, &origin).map(|()| read).map_err(ImageError::refused(format!("layer {diff_id}")))
        })?;
        disk::write_json(
            work.path(),
            &work.path().join("layer.json"),
            &LayerFacts { size_bytes: read.unpacked_bytes },
        )?;
        self.publish(work, &diff_id)
    }

    fn publish(&self, work: TempDir, diff_id: &Digest) -> Result<(), ImageError> {
        let path = self.layer_dir(diff_id);
        // One sync of the file system instead of one for each of a hundred thousand files.
        File::open(work.path()).and_then(|dir| Ok(syncfs(&dir)?)).map_err(ImageError::io("sync", work.path()))?;
        match fs::rename(work.path(), &path) {
            Ok(()) => {
                // It has left `tmp`; there is nothing for the guard to remove.
                let _gone = work.keep();
                disk::sync_parent(&path)
            }
            // Somebody else added the same layer meanwhile; ours goes.
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                Ok(())
            }
            Err(error) => Err(ImageError::io("rename to", &path)(error)),
        }
    }

    pub(super) fn remove_layers(&self, needed: &BTreeSet<String>, report: &mut GcReport) -> Result<(), ImageError> {
        let layers = self.dir().join("layers/sha256");
        for hex in disk::entries(&layers)? {
            if needed.contains(&hex) {
                continue;
            }
            let path = layers.join(&hex);
            let facts: Option<LayerFacts> = disk::read_json(&path.join("layer.json"))?;
            // Out of its name at once, so that a crash half-way leaves no layer with files missing.
            let doomed = self.dir().join("tmp").join(format!("removed-{hex}"));
            fs::rename(&path, &doomed).map_err(ImageError::io("rename", &path))?;
            fs::remove_dir_all(&doomed).map_err(ImageError::io("remove", &doomed))?;
            report.layers += 1;
            report.bytes += facts.map_or(0, |facts| facts.size_bytes);
        }
        Ok(())
    }

    /// Makes the topmost layer of every image: mount points, and files that a sandbox has whatever the image says.
    pub(super) fn make_top(&self) -> Result<(), ImageError> {
        let root = self.dir().join("top/fs");
        fs::create_dir_all(&root).map_err(ImageError::io("create", &root))?;
        for (path, mode) in MOUNT_POINTS {
            let path = root.join(path.trim_start_matches('/'));
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(ImageError::io("create", &path)(error));
                }
                _ => fs::set_permissions(&path, Permissions::from_mode(*mode))
                    .map_err(ImageError::io("set the mode of", &path))?,
            }
        }
        for (name, text) in TOP_FILES {
            let path = root.join(name);
            fs::write(&path, text).map_err(ImageError::io("write", &path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))
                .map_err(ImageError::io("set the mode of", &path))?;
        }
        Ok(())
    }
}

const TOP_FILES: [(&str, &str); 3] = [
    ("etc/resolv.conf", ""),
    ("etc/hostname", "madang\n"),
    ("etc/hosts", "127.0.0.1 localhost madang\n::1 localhost madang\n"),
];

fn unpack_stream(
    stream: impl Read,
    root: &Path,
    mark: OpaqueMark,
    limits: &ImageLimits,
) -> Result<LayerRead, ImageError> {
    let failed = |error: io::Error| match refusal_of(error) {
        Ok(refusal) => ImageError::refused("a layer")(refusal),
        Err(error) => ImageError::io("read a layer for", root)(error),
    };
    let mut stream = LayerStream::new(stream, limits).map_err(failed)?;
    unpack_layer(&mut stream, root, mark, limits)?;
    // What follows the tar's end is part of what the digests cover.
    stream.finish().map_err(failed)
}

fn check(read: &LayerRead, diff_id: &Digest, origin: &Origin) -> Result<(), Refusal> {
    if let Origin::Promised { digest, size } = origin {
        if read.packed_bytes != *size {
            return Err(Refusal::SizeMismatch { expected: *size });
        }
        if read.packed != *digest {
            return Err(Refusal::DigestMismatch { expected: digest.clone(), actual: read.packed.clone() });
        }
    }
    if read.unpacked != *diff_id {
        return Err(Refusal::DigestMismatch { expected: diff_id.clone(), actual: read.unpacked.clone() });
    }
    Ok(())
}

/// Whether directories can be marked with the attribute that guests cannot set.
pub(super) fn trusted_works(tmp: &Path) -> Result<bool, ImageError> {
    let probe = TempDir::new_in(tmp).map_err(ImageError::io("create a directory in", tmp))?;
    match setxattr(probe.path(), OpaqueMark::Trusted.attribute(), b"y", XattrFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(ImageError::io("mark", probe.path())(errno.into())),
    }
}

/// Tells how far reading has come, a hundred times at most.
struct Shown<'p, R> {
    stream: R,
    progress: &'p Progress,
    what: String,
    done: u64,
    total: u64,
    told: u64,
}

impl<R: Read> Read for Shown<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.done += read as u64;
        if read == 0 || self.done - self.told > self.total / 100 {
            self.told = self.done;
            self.progress.tell(&self.what, self.done, self.total);
        }
        Ok(read)
    }
}
