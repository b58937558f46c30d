//! Good archives of every kind, and what the store makes of them.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
};

use madang_image::{Digest, ImageCatalog, ImageError, ImageStore, Progress, root::has_file};
use making::{CONFIG, Ground, INDEX, Layer, MANIFEST, Tar, config_of, descriptor, gzip, layout, manifest_of, tar_of};
use serde_json::json;

fn base() -> Vec<u8> {
    Tar::default()
        .dir("./", 0o755)
        .dir("bin/", 0o755)
        .mode("bin/sh", 0o755, b"#!shell")
        .hard_link("bin/ash", "bin/sh")
        .symlink("bin/link", "/bin/sh")
        .file("deep/without/parents/file", b"deep")
        .file(&format!("long/{}", "n".repeat(200)), b"long name")
        .done()
}

#[test]
fn every_packing_gives_the_same_layer() {
    for layer in [Layer::plain(base()), Layer::gzip(&base()), Layer::zstd(&base())] {
        let ground = Ground::new();
        ground.import(std::slice::from_ref(&layer)).unwrap();
        let layers = ground.layers("made:1");
        assert!(layers[0].ends_with(format!("layers/sha256/{}/fs", layer.diff_id.hex())));
        let root = &layers[0];
        assert_eq!(fs::read(root.join("bin/ash")).unwrap(), b"#!shell");
        assert_eq!(root.join("bin/ash").metadata().unwrap().ino(), root.join("bin/sh").metadata().unwrap().ino());
        assert_eq!(root.join("bin/sh").metadata().unwrap().mode() & 0o7777, 0o755);
        assert_eq!(root.join("bin/sh").metadata().unwrap().mtime(), 0o14000000000);
        assert_eq!(fs::read_link(root.join("bin/link")).unwrap().to_str(), Some("/bin/sh"));
        assert_eq!(fs::read(root.join("deep/without/parents/file")).unwrap(), b"deep");
        assert_eq!(fs::read(root.join("long").join("n".repeat(200))).unwrap(), b"long name");
    }
}

#[test]
fn members_and_frames_one_after_another_are_one_stream() {
    let tar = base();
    let (first, second) = tar.split_at(700);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    for packed in
        [[gzip(first), gzip(second)].concat(), [making::zstd(first), skippable, making::zstd(second)].concat()]
    {
        Ground::new().import(&[Layer { packed, diff_id: Digest::of(&tar) }]).unwrap();
    }
}

#[test]
fn a_plan_has_the_environment_and_the_mount_points_on_top() {
    let ground = Ground::new();
    ground.import(&[Layer::gzip(&base())]).unwrap();
    let plan = ground.store.resolve("made:1").unwrap();
    assert_eq!(plan.env["COLOR"], "green");
    assert_eq!(plan.env["PATH"], "/bin");
    assert_eq!(plan.env["HOME"], "/home/work");
    assert_eq!(plan.digest.unwrap(), ground.store.list().unwrap()[0].digest.to_string());
    let top = plan.layers.last().unwrap();
    for point in ["proc", "sys", "dev", "tmp", "home/work", "run/madang", "opt/madang/languages", "etc"] {
        assert!(top.join(point).is_dir(), "{point}");
        assert!(plan.directories.contains(&format!("/{point}")), "{point}");
    }
    assert!(top.join("etc/resolv.conf").is_file());
    assert_eq!(top.join("tmp").metadata().unwrap().mode() & 0o7777, 0o1777);
}

#[test]
fn whiteouts_become_what_overlayfs_knows() {
    let ground = Ground::new();
    let upper = Tar::default()
        .file(".wh.gone", b"")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"x")
        .dir("replaced", 0o755)
        .file("replaced/new", b"x")
        .file(".wh.replaced", b"")
        .file("kept", b"x")
        .file(".wh.kept", b"")
        .file("a/b/.wh.deep", b"")
        .file(".wh..wh.plnk/12.34", b"");
    ground.import(&[Layer::plain(base()), Layer::plain(upper.done())]).unwrap();
    let plan = ground.store.resolve("made:1").unwrap();
    let layer = &plan.layers[1];
    for hidden in ["gone", "a/b/deep"] {
        let seen = layer.join(hidden).symlink_metadata().unwrap();
        assert!(seen.file_type().is_char_device() && seen.rdev() == 0, "{hidden}");
    }
    assert!(layer.join("kept").is_file(), "a whiteout hides lower layers only");
    let attribute = if plan.userxattr { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
    for (name, opaque) in [("opaque", true), ("replaced", true), ("a", false)] {
        let mut value = [0_u8; 8];
        let found = rustix::fs::getxattr(layer.join(name), attribute, &mut value[..]);
        assert_eq!(found.is_ok_and(|length| &value[..length] == b"y"), opaque, "{name}");
    }
    let names: Vec<_> = fs::read_dir(layer).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".wh.")), "{names:?}");
}

