//! The images on this machine's disk.
//!
//! ```text
//! lock                          held by the one process that has the store open
//! format.json                   version, how opaque directories are marked
//! names.json                    name → digest of the image
//! images/sha256/HEX.json        what an image consists of
//! layers/sha256/HEX/{fs,layer.json}   an unpacked layer, under the digest of its unpacked stream
//! top/fs                        the mount points that every sandbox needs; the topmost layer of every image
//! downloads/HEX                 a layer on its way in; kept for resuming until the next `gc`
//! tmp/                          work in progress; emptied at the next start
//! ```
//! Whatever is outside `tmp` and `downloads` got there whole, by a rename after everything was on disk.

mod catalog;
mod disk;
mod layer;
mod pin;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use catalog::{ImageCatalog, ImageEntry};
pub(crate) use layer::{LayerSource, Origin, PackedLayer};
pub(crate) use pin::Pin;
use pin::Pins;
pub(crate) use record::{Base, ImageRecord};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest, document::ImageConfig, error::ImageError, host::HOST_IMAGE, limits::ImageLimits, pull::Downloading,
    root::RootPlan, unpack::OpaqueMark,
};

const FORMAT_VERSION: u32 = 1;
const NAME_BYTES_MAX: usize = 512;

/// The images of one directory. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct ImageStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    mark: OpaqueMark,
    limits: ImageLimits,
    names: Mutex<BTreeMap<String, Digest>>,
    pins: Pins,
    downloading: Downloading,
    /// Held as long as the store is open.
    _lock: File,
}

/// What [`ImageStore::gc`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcReport {
    pub images: usize,
    pub layers: usize,
    /// Unpacked bytes of the removed layers.
    pub bytes: u64,
    /// Partial downloads.
    pub downloads: usize,
}

#[derive(Serialize, Deserialize)]
struct Format {
    version: u32,
    userxattr: bool,
}

impl ImageStore {
    /// Opens the store, making it where there is none, and removes what a crash left. Blocking.
    pub fn open(dir: &Path) -> Result<ImageStore, ImageError> {
        ImageStore::open_with(dir, ImageLimits::default())
    }

    /// The same with other bounds on images.
    pub fn open_with(dir: &Path, limits: ImageLimits) -> Result<ImageStore, ImageError> {
        disk::make_private(dir)?;
        let lock = disk::lock(dir)?;
        for part in ["images/sha256", "layers/sha256", "downloads", "tmp"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(ImageError::io("create", &path))?;
        }
        disk::empty(&dir.join("tmp"))?;
        let mark = open_format(dir)?;
        let names = ImageCatalog::of(dir).names()?;
        let shared = Shared {
            dir: dir.to_owned(),
            mark,
            limits,
            names: Mutex::new(names),
            pins: Pins::default(),
            downloading: Downloading::default(),
            _lock: lock,
        };
        let store = ImageStore { shared: Arc::new(shared) };
        store.make_top()?;
        Ok(store)
    }

    /// What is here, for readers without this handle too.
    #[must_use]
    pub fn catalog(&self) -> ImageCatalog {
        ImageCatalog::of(self.dir())
    }

    /// See [`ImageCatalog::list`].
    pub fn list(&self) -> Result<Vec<ImageEntry>, ImageError> {
        self.catalog().list()
    }

    /// See [`ImageCatalog::resolve`].
    pub fn resolve(&self, name: &str) -> Result<RootPlan, ImageError> {
        self.catalog().resolve(name)
    }

    /// Takes a name away. The content stays until [`ImageStore::gc`].
    pub fn remove(&self, name: &str) -> Result<Digest, ImageError> {
        let mut names = self.names();
        let mut changed = names.clone();
        let digest = changed.remove(name).ok_or_else(|| ImageError::NotFound(name.to_owned()))?;
        disk::write_json(&self.dir().join("tmp"), &self.dir().join("names.json"), &changed)?;
        *names = changed;
        Ok(digest)
    }

