//! Archives that no honest tool would write: each is refused for its named reason and leaves nothing behind.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{fs, os::unix::fs::MetadataExt};

use madang_image::{ImageError, ImageLimits, Progress, Refusal};
use making::{Ground, Layer, Tar, gzip, layout_with};

fn small() -> ImageLimits {
    ImageLimits {
        layer_bytes: 8 << 20,
        file_bytes: 4 << 20,
        entries: 100,
        ratio: 100,
        ratio_free_bytes: 1 << 20,
        ..ImageLimits::default()
    }
}

/// Imports, expects a refusal, and counts the files of the store and of its surroundings before and after.
fn refusal(layers: &[Layer]) -> Refusal {
    let ground = Ground::with(small());
    let canary = ground.path("canary");
    fs::write(&canary, "alive").unwrap();
    let before = making::files(ground.dir.path());
    let error = ground.import(layers).expect_err("it was accepted");
    assert_eq!(making::files(ground.dir.path()), before, "something was left behind");
    assert_eq!(fs::read_to_string(&canary).unwrap(), "alive");
    assert!(ground.store.list().unwrap().is_empty());
    error.refusal().unwrap_or_else(|| panic!("not a refusal: {error}")).clone()
}

fn refusal_of(tar: Tar) -> Refusal {
    refusal(&[Layer::plain(tar.done())])
}

macro_rules! refused {
    ($($test:ident: $tar:expr => $pattern:pat,)*) => {$(
        #[test]
        fn $test() {
            let refusal = refusal_of($tar);
            assert!(matches!(refusal, $pattern), "{refusal:?}");
        }
    )*};
}

fn tar() -> Tar {
    Tar::default()
}

