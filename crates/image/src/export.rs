//! Images on their way out: an OCI layout in a tar, which any tool of containers reads, and [`ImageStore::import`] too.
//!
//! Layers are kept unpacked, so they are packed anew: what was dropped when they came in (owners, attributes) stays dropped, and their digests
//! are other ones than those they came with. The same image gives the same bytes every time. Start at [`ImageStore::export`].

mod layer;

use std::{
    fs::File,
    io::{self, Seek as _, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    digest::Digest,
    document::{HOME_LABEL, HOST_LABEL, Platform},
    error::ImageError,
    store::{Base, ImageRecord, ImageStore, PackedLayer, check_name},
    tar::{Kind, TarWriter, Written},
};

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Where importers look for an image's name.
const NAME: &str = "io.containerd.image.name";
const TAG: &str = "org.opencontainers.image.ref.name";

/// An image that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    pub name: String,
    /// Of the manifest in the archive.
    pub digest: Digest,
    /// Of the archive.
    pub size_bytes: u64,
    pub layers: usize,
}

/// Content as a manifest names it.
pub(crate) struct Blob {
    pub media: &'static str,
    pub digest: Digest,
    pub size: u64,
}

impl Blob {
    pub(crate) fn of(media: &'static str, bytes: &[u8]) -> Blob {
        Blob { media, digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media, "digest": self.digest, "size": self.size})
    }
}

/// What is said of an image on its way out.
pub(crate) struct Documents {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    /// One for each layer of the record, lowest first.
    pub layers: Vec<Blob>,
}

impl Documents {
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

impl ImageStore {
    /// Writes the image to a file, which must not be there yet; one that cannot be finished is removed. Blocking.
    pub fn export(&self, name: &str, path: &Path) -> Result<Exported, ImageError> {
        let file = File::create_new(path).map_err(ImageError::io("create", path))?;
        let written = self.export_to(name, &file).and_then(|exported| {
            file.sync_all().map_err(ImageError::io("sync", path))?;
            Ok(exported)
        });
        if written.is_err() {
            // It is ours: it was not there before.
            let _ = std::fs::remove_file(path);
        }
        written
    }

    /// Writes the image to a file that has no name and goes with whoever holds it; in it the image is called `shown`. Blocking.
    pub fn export_nameless(&self, name: &str, shown: &str) -> Result<(File, Exported), ImageError> {
        check_name(shown)?;
        let tmp = self.dir().join("tmp");
        let mut file = tempfile::tempfile_in(&tmp).map_err(ImageError::io("create a file in", &tmp))?;
        let exported = self.export_as(name, shown, &file)?;
        file.rewind().map_err(ImageError::io("read", &tmp))?;
        Ok((file, exported))
    }

    /// Writes the image to whoever takes it. Blocking.
    pub fn export_to(&self, name: &str, to: impl Write) -> Result<Exported, ImageError> {
        self.export_as(name, name, to)
    }

    fn export_as(&self, name: &str, shown: &str, to: impl Write) -> Result<Exported, ImageError> {
        let record = self.record_named(name)?;
        let _pin = self.pin(&record.layers);
        let documents = self.manifest_of(&record)?;
        let manifest = Blob::of(MANIFEST, &documents.manifest);
        let mut top = manifest.descriptor();
        top["annotations"] = json!({NAME: shown, TAG: shown});
        let index = document(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]}));
        let layout = document(&json!({"imageLayoutVersion": "1.0.0"}));
        let failed = || ImageError::io("write", Path::new(name));
        let mut tar = TarWriter::new(io::BufWriter::with_capacity(1 << 20, Counted::new(to)));
        for (name, bytes) in [("oci-layout", &layout), ("index.json", &index)] {
            file(&mut tar, name, bytes).map_err(failed())?;
        }
        for bytes in [&documents.manifest, &documents.config] {
            file(&mut tar, &blob_name(&Digest::of(bytes)), bytes).map_err(failed())?;
        }
        let mut written: Vec<&Digest> = Vec::new();
        for (layer, blob) in record.layers.iter().zip(&documents.layers) {
            if !written.contains(&&blob.digest) {
                self.write_layer(layer, blob, &mut tar)?;
                written.push(&blob.digest);
            }
        }
        let counted = tar.finish().and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error));
        let size_bytes = counted.map_err(failed())?.bytes;
        Ok(Exported { name: shown.to_owned(), digest: manifest.digest, size_bytes, layers: record.layers.len() })
    }

    /// What an export of the image says of it. Each layer is packed once to know its digest, which is kept beside it.
    pub(crate) fn manifest_of(&self, record: &ImageRecord) -> Result<Documents, ImageError> {
        let layers = record.layers.iter().map(|layer| self.measure(layer)).collect::<Result<Vec<_>, _>>()?;
        let config = config(record, &layers);
        let descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
        let manifest = document(&json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": Blob::of(CONFIG, &config).descriptor(),
            "layers": descriptors,
        }));
        Ok(Documents { config, manifest, layers })
    }

    /// The digest and the size of a layer as it will be written.
    fn measure(&self, layer: &Digest) -> Result<Blob, ImageError> {
        if let Some(PackedLayer { digest, size }) = self.packed_layer(layer)? {
            return Ok(Blob { media: LAYER, digest, size });
        }
        let mut hashed = Counted::new(Hashing { to: io::sink(), hash: Sha256::new() });
        self.pack_layer(layer, &mut hashed)?;
        let packed = PackedLayer { digest: Digest::finish(hashed.to.hash), size: hashed.bytes };
        self.keep_packed_layer(layer, &packed)?;
        Ok(Blob { media: LAYER, digest: packed.digest, size: packed.size })
    }

    fn write_layer<W: Write>(&self, layer: &Digest, blob: &Blob, tar: &mut TarWriter<W>) -> Result<(), ImageError> {
        let name = blob_name(&blob.digest);
        let entry = Written { name: name.as_bytes(), kind: Kind::File(blob.size), mode: 0o644, mtime: 0 };
        let mut hash = Sha256::new();
        tar.stream(&entry, |to| {
            let mut hashing = Hashing { to, hash: Sha256::new() };
            self.pack_layer(layer, &mut hashing).map_err(io::Error::other)?;
            hash = hashing.hash;
            Ok(())
        })
        .map_err(ImageError::io("write", Path::new(&name)))?;
        match Digest::finish(hash) == blob.digest {
            true => Ok(()),
            false => Err(ImageError::Invalid(format!("layer {layer} was changed while it was read"))),
        }
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn config(record: &ImageRecord, layers: &[Blob]) -> Vec<u8> {
    let here = Platform::here();
    let env: Vec<String> = record.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let ids: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let mut labels = serde_json::Map::new();
    if record.base == Base::Host {
        labels.insert(HOST_LABEL.to_owned(), "true".into());
    }
    if record.home.is_some() {
        labels.insert(HOME_LABEL.to_owned(), "true".into());
    }
    document(&json!({
        "architecture": here.architecture, "os": here.os, "config": {"Env": env, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": ids},
    }))
}

/// Keys come in the order of the alphabet, so the same document is the same bytes.
fn document(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn file<W: Write>(tar: &mut TarWriter<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let kind = Kind::File(bytes.len() as u64);
    tar.entry(&Written { name: name.as_bytes(), kind, mode: 0o644, mtime: 0 }, &mut &*bytes)
}

/// Counts what goes through it.
pub(crate) struct Counted<W> {
    pub to: W,
    pub bytes: u64,
}

impl<W> Counted<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, bytes: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Hashes what goes through it.
pub(crate) struct Hashing<W> {
    pub to: W,
    pub hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
