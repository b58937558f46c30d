//! Drives the functions of `madang_image::fuzz` with changed seeds, on a stable compiler.
//!
//! `MADANG_FUZZ_SECONDS` says how long each target runs (2 by default); `MADANG_FUZZ_SEED` repeats a run. Seeds are made here
//! and read from `fuzz/seeds/TARGET/`; what makes a target fail is written to `artifacts/fuzz/TARGET/`, to be kept as a seed.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use madang_image::fuzz;
use madang_testkit::{Dice, Fuzz};
use making::{Layer, Tar, gzip, layout, tar_of, zstd};

/// Inputs grow no larger than this.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Nothing takes so long.
const SLOW: Duration = Duration::from_secs(60);

/// Pieces that matter to the formats.
const TOKENS: [&[u8]; 20] = [
    b"../",
    b"/",
    b"\0",
    b".wh.",
    b".wh..wh..opq",
    b"ustar\0",
    b"path=",
    b"size=",
    b"linkpath=../x",
    b"GNU.sparse.",
    b"\xff\xff\xff\xff",
    b"sha256:",
    b"{",
    b"[",
    b"\"",
    b"null",
    b"-1",
    b"99999999999999999999",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
];

fn change(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = dice.roll().to_le_bytes()[0],
            3 => drop(bytes.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied())),
            4 => {
                let token = TOKENS[dice.below(TOKENS.len())];
                let end = (at + token.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&token[..end - at]);
            }
            5 => {
                let end = (at + dice.below(1024)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let end = (at + dice.below(2048)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// Makes the checksums of tar headers right again, since otherwise nearly every change ends at one.
fn repair_sums(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

fn drive(target: &str, mut seeds: Vec<Vec<u8>>, run: impl Fn(&[u8])) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let Ok(kept) = fs::read_dir(top.join("fuzz/seeds").join(target)) {
        seeds.extend(kept.map(|entry| fs::read(entry.unwrap().path()).unwrap()));
    }
    let mut fuzz = Fuzz::begin(target);
    for bytes in &seeds {
        try_one(&fuzz, bytes, &run);
    }
    while fuzz.goes_on() {
        let mut bytes = change(&seeds, &mut fuzz.dice);
        if fuzz.dice.below(4) > 0 {
            repair_sums(&mut bytes);
        }
        try_one(&fuzz, &bytes, &run);
    }
}

fn try_one(fuzz: &Fuzz, bytes: &[u8], run: &impl Fn(&[u8])) {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(bytes)));
    if outcome.is_err() {
        fuzz.fail(bytes, "it panics");
    }
    if started.elapsed() > SLOW {
        fuzz.fail(bytes, "it is slow");
    }
}

fn tars() -> Vec<Vec<u8>> {
    let good = Tar::default()
        .dir("d", 0o755)
        .file("d/f", b"body")
        .hard_link("d/g", "d/f")
        .symlink("d/l", "../x")
        .file("d/.wh.x", b"");
    let long =
        Tar::default().file(&"long/".repeat(40), b"x").pax("path", b"pax/name").pax("linkpath", b"a").symlink("s", "b");
    let bad = Tar::default().file("../x", b"").symlink("a", "/tmp").file("a/b", b"x").kind("dev", b'3');
    vec![good.clone().done(), long.done(), bad.done(), good.file("o/.wh..wh..opq", b"").file("o/n", &[7; 3000]).done()]
}

fn packed() -> Vec<Vec<u8>> {
    tars()
        .iter()
        .flat_map(|tar| [gzip(tar), zstd(tar), tar.clone()])
        .chain([gzip(&[0; 300_000]), zstd(&[0; 300_000])])
        .collect()
}

fn ground() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ground");
    fs::create_dir(&path).unwrap();
    (dir, path)
}

fn documents() -> Vec<Vec<u8>> {
    let layers = [Layer::gzip(&tars()[0])];
    let config = making::config_of(&layers).to_string().into_bytes();
    let manifest = making::manifest_of(&config, &layers).to_string().into_bytes();
    let mut entry = making::descriptor(making::MANIFEST, &manifest);
    entry["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64", "variant": "v1"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    let saved = serde_json::json!([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l/layer.tar"]}]);
    vec![config, manifest, index.to_string().into_bytes(), saved.to_string().into_bytes()]
}

#[test]
fn tar_reader() {
    drive("tar_reader", tars(), fuzz::tar_reader);
}

#[test]
fn tar_stream() {
    drive("tar_stream", packed(), fuzz::tar_stream);
}

#[test]
fn tar_layer() {
    let (_kept, path) = ground();
    drive("tar_layer", packed(), |bytes| fuzz::tar_layer(&path, bytes));
}

#[test]
fn oci_document() {
    drive("oci_document", documents(), fuzz::oci_document);
}

#[test]
fn oci_reference() {
    let seeds = [
        "registry.example:443/a/b_c:tag@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "[::1]:5000/a",
        "localhost/a.b-c:1",
        r#"Bearer realm="https://auth.example/token",service="a",scope="b\"c""#,
    ];
    drive("oci_reference", seeds.map(|seed| seed.as_bytes().to_vec()).into(), fuzz::oci_reference);
}

#[test]
fn oci_archive() {
    let (kept, path) = ground();
    let dir = kept.path().join("layout");
    layout(&dir, &[Layer::gzip(&tars()[0])]);
    let tar = tar_of(&dir);
    drive("oci_archive", vec![gzip(&tar), tar], |bytes| fuzz::oci_archive(&path, bytes));
}