refused! {
    absolute_name: tar().file("/etc/passwd", b"x") => Refusal::AbsoluteName(_),
    parent_in_name: tar().file("../../canary", b"x") => Refusal::ParentInName(_),
    parent_inside_name: tar().file("a/../../../canary", b"x") => Refusal::ParentInName(_),
    parent_in_long_name: tar().file(&format!("{}/../../x", "a".repeat(120)), b"x") => Refusal::ParentInName(_),
    parent_in_pax_name: tar().pax("path", b"../../canary").file("innocent", b"x") => Refusal::ParentInName(_),
    absolute_pax_name: tar().pax("path", b"/etc/shadow").file("innocent", b"x") => Refusal::AbsoluteName(_),
    name_with_nul: tar().pax("path", b"a\0b").file("innocent", b"x") => Refusal::NameWithNul(_),
    name_not_utf8: tar().entry(b"caf\xe9", b'0', "", 1, 0o644, b"x") => Refusal::NameNotUtf8(_),
    name_too_long: tar().file(&"a/".repeat(2100), b"x") => Refusal::NameTooLong(_),
    name_part_too_long: tar().file(&"a".repeat(300), b"x") => Refusal::NameTooLong(255),
    name_too_deep: tar().file(&"a/".repeat(200), b"x") => Refusal::NameTooDeep(_),
    root_as_file: tar().file("./", b"x") => Refusal::EmptyName,
    character_device: tar().kind("dev/null", b'3') => Refusal::DeviceNode(_),
    block_device: tar().kind("dev/sda", b'4') => Refusal::DeviceNode(_),
    named_pipe: tar().kind("pipe", b'6') => Refusal::NamedPipe(_),
    gnu_sparse: tar().kind("sparse", b'S') => Refusal::Sparse(_),
    pax_sparse: tar().pax("GNU.sparse.realsize", b"1099511627776").file("sparse", b"x") => Refusal::Sparse(_),
    unknown_kind: tar().kind("strange", b'Q') => Refusal::UnknownKind { .. },
    duplicate_file: tar().file("a", b"1").file("a", b"2") => Refusal::Duplicate(_),
    file_over_directory: tar().dir("a", 0o755).file("a", b"2") => Refusal::Duplicate(_),
    directory_over_file: tar().file("a", b"2").dir("a", 0o755) => Refusal::Duplicate(_),
    symlink_over_directory: tar().dir("a", 0o755).symlink("a", "b") => Refusal::Duplicate(_),
    file_over_symlink: tar().symlink("a", "/etc/passwd").file("a", b"x") => Refusal::Duplicate(_),
    symlink_followed_out: tar().symlink("a", "/tmp").file("a/canary", b"x") => Refusal::ThroughNonDirectory(_),
    symlink_followed_inside: tar().dir("b", 0o755).symlink("a", "b").file("a/x", b"x") => Refusal::ThroughNonDirectory(_),
    symlink_followed_by_directory: tar().symlink("a", "/tmp").dir("a/b/c", 0o755) => Refusal::ThroughNonDirectory(_),
    symlink_followed_by_whiteout: tar().symlink("a", "/tmp").file("a/.wh.canary", b"") => Refusal::ThroughNonDirectory(_),
    symlink_followed_by_opaque: tar().symlink("a", "/tmp").file("a/.wh..wh..opq", b"") => Refusal::ThroughNonDirectory(_),
    file_as_directory: tar().file("a", b"x").file("a/b", b"x") => Refusal::ThroughNonDirectory(_),
    symlink_out: tar().symlink("a/b", "../../canary") => Refusal::LinkLeadsOut { .. },
    absolute_symlink_out: tar().symlink("a", "/usr/../../x") => Refusal::LinkLeadsOut { .. },
    symlink_without_target: tar().symlink("a", "") => Refusal::BadLinkTarget(_),
    symlink_target_not_utf8: tar().pax("linkpath", b"\xff").symlink("a", "b") => Refusal::BadLinkTarget(_),
    hard_link_out: tar().hard_link("a", "../../canary") => Refusal::ParentInName(_),
    hard_link_absolute: tar().hard_link("a", "/etc/shadow") => Refusal::AbsoluteName(_),
    hard_link_to_symlink: tar().symlink("a", "/etc/shadow").hard_link("b", "a") => Refusal::HardLinkTarget { .. },
    hard_link_through_symlink: tar().symlink("a", "/etc").hard_link("b", "a/shadow") => Refusal::HardLinkTarget { .. },
    hard_link_to_directory: tar().dir("a", 0o755).hard_link("b", "a") => Refusal::HardLinkTarget { .. },
    hard_link_to_nothing: tar().hard_link("b", "a") => Refusal::HardLinkTarget { .. },
    whiteout_of_nothing: tar().file(".wh.", b"") => Refusal::BadWhiteout(_),
    whiteout_of_parent: tar().file("a/.wh...", b"") => Refusal::BadWhiteout(_),
    whiteout_as_directory: tar().file(".wh.a/b", b"") => Refusal::BadWhiteout(_),
    file_too_large: tar().entry(b"a", b'0', "", 5 << 20, 0o644, b"") => Refusal::FileTooLarge { .. },
    size_lies: tar().entry(b"a", b'0', "", 1 << 20, 0o644, b"short") => Refusal::Truncated,
    directory_with_a_size: tar().entry(b"a", b'5', "", 512, 0o644, &[0; 512]) => Refusal::BadHeader(_),
    pax_too_large: tar().entry(b"a", b'x', "", 2 << 20, 0o644, b"") => Refusal::BadHeader(_),
    pax_malformed: tar().entry(b"a", b'x', "", 10, 0o644, b"99 path=a\n") => Refusal::BadHeader(_),
    pax_forever: (0..20).fold(tar(), |tar, _| tar.pax("comment", b"x")).file("a", b"") => Refusal::BadHeader(_),
    global_name: tar().entry(b"g", b'g', "", 9, 0o644, b"9 path=a\n") => Refusal::BadHeader(_),
    too_many_entries: (0..101).fold(tar(), |tar, at| tar.dir(&format!("d{at}"), 0o755)) => Refusal::TooManyEntries(100),
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut tar = tar().file("a", b"x").done();
    tar[0] = b'b';
    assert!(matches!(refusal(&[Layer::plain(tar)]), Refusal::BadHeader(_)));
}

#[test]
fn a_million_files_stop_at_the_limit() {
    // The limit of the defaults, seen from a stream that is made as it is read would take minutes; the count is what matters.
    let many = (0..5000).fold(tar(), |tar, at| tar.file(&format!("f{at}"), b""));
    assert_eq!(refusal(&[Layer::gzip(&many.done())]), Refusal::TooManyEntries(100));
}

