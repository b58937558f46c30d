//! Reading the store. Needs no lock: whatever is found under its name is whole, and content changes its name with itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Format, disk,
    record::{Base, ImageRecord},
};
use crate::{
    commit::HOME,
    digest::Digest,
    error::{ImageError, Refusal},
    root::{Bind, MOUNT_POINTS, RootPlan},
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
        let record = self.record_named(name)?;
        self.plan(record)
    }

    /// The same, also of an image that is used over this machine's own, whose root is `host`. Blocking.
    pub fn resolve_over(&self, name: &str, host: &RootPlan) -> Result<RootPlan, ImageError> {
        let record = self.record_named(name)?;
        if record.base == Base::Layers {
            return self.plan(record);
        }
        let mut plan = RootPlan { digest: Some(record.digest.to_string()), ..host.clone() };
        plan.env.extend(record.env);
        if let Some(home) = record.home {
            let source = self.home_of(&home)?;
            plan.binds.push(Bind { source, target: format!("/{HOME}") });
        }
        Ok(plan)
    }

    /// The work directory in a layer. Whoever mounts it follows links, and what is in a layer is not ours: it must have none on the way.
    fn home_of(&self, layer: &Digest) -> Result<PathBuf, ImageError> {
        let mut reached = self.dir.join("layers/sha256").join(layer.hex()).join("fs");
        for part in HOME.split('/') {
            reached.push(part);
            let seen = std::fs::symlink_metadata(&reached).map_err(ImageError::io("look at", &reached))?;
            if !seen.is_dir() {
                return Err(ImageError::refused("a layer")(Refusal::ThroughNonDirectory(HOME.to_owned())));
            }
        }
        Ok(reached)
    }

    fn record_named(&self, name: &str) -> Result<ImageRecord, ImageError> {
        let digest = self.names()?.remove(name).ok_or_else(|| ImageError::NotFound(name.to_owned()))?;
        self.record(&digest)
    }

    fn plan(&self, record: ImageRecord) -> Result<RootPlan, ImageError> {
        if record.base == Base::Host {
            return Err(ImageError::Invalid("the image is one of this machine's own with a work directory".to_owned()));
        }
        let format: Option<Format> = disk::read_json(&self.dir.join("format.json"))?;
        let layer = |layer: &Digest| self.dir.join("layers/sha256").join(layer.hex()).join("fs");
        let mut layers: Vec<PathBuf> = record.layers_once().into_iter().map(layer).collect();
        layers.push(self.dir.join("top/fs"));
        Ok(RootPlan {
            digest: Some(record.digest.to_string()),
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
