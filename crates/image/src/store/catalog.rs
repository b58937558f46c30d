//! Reading the store. Needs no lock: whatever is found under its name is whole, and content changes its name with itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Format, disk, record::ImageRecord};
use crate::{
    digest::Digest,
    error::ImageError,
    root::{MOUNT_POINTS, RootPlan},
};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images of a store as they are now, for any number of readers, also while another process pulls or imports.
#[derive(Debug, Clone)]
pub struct ImageCatalog {
    dir: PathBuf,
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEntry {
    pub name: String,
    pub digest: Digest,
    /// Of all its layers, unpacked; layers shared with other images count in each.
    pub size_bytes: u64,
    pub layers: usize,
}

impl ImageCatalog {
    /// Of the store in this directory. Where there is none there are no images.
    #[must_use]
    pub fn of(dir: &Path) -> ImageCatalog {
        ImageCatalog { dir: dir.to_owned() }
    }

    /// All names, in order. Blocking.
    pub fn list(&self) -> Result<Vec<ImageEntry>, ImageError> {
        let mut entries = Vec::new();
        for (name, digest) in self.names()? {
            match self.record(&digest) {
                Ok(record) => {
                    let layers = record.layers.len();
                    entries.push(ImageEntry { name, digest, size_bytes: record.size_bytes, layers });
                }
                // Removed and collected since the names were read.
                Err(ImageError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// The root of the image with this name. `plan.digest` says which it is now, for [`super::ImageStore::gc`] to know while
    /// it is in use. Blocking.
    pub fn resolve(&self, name: &str) -> Result<RootPlan, ImageError> {
        let digest = self.names()?.remove(name).ok_or_else(|| ImageError::NotFound(name.to_owned()))?;
        let format: Option<Format> = disk::read_json(&self.dir.join("format.json"))?;
        let record = self.record(&digest)?;
        let layer = |layer: &Digest| self.dir.join("layers/sha256").join(layer.hex()).join("fs");
        let mut layers: Vec<PathBuf> = record.layers_once().into_iter().map(layer).collect();
        layers.push(self.dir.join("top/fs"));
        Ok(RootPlan {
            digest: Some(digest.to_string()),
            layers,
            userxattr: format.is_some_and(|format| format.userxattr),
            directories: MOUNT_POINTS.iter().map(|(path, _)| (*path).to_owned()).collect(),
            env: environment(record.env),
            ..RootPlan::default()
        })
    }

    pub(super) fn names(&self) -> Result<BTreeMap<String, Digest>, ImageError> {
        Ok(disk::read_json(&self.dir.join("names.json"))?.unwrap_or_default())
    }

    pub(super) fn record(&self, digest: &Digest) -> Result<ImageRecord, ImageError> {
        disk::read_json(&self.record_path(digest))?.ok_or_else(|| ImageError::NotFound(digest.to_string()))
    }

    pub(super) fn record_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("images/sha256").join(format!("{}.json", digest.hex()))
    }
}

fn environment(mut env: BTreeMap<String, String>) -> BTreeMap<String, String> {
    env.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
    env.entry("LANG".into()).or_insert_with(|| "C.UTF-8".into());
    for (key, value) in [("HOME", "/home/work"), ("USER", "work"), ("LOGNAME", "work")] {
        env.insert(key.into(), value.into());
    }
    env
}