#[test]
fn bombs_are_stopped_early() {
    let zeros = vec![0_u8; 3 << 20];
    let bomb = tar().file("a", &zeros).done();
    assert_eq!(refusal(&[Layer::gzip(&bomb)]), Refusal::CompressionBomb(100));
    assert_eq!(refusal(&[Layer::zstd(&bomb)]), Refusal::CompressionBomb(100));
    let large = tar().file("a", &zeros).file("b", &zeros).file("c", &zeros).done();
    assert_eq!(refusal(&[Layer::plain(large)]), Refusal::TooLarge(8 << 20));
    // Behind the end of the tar, where no entry is.
    let mut hidden = tar().file("a", b"x").done();
    hidden.extend_from_slice(&zeros);
    assert_eq!(refusal(&[Layer::gzip(&hidden)]), Refusal::CompressionBomb(100));
}

#[test]
fn cut_streams_are_refused() {
    let tar = tar()
        .file("a", &(0..100_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<u8>>())
        .done();
    for whole in [Layer::plain(tar.clone()), Layer::gzip(&tar), Layer::zstd(&tar)] {
        let cut = Layer { packed: whole.packed[..whole.packed.len() / 2].to_vec(), diff_id: whole.diff_id };
        let refusal = refusal(&[cut]);
        assert!(matches!(refusal, Refusal::Truncated | Refusal::BadCompression(_)), "{refusal:?}");
    }
}

#[test]
fn garbage_is_refused() {
    let mut broken = gzip(&tar().file("a", &[7; 5000]).done());
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let garbage = Layer { packed: broken, diff_id: madang_image::Digest::of(b"") };
    let refused = refusal(&[garbage]);
    let named = matches!(
        refused,
        Refusal::BadCompression(_) | Refusal::Truncated | Refusal::BadHeader(_) | Refusal::DigestMismatch { .. }
    );
    assert!(named, "{refused:?}");
    assert!(matches!(refusal(&[Layer::plain(b"#!/bin/sh\n".repeat(100))]), Refusal::BadHeader(_)));
}

#[test]
fn a_wrong_unpacked_digest_is_refused() {
    let mut layer = Layer::gzip(&tar().file("a", b"x").done());
    layer.diff_id = madang_image::Digest::of(b"something else");
    assert!(matches!(refusal(&[layer]), Refusal::DigestMismatch { .. }));
}

/// Imports a layout whose files are changed after they were named by their digests.
fn refusal_of_layout(
    change_manifest: impl FnOnce(&mut serde_json::Value),
    change: impl FnOnce(&std::path::Path, &Layer),
) -> Refusal {
    let ground = Ground::new();
    let layer = Layer::plain(tar().file("a", b"x").done());
    let archive = ground.path("archive");
    layout_with(&archive, std::slice::from_ref(&layer), change_manifest);
    change(&archive, &layer);
    let before = ground.stored();
    let error = ground.store.import(&archive, None, &Progress::silent()).expect_err("it was accepted");
    assert_eq!(ground.stored(), before, "something was left behind");
    error.refusal().unwrap_or_else(|| panic!("not a refusal: {error}")).clone()
}

#[test]
fn changed_content_and_lying_sizes_are_refused() {
    let blob = |dir: &std::path::Path, layer: &Layer| {
        dir.join("blobs/sha256").join(madang_image::Digest::of(&layer.packed).hex())
    };
    let refused =
        refusal_of_layout(|_| {}, |dir, layer| fs::write(blob(dir, layer), tar().file("a", b"y").done()).unwrap());
    assert!(matches!(refused, Refusal::DigestMismatch { .. }), "{refused:?}");
    let refused = refusal_of_layout(|manifest| manifest["layers"][0]["size"] = 7.into(), |_, _| {});
    assert_eq!(refused, Refusal::SizeMismatch { expected: 7 });
    let refused = refusal_of_layout(|manifest| manifest["config"]["size"] = 7.into(), |_, _| {});
    assert_eq!(refused, Refusal::SizeMismatch { expected: 7 });
    let refused =
        refusal_of_layout(|manifest| manifest["layers"][0]["size"] = 999_999_999_999_999_u64.into(), |_, _| {});
    assert!(matches!(refused, Refusal::FileTooLarge { .. }), "{refused:?}");
    let refused =
        refusal_of_layout(|manifest| manifest["layers"][0]["digest"] = "sha256:../../../etc/shadow".into(), |_, _| {});
    assert!(matches!(refused, Refusal::BadDigest(_)), "{refused:?}");
    let refused =
        refusal_of_layout(|manifest| manifest["layers"] = vec![manifest["layers"][0].clone(); 200].into(), |_, _| {});
    assert!(matches!(refused, Refusal::TooManyLayers(_)), "{refused:?}");
    let refused = refusal_of_layout(|_| {}, |dir, layer| fs::remove_file(blob(dir, layer)).unwrap());
    assert!(matches!(refused, Refusal::Missing(_)), "{refused:?}");
    // A blob that is a link to a file of this machine.
    let refused = refusal_of_layout(
        |_| {},
        |dir, layer| {
            fs::remove_file(blob(dir, layer)).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", blob(dir, layer)).unwrap();
        },
    );
    assert!(matches!(refused, Refusal::ThroughNonDirectory(_)), "{refused:?}");
}

#[test]
fn a_link_planted_in_one_layer_is_not_followed_by_the_next() {
    let ground = Ground::new();
    let target = ground.path("target");
    fs::create_dir(&target).unwrap();
    let first = Layer::plain(tar().symlink("a", target.to_str().unwrap()).done());
    let second = Layer::plain(tar().file("a/planted", b"x").file("a/.wh.other", b"").done());
    ground.import(&[first, second]).unwrap();
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "the link was followed");
    // The second layer has a directory of its own, which hides the link.
    assert!(ground.layers("made:1")[1].join("a/planted").is_file());
}