    /// Removes every image that has no name and is not in `in_use`, every layer that no image is left for, and partial
    /// downloads. What an import or a pull is working on stays. Blocking.
    pub fn gc(&self, in_use: &BTreeSet<Digest>) -> Result<GcReport, ImageError> {
        // Holding the names keeps images from being named, and layers from being pinned, between looking and removing.
        let names = self.names();
        let mut report = GcReport::default();
        let mut needed: BTreeSet<String> = self.shared.pins.all();
        let kept: BTreeSet<&Digest> = names.values().chain(in_use).collect();
        for hex in disk::entries(&self.dir().join("images/sha256"))? {
            let path = self.dir().join("images/sha256").join(&hex);
            match kept.iter().find(|digest| hex == format!("{}.json", digest.hex())) {
                Some(digest) => {
                    needed.extend(self.catalog().record(digest)?.layers.iter().map(|layer| layer.hex().to_owned()))
                }
                None => {
                    fs::remove_file(&path).map_err(ImageError::io("remove", &path))?;
                    report.images += 1;
                }
            }
        }
        self.remove_layers(&needed, &mut report)?;
        for hex in disk::entries(&self.dir().join("downloads"))? {
            if !needed.contains(&hex) {
                let path = self.dir().join("downloads").join(hex);
                fs::remove_file(&path).map_err(ImageError::io("remove", &path))?;
                report.downloads += 1;
            }
        }
        drop(names);
        Ok(report)
    }

    /// Keeps content with these digests from [`ImageStore::gc`] until dropped.
    pub(crate) fn pin<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> Pin {
        let _names = self.names();
        self.shared.pins.pin(digests)
    }

    /// Writes an image down and gives it a name, replacing what had the name. All its layers must be there, pinned.
    pub(crate) fn name(&self, name: &str, record: &ImageRecord) -> Result<ImageEntry, ImageError> {
        check_name(name)?;
        let mut names = self.names();
        let tmp = self.dir().join("tmp");
        disk::write_json(&tmp, &self.catalog().record_path(&record.digest), record)?;
        let mut changed = names.clone();
        changed.insert(name.to_owned(), record.digest.clone());
        disk::write_json(&tmp, &self.dir().join("names.json"), &changed)?;
        *names = changed;
        let (digest, size_bytes) = (record.digest.clone(), record.size_bytes);
        Ok(ImageEntry { name: name.to_owned(), digest, size_bytes, layers: record.layers.len() })
    }

    /// What is to be written down about an image whose layers are all here.
    pub(crate) fn record_of(&self, digest: Digest, config: &ImageConfig) -> Result<ImageRecord, ImageError> {
        let ImageConfig { diff_ids, env, base, home } = config.clone();
        let size_bytes = diff_ids.iter().map(|layer| self.layer_bytes(layer)).sum::<Result<u64, _>>()?;
        let home = diff_ids.last().filter(|_| home).cloned();
        Ok(ImageRecord { digest, layers: diff_ids, env, size_bytes, base, home })
    }

    /// What is written down about the image with this name now.
    pub(crate) fn record_named(&self, name: &str) -> Result<ImageRecord, ImageError> {
        let digest = self.names().get(name).cloned().ok_or_else(|| ImageError::NotFound(name.to_owned()))?;
        self.catalog().record(&digest)
    }

    /// The attribute of directories that hide what lower layers have in them.
    pub(crate) fn opaque_attribute(&self) -> &'static str {
        self.shared.mark.attribute()
    }

    pub(crate) fn downloading(&self) -> &Downloading {
        &self.shared.downloading
    }

    pub(crate) fn limits(&self) -> &ImageLimits {
        &self.shared.limits
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.shared.dir
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Digest>> {
        // Nothing panics half-way through a change, so what a panicking thread left is whole.
        self.shared.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names are references, or what a person chose with the same letters. `host` is not to be had.
pub(crate) fn check_name(name: &str) -> Result<(), ImageError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@[]".contains(&byte));
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !plain {
        return Err(ImageError::Invalid(format!("{name:?} cannot be the name of an image")));
    }
    if name == HOST_IMAGE {
        return Err(ImageError::Invalid("`host` is the machine's own image; choose another name".into()));
    }
    Ok(())
}

/// Reads how opaque directories are marked here, or decides it once by trying.
fn open_format(dir: &Path) -> Result<OpaqueMark, ImageError> {
    let path = dir.join("format.json");
    let trusted = layer::trusted_works(&dir.join("tmp"))?;
    let Some(format) = disk::read_json::<Format>(&path)? else {
        disk::write_json(&dir.join("tmp"), &path, &Format { version: FORMAT_VERSION, userxattr: !trusted })?;
        return Ok(if trusted { OpaqueMark::Trusted } else { OpaqueMark::User });
    };
    match (format.version, format.userxattr) {
        (FORMAT_VERSION, true) => Ok(OpaqueMark::User),
        (FORMAT_VERSION, false) if trusted => Ok(OpaqueMark::Trusted),
        (FORMAT_VERSION, false) => Err(ImageError::Invalid(format!(
            "{} was made with privileges that are missing now; use another directory",
            dir.display()
        ))),
        (version, _) => Err(ImageError::Invalid(format!("{} has the unknown format {version}", dir.display()))),
    }
}
