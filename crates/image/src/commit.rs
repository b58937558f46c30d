//! Images made of sessions: what a sandbox has in its work directory becomes the topmost layer of a new image.
//!
//! A sandbox's root is read-only and its work directory is all that lasts of it, so that is all there is to commit. The layer holds the whole
//! of it and hides what lower layers have there: what a session removed stays away. Two steps: [`ImageStore::pack`] reads the guest's files
//! while it stands still, [`ImageStore::commit`] makes an image of what was read, when it goes on again.

mod secret;
mod walk;

use std::{collections::BTreeMap, fs::File, io::Seek as _, os::fd::OwnedFd};

pub use secret::Secret;

use crate::{
    digest::Digest,
    document::ImageConfig,
    error::ImageError,
    host::HOST_IMAGE,
    progress::Progress,
    store::{Base, ImageEntry, ImageRecord, ImageStore, LayerSource, Origin, Pin, check_name},
};

/// Where a sandbox's work directory is in an image, without the slash before it.
pub(crate) const HOME: &str = "home/work";
/// Names of what was left out, and of secrets, that are told; the others are counted.
pub const TOLD_MAX: usize = 100;

/// How much may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitLimits {
    /// Of all files together.
    pub bytes: u64,
    pub entries: u64,
}

/// Something of the session that is not in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the work directory; what is not UTF-8 of it is shown as such.
    pub path: String,
    pub why: &'static str,
}

/// A list of which the first [`TOLD_MAX`] are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    pub items: Vec<T>,
    /// Of all.
    pub count: u64,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { items: Vec::new(), count: 0 }
    }
}

impl<T> Told<T> {
    pub(crate) fn add(&mut self, item: T) {
        self.count += 1;
        if self.items.len() < TOLD_MAX {
            self.items.push(item);
        }
    }
}

/// What was read of a work directory: a layer, not in the store yet.
#[derive(Debug)]
pub struct Packed {
    layer: File,
    layer_bytes: u64,
    diff_id: Digest,
    /// Keeps the layer, once it is in the store, until the image has a name.
    _pin: Pin,
    /// Of the contents of files.
    pub bytes: u64,
    pub entries: u64,
    pub left_out: Told<LeftOut>,
    /// What looks like a secret. It is in the layer: whether that may be is the caller's to say.
    pub secrets: Told<Secret>,
}

impl ImageStore {
    /// Reads a work directory. It is the guest's: no path in it is followed, nothing in it is waited for, and each file is what it was when
    /// it was opened. Blocking.
    pub fn pack(&self, home: OwnedFd, limits: &CommitLimits) -> Result<Packed, ImageError> {
        let tmp = self.dir().join("tmp");
        let layer = tempfile::tempfile_in(&tmp).map_err(ImageError::io("create a file in", &tmp))?;
        let walked = walk::pack(home, &layer, limits, self.limits())?;
        let pin = self.pin([&walked.diff_id]);
        Ok(Packed {
            layer,
            layer_bytes: walked.layer_bytes,
            diff_id: walked.diff_id,
            _pin: pin,
            bytes: walked.bytes,
            entries: walked.entries,
            left_out: walked.left_out,
            secrets: walked.secrets,
        })
    }

    /// Makes an image of what was read and of the image that the session was made of. Blocking.
    pub fn commit(&self, name: &str, base: &str, packed: Packed) -> Result<ImageEntry, ImageError> {
        check_name(name)?;
        let Packed { mut layer, layer_bytes, diff_id, _pin, .. } = packed;
        let mut config = match base {
            HOST_IMAGE => ImageConfig { diff_ids: Vec::new(), env: BTreeMap::new(), base: Base::Host, home: true },
            base => self.record_named(base)?.into_config(),
        };
        let _pinned = self.pin(&config.diff_ids);
        layer.rewind().map_err(ImageError::io("read", self.dir()))?;
        let origin = Origin::Unchecked { size: layer_bytes };
        self.add_layer(LayerSource { stream: layer, diff_id: diff_id.clone(), origin }, &Progress::silent())?;
        if config.home {
            // The layer of an earlier commit shows nothing any more.
            config.diff_ids.pop();
        }
        config.diff_ids.push(diff_id);
        config.home = true;
        let mut record = self.record_of(Digest::of(b""), &config)?;
        record.digest = self.manifest_of(&record)?.digest();
        self.name(name, &record)
    }
}

impl ImageRecord {
    fn into_config(self) -> ImageConfig {
        ImageConfig { diff_ids: self.layers, env: self.env, base: self.base, home: self.home.is_some() }
    }
}