#[test]
fn special_bits_owners_and_attributes_are_dropped() {
    let ground = Ground::new();
    let tar = tar()
        .pax("SCHILY.xattr.security.capability", b"\x01\x00\x00\x02")
        .mode("su", 0o6755, b"x")
        .pax("SCHILY.xattr.trusted.overlay.opaque", b"y")
        .dir("d", 0o2755)
        .mode("secret", 0o600, b"x")
        .dir("tmp", 0o1777);
    ground.import(&[Layer::plain(tar.done())]).unwrap();
    let layer = &ground.layers("made:1")[0];
    let mode = |name: &str| layer.join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode("su"), 0o755);
    assert_eq!(mode("d"), 0o755);
    assert_eq!(mode("secret"), 0o644, "owners are not kept, so everybody reads what the owner may");
    assert_eq!(mode("tmp"), 0o1777);
    for name in ["su", "d"] {
        let mut names = [0_u8; 256];
        let length = rustix::fs::listxattr(layer.join(name), &mut names[..]).unwrap();
        assert_eq!(length, 0, "{name} has attributes");
    }
}

#[test]
fn an_archive_s_own_tar_is_checked_like_a_layer() {
    let ground = Ground::new();
    for (tar, what) in [
        (tar().file("../index.json", b"{}"), "parent"),
        (tar().file("/index.json", b"{}"), "absolute"),
        (tar().kind("index.json", b'3'), "device"),
        (tar().file("index.json", b"{}").file("index.json", b"{}"), "duplicate"),
        (tar().symlink("index.json", "/etc/passwd"), "link to the machine"),
        (tar().symlink("index.json", "index.json"), "link to itself"),
        (tar().file("other", b""), "nothing known"),
        (tar().file("manifest.json", br#"[{"Config":"../../etc/passwd","Layers":[]}]"#), "config outside"),
        (tar().file("manifest.json", br#"[{"Config":"c.json","Layers":["/etc/passwd"]}]"#), "layer outside"),
    ] {
        let path = ground.path("archive.tar");
        fs::write(&path, tar.done()).unwrap();
        let before = ground.stored();
        let error = ground.store.import(&path, Some("x"), &Progress::silent()).expect_err(what);
        assert!(matches!(error, ImageError::Refused { .. }), "{what}: {error}");
        assert_eq!(ground.stored(), before, "{what} left something behind");
    }
}
