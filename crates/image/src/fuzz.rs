//! What reads bytes from strangers, each as a function that takes any bytes and must neither panic, nor hang, nor take more than
//! its limits. Driven by `tests/fuzz.rs`, which needs no nightly compiler. Not part of the API.

use std::{fs, io::Read, path::Path};

use crate::{
    Reference,
    digest::Digest,
    document::{Document, ImageConfig, Platform, SavedImage},
    limits::ImageLimits,
    progress::Progress,
    registry::Challenge,
    store::{ImageStore, LayerSource, Origin},
    stream::LayerStream,
    tar::{EntryKind, EntryName, TarReader},
};

/// Small, so that bombs go off early and a round takes microseconds.
const LIMITS: ImageLimits = ImageLimits {
    layer_bytes: 1 << 20,
    file_bytes: 1 << 18,
    entries: 200,
    layers: 8,
    ratio: 100,
    ratio_free_bytes: 1 << 16,
    name_bytes: 1024,
    name_parts: 32,
    document_bytes: 1 << 16,
    archive_bytes: 1 << 20,
};

/// Reads a tar stream. Every name that comes out is clean, and bodies are as long as they say.
pub fn tar_reader(bytes: &[u8]) {
    let mut tar = TarReader::new(bytes, &LIMITS);
    let mut entries = 0;
    while let Ok(Some(entry)) = tar.next_entry() {
        entries += 1;
        assert!(entries <= LIMITS.entries, "more entries than allowed");
        check_name(&entry.name);
        if let EntryKind::Symlink(target) = &entry.kind {
            let _ = entry.name.check_symlink(target, &LIMITS);
        }
        let mut body = Vec::new();
        if tar.read_to_end(&mut body).is_ok() {
            assert_eq!(body.len() as u64, entry.size, "a body of another size");
        }
        assert!(tar.position() <= bytes.len() as u64, "past the end");
    }
}

fn check_name(name: &EntryName) {
    let path = Path::new(name.as_str());
    assert!(path.is_relative(), "{name:?} is absolute");
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    assert!(plain && !name.as_str().contains('\0'), "{name:?} is not clean");
}

/// Unpacks whatever compression it is, within the limits.
pub fn tar_stream(bytes: &[u8]) {
    let Ok(stream) = LayerStream::new(bytes, &LIMITS) else { return };
    if let Ok(read) = stream.finish() {
        assert!(read.unpacked_bytes <= LIMITS.layer_bytes, "more bytes than allowed");
        assert_eq!(read.packed, Digest::of(bytes), "not all was read");
    }
}

/// Adds a layer to a store in `ground` and looks whether anything outside of it changed.
pub fn tar_layer(ground: &Path, bytes: &[u8]) {
    let canary = ground.join("canary");
    fs::write(&canary, b"alive").expect("the test's own directory is writable");
    let store = ImageStore::open_with(&ground.join("store"), LIMITS).expect("the test's own store opens");
    // The right digest of the unpacked bytes, so that unpacking is not stopped by a wrong one.
    let diff_id = LayerStream::new(bytes, &LIMITS)
        .and_then(LayerStream::finish)
        .map_or_else(|_| Digest::of(bytes), |read| read.unpacked);
    let source = LayerSource { stream: bytes, diff_id: diff_id.clone(), origin: Origin::Unchecked { size: 0 } };
    let added = store.add_layer(source, &Progress::silent());
    assert_eq!(added.is_ok(), store.has_layer(&diff_id), "half a layer");
    assert_eq!(count(&ground.join("store/tmp")), 0, "something was left behind");
    assert_eq!(count(ground), 2, "something appeared beside the store");
    assert_eq!(fs::read(&canary).expect("the canary is there"), b"alive", "a file outside changed");
    store.gc(&std::collections::BTreeSet::new()).expect("the test's own store is writable");
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).expect("the test's own directory is readable").count()
}

/// Manifests, indexes, configurations, `manifest.json`.
pub fn oci_document(bytes: &[u8]) {
    if let Ok(Document::Manifest { layers, .. }) = Document::parse(bytes, &LIMITS) {
        assert!(layers.len() <= LIMITS.layers, "more layers than allowed");
    }
    let _ = SavedImage::parse_all(bytes, &LIMITS);
    if let Ok(config) = ImageConfig::parse(bytes, &Platform::here(), &LIMITS) {
        assert!(config.env.keys().all(|key| !key.is_empty() && !key.contains(['=', '\0'])), "a bad variable");
    }
}

/// References survive being written and read again; challenges are just read.
pub fn oci_reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference), "read differently");
        assert!(!reference.repository.contains(".."), "climbs");
    }
    let _ = Challenge::parse(text);
}

/// Imports an archive, the outer tar and all that is in it.
pub fn oci_archive(ground: &Path, bytes: &[u8]) {
    let path = ground.join("archive");
    fs::write(&path, bytes).expect("the test's own directory is writable");
    let store = ImageStore::open_with(&ground.join("store"), LIMITS).expect("the test's own store opens");
    if store.import(&path, Some("x"), &Progress::silent()).is_ok() {
        store.resolve("x").expect("what was imported resolves");
        store.remove("x").expect("what was imported can be removed");
    }
    assert_eq!(count(&ground.join("store/tmp")), 0, "something was left behind");
    store.gc(&std::collections::BTreeSet::new()).expect("the test's own store is writable");
}
