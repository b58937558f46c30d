//! Makes tars, layers and archives by hand, good ones and ones that no honest tool would write.

#![allow(dead_code)] // Every test binary uses a part of it.

use std::{fs, io::Write, path::Path};

use madang_image::{Digest, ImageError, ImageStore, Progress};
use serde_json::{Value, json};

/// A tar stream in the making. Every method adds one entry.
#[derive(Default, Clone)]
pub struct Tar {
    pub bytes: Vec<u8>,
}

impl Tar {
    pub fn file(self, name: &str, body: &[u8]) -> Tar {
        self.entry(name.as_bytes(), b'0', "", body.len() as u64, 0o644, body)
    }

    pub fn mode(self, name: &str, mode: u32, body: &[u8]) -> Tar {
        self.entry(name.as_bytes(), b'0', "", body.len() as u64, mode, body)
    }

    pub fn dir(self, name: &str, mode: u32) -> Tar {
        self.entry(name.as_bytes(), b'5', "", 0, mode, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(name.as_bytes(), b'2', target, 0, 0o777, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.entry(name.as_bytes(), b'1', target, 0, 0o644, b"")
    }

    pub fn kind(self, name: &str, kind: u8) -> Tar {
        self.entry(name.as_bytes(), kind, "", 0, 0o644, b"")
    }

    pub fn pax(self, key: &str, value: &[u8]) -> Tar {
        let mut record = [key.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = record.len() + 2;
        while length.to_string().len() + 1 + record.len() != length {
            length += 1;
        }
        record.splice(0..0, format!("{length} ").bytes());
        self.entry(b"pax", b'x', "", record.len() as u64, 0o644, &record)
    }

    /// An entry whose header may say anything; the body is padded to whole blocks.
    #[allow(clippy::too_many_arguments)] // A header's fields, in the header's order.
    pub fn entry(mut self, name: &[u8], kind: u8, link: &str, size: u64, mode: u32, body: &[u8]) -> Tar {
        if name.len() > 100 {
            self = self.entry(b"././@LongLink", b'L', "", name.len() as u64, 0o644, name);
        }
        let mut header = [0_u8; 512];
        let short = &name[..name.len().min(100)];
        header[..short.len()].copy_from_slice(short);
        header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        header[136..148].copy_from_slice(b"14000000000\0");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(body);
        let padded = self.bytes.len().div_ceil(512) * 512;
        self.bytes.resize(padded, 0);
        self
    }

    /// With the closing zeros.
    pub fn done(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// One layer: what is stored and what it unpacks to.
#[derive(Clone)]
pub struct Layer {
    pub packed: Vec<u8>,
    pub diff_id: Digest,
}

impl Layer {
    pub fn plain(tar: Vec<u8>) -> Layer {
        Layer { diff_id: Digest::of(&tar), packed: tar }
    }

    pub fn gzip(tar: &[u8]) -> Layer {
        Layer { diff_id: Digest::of(tar), packed: gzip(tar) }
    }

    pub fn zstd(tar: &[u8]) -> Layer {
        Layer { diff_id: Digest::of(tar), packed: zstd(tar) }
    }
}

pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub fn config_of(layers: &[Layer]) -> Value {
    let ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    json!({
        "architecture": architecture(), "os": "linux", "config": {"Env": ["PATH=/bin", "COLOR=green"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
    })
}

pub fn descriptor(media: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub fn manifest_of(config: &[u8], layers: &[Layer]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(LAYER, &layer.packed)).collect();
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config), "layers": layers})
}

/// An OCI layout whose manifest may be changed before it is written.
pub fn layout_with(dir: &Path, layers: &[Layer], change: impl FnOnce(&mut Value)) {
    let config = config_of(layers).to_string().into_bytes();
    let mut manifest = manifest_of(&config, layers);
    change(&mut manifest);
    let manifest = manifest.to_string().into_bytes();
    let mut top = descriptor(MANIFEST, &manifest);
    top["annotations"] = json!({"org.opencontainers.image.ref.name": "made:1"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    for blob in layers.iter().map(|layer| &layer.packed).chain([&config, &manifest]) {
        fs::write(dir.join("blobs/sha256").join(Digest::of(blob).hex()), blob).unwrap();
    }
}

pub fn layout(dir: &Path, layers: &[Layer]) {
    layout_with(dir, layers, |_| {});
}

/// The files of a directory as a tar.
pub fn tar_of(dir: &Path) -> Vec<u8> {
    let mut tar = Tar::default();
    for path in files(dir) {
        let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
        if path.is_file() {
            tar = tar.file(&name, &fs::read(&path).unwrap());
        }
    }
    tar.done()
}

/// Everything below a directory, links not followed, in order.
pub fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                left.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A store, with the directory it is in and one for archives beside it.
pub struct Ground {
    pub dir: tempfile::TempDir,
    pub store: ImageStore,
}

impl Ground {
    pub fn new() -> Ground {
        Ground::with(madang_image::ImageLimits::default())
    }

    pub fn with(limits: madang_image::ImageLimits) -> Ground {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::open_with(&dir.path().join("store"), limits).unwrap();
        Ground { dir, store }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Imports layers as an OCI layout under the name `made:1`.
    pub fn import(&self, layers: &[Layer]) -> Result<(), ImageError> {
        let archive = tempfile::tempdir_in(self.dir.path()).unwrap();
        layout(archive.path(), layers);
        self.store.import(archive.path(), None, &Progress::silent()).map(|_| ())
    }

    pub fn stored(&self) -> Vec<std::path::PathBuf> {
        files(&self.path("store"))
    }

    /// The unpacked layers of an image, lowest first, without the store's own.
    pub fn layers(&self, name: &str) -> Vec<std::path::PathBuf> {
        let mut layers = self.store.resolve(name).unwrap().layers;
        layers.pop();
        layers
    }
}