#[test]
fn a_tar_of_a_layout_is_imported_packed_or_not() {
    let ground = Ground::new();
    let dir = ground.path("layout");
    layout(&dir, &[Layer::gzip(&base())]);
    let tar = tar_of(&dir);
    for (name, bytes) in
        [("plain.tar", tar.clone()), ("packed.tar.gz", gzip(&tar)), ("packed.tar.zst", making::zstd(&tar))]
    {
        let path = ground.path(name);
        fs::write(&path, bytes).unwrap();
        let added = ground.store.import(&path, Some(name), &Progress::silent()).unwrap();
        assert_eq!(added[0].name, name);
    }
    let digests: BTreeSet<_> = ground.store.list().unwrap().into_iter().map(|entry| entry.digest).collect();
    assert_eq!(digests.len(), 1, "the same image got several digests");
}

/// `docker save` before it wrote layouts: a directory for each layer, equal layers as links.
#[test]
fn an_old_docker_archive_is_imported() {
    let ground = Ground::new();
    let layers = [Layer::plain(base()), Layer::plain(Tar::default().file("two", b"2").done()), Layer::plain(base())];
    let config = config_of(&layers).to_string().into_bytes();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let manifest = json!([{"Config": config_name, "RepoTags": ["made:old", "made:older"], "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]);
    let tar = Tar::default()
        .dir("1", 0o755)
        .file("1/layer.tar", &layers[0].packed)
        .file("2/layer.tar", &layers[1].packed)
        .symlink("3/layer.tar", "../1/layer.tar")
        .file(&config_name, &config)
        .file("manifest.json", manifest.to_string().as_bytes())
        .done();
    let path = ground.path("saved.tar");
    fs::write(&path, tar).unwrap();
    let added = ground.store.import(&path, None, &Progress::silent()).unwrap();
    assert_eq!(added.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["made:old", "made:older"]);
    assert_eq!(added[0].digest, Digest::of(&config));
    assert_eq!(ground.layers("made:old").len(), 2, "overlayfs refuses the same directory twice");
}

/// Today's form: a layout with an index of platforms, and the old manifest beside it.
#[test]
fn a_new_docker_archive_is_imported_for_this_machine() {
    let ground = Ground::new();
    let layer = Layer::gzip(&base());
    let config = config_of(std::slice::from_ref(&layer)).to_string().into_bytes();
    let manifest = manifest_of(&config, std::slice::from_ref(&layer)).to_string().into_bytes();
    let mut ours = descriptor(MANIFEST, &manifest);
    ours["platform"] = json!({"os": "linux", "architecture": making::architecture()});
    let mut foreign = descriptor(MANIFEST, b"not here");
    foreign["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let mut attestation = descriptor(MANIFEST, b"not here either");
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [foreign, attestation, ours]})
        .to_string()
        .into_bytes();
    let mut top = descriptor(INDEX, &index);
    top["annotations"] =
        json!({"io.containerd.image.name": "registry.example/made:new", "org.opencontainers.image.ref.name": "new"});
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
    let tar = Tar::default()
        .file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", json!({"schemaVersion": 2, "manifests": [top]}).to_string().as_bytes())
        .file(
            "manifest.json",
            json!([{"Config": blob(&config), "RepoTags": ["made:new"], "Layers": [blob(&layer.packed)]}])
                .to_string()
                .as_bytes(),
        )
        .file(&blob(&index), &index)
        .file(&blob(&manifest), &manifest)
        .file(&blob(&config), &config)
        .file(&blob(&layer.packed), &layer.packed)
        .done();
    let path = ground.path("saved.tar");
    fs::write(&path, tar).unwrap();
    let added = ground.store.import(&path, None, &Progress::silent()).unwrap();
    assert_eq!(added[0].name, "registry.example/made:new");
    assert_eq!(added[0].digest, Digest::of(&manifest));
    assert_ne!(descriptor(CONFIG, &config)["digest"], added[0].digest.to_string());
}

#[test]
fn removing_and_collecting_keeps_what_is_named_or_in_use() {
    let ground = Ground::new();
    let shared = Layer::plain(base());
    let own = |text: &str| Layer::plain(Tar::default().file("own", text.as_bytes()).done());
    let empty = ground.stored();
    for name in ["one", "two", "three"] {
        let dir = ground.path(name);
        layout(&dir, &[shared.clone(), own(name)]);
        ground.store.import(&dir, Some(name), &Progress::silent()).unwrap();
    }
    assert_eq!(ground.store.gc(&BTreeSet::new()).unwrap(), madang_image::GcReport::default());
    let in_use = ground.store.remove("one").unwrap();
    ground.store.remove("two").unwrap();
    let report = ground.store.gc(&BTreeSet::from([in_use.clone()])).unwrap();
    assert_eq!((report.images, report.layers), (1, 1));
    assert!(fs::exists(ground.path("store/images/sha256").join(format!("{}.json", in_use.hex()))).unwrap());
    ground.store.remove("three").unwrap();
    let report = ground.store.gc(&BTreeSet::new()).unwrap();
    assert_eq!((report.images, report.layers), (2, 3));
    let names_file = ground.path("store/names.json");
    assert_eq!(ground.stored().into_iter().filter(|path| *path != names_file).collect::<Vec<_>>(), empty);
    assert!(matches!(ground.store.resolve("one"), Err(ImageError::NotFound(_))));
    assert!(matches!(ground.store.remove("one"), Err(ImageError::NotFound(_))));
}

#[test]
fn a_second_opener_is_turned_away_and_a_restart_finds_all() {
    let ground = Ground::new();
    ground.import(&[Layer::plain(base())]).unwrap();
    let dir = ground.path("store");
    assert!(matches!(ImageStore::open(&dir), Err(ImageError::Busy(_))));
    let before = ground.store.list().unwrap();
    let reader = ImageCatalog::of(&dir);
    assert_eq!(reader.list().unwrap(), before, "readers need no turn");
    assert_eq!(reader.resolve("made:1").unwrap(), ground.store.resolve("made:1").unwrap());
    assert!(ImageCatalog::of(&ground.path("nowhere")).list().unwrap().is_empty());
    let Ground { store, dir: _kept } = ground;
    drop(store);
    // What a crash in the middle of unpacking leaves.
    fs::create_dir_all(dir.join("tmp/.tmpCrash/fs/bin")).unwrap();
    fs::write(dir.join("tmp/.tmpCrash/fs/bin/half"), "half").unwrap();
    fs::write(dir.join("tmp/names.json"), "{").unwrap();
    let store = ImageStore::open(&dir).unwrap();
    assert_eq!(store.list().unwrap(), before);
    assert_eq!(fs::read_dir(dir.join("tmp")).unwrap().count(), 0);
    assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn names_that_make_no_sense_are_refused_before_any_work() {
    let ground = Ground::new();
    let dir = ground.path("layout");
    layout(&dir, &[Layer::plain(base())]);
    let before = ground.stored();
    for bad in ["", "host", "a b", "a\n", "ü", &"a".repeat(600)] {
        let refused = ground.store.import(&dir, Some(bad), &Progress::silent());
        assert!(matches!(refused, Err(ImageError::Invalid(_))), "{bad:?}");
    }
    assert!(matches!(
        ground.store.import(&ground.path("missing"), None, &Progress::silent()),
        Err(ImageError::NotFound(_))
    ));
    assert_eq!(ground.stored(), before);
}

#[test]
fn progress_ends_at_the_total() {
    let ground = Ground::new();
    let dir = ground.path("layout");
    layout(&dir, &[Layer::gzip(&base())]);
    let steps = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = steps.clone();
    let progress = Progress::new(move |step| seen.lock().unwrap().push((step.what.to_owned(), step.done, step.total)));
    ground.store.import(&dir, None, &progress).unwrap();
    let steps = steps.lock().unwrap();
    let (what, done, total) = steps.last().unwrap();
    assert!(what.starts_with("unpack sha256:") && done == total && *total > 0, "{steps:?}");
}

#[test]
fn files_are_found_as_programs_inside_would_find_them() {
    let ground = Ground::new();
    let lower = Tar::default()
        .file("usr/bin/python3.11", b"")
        .symlink("usr/bin/python3", "python3.11")
        .symlink("bin", "usr/bin")
        .symlink("usr/bin/absolute", "/etc/alternatives/it")
        .symlink("etc/alternatives/it", "../../usr/bin/python3")
        .symlink("round", "round")
        .symlink("to-machine", "/proc/self/exe")
        .file("gone", b"")
        .file("opaque/old", b"")
        .symlink("became-directory", "/usr/bin");
    let upper = Tar::default()
        .file(".wh.gone", b"")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"")
        .file("became-directory/new", b"");
    ground.import(&[Layer::plain(lower.done()), Layer::plain(upper.done())]).unwrap();
    let plan = ground.store.resolve("made:1").unwrap();
    for found in [
        "/usr/bin/python3",
        "/bin/python3",
        "/usr/bin/absolute",
        "/opaque/new",
        "/became-directory/new",
        "/../bin/./python3",
    ] {
        assert!(has_file(&plan, found), "{found} was not found");
    }
    for missing in [
        "/usr/bin",
        "/round",
        "/to-machine",
        "/gone",
        "/opaque/old",
        "/became-directory/python3",
        "bin/python3",
        "/usr/bin/python3/x",
        "/etc/passwd",
        "/bin/perl",
        "",
    ] {
        assert!(!has_file(&plan, missing), "{missing} was found");
    }
}
