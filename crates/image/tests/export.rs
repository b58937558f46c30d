//! Images written to a file and read again: nothing is lost, and the same image is the same bytes.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
    process::Command,
};

use madang_image::{ImageError, Progress};
use making::{Ground, Layer, Tar, files};

fn layers() -> [Layer; 2] {
    let lower = Tar::default()
        .dir("bin/", 0o755)
        .mode("bin/sh", 0o755, b"#!shell")
        .hard_link("bin/ash", "bin/sh")
        .symlink("bin/link", "/bin/sh")
        .symlink("far", &"t".repeat(90))
        .dir("sticky", 0o1777)
        .file("empty", b"")
        .file("gone", b"x")
        .file("hidden/below", b"x")
        .file(&format!("long/{}/{}", "n".repeat(150), "m".repeat(200)), b"long name");
    let upper = Tar::default()
        .file(".wh.gone", b"")
        .file("hidden/.wh..wh..opq", b"")
        .file("hidden/new", &vec![7; 70_000])
        .file("a/b/.wh.deep", b"");
    [Layer::gzip(&lower.done()), Layer::plain(upper.done())]
}

/// Everything that a layer says, as text.
fn told(root: &Path, userxattr: bool) -> Vec<String> {
    let attribute = if userxattr { "user.overlay.opaque" } else { "trusted.overlay.opaque" };
    let one = |path: std::path::PathBuf| {
        let seen = path.symlink_metadata().unwrap();
        let kind = seen.file_type();
        let what = if kind.is_symlink() {
            format!("-> {:?}", fs::read_link(&path).unwrap())
        } else if kind.is_dir() {
            let opaque = rustix::fs::lgetxattr(&path, attribute, &mut [0_u8; 8][..]).is_ok();
            format!("directory {:o} {opaque}", seen.mode() & 0o7777)
        } else if kind.is_char_device() {
            format!("whiteout {}", seen.rdev())
        } else {
            let (mode, links, time) = (seen.mode() & 0o7777, seen.nlink(), seen.mtime());
            format!("{mode:o} {links} {time} {:?}", madang_image::Digest::of(&fs::read(&path).unwrap()))
        };
        format!("{} {what}", path.strip_prefix(root).unwrap().display())
    };
    files(root).into_iter().map(one).collect()
}

#[test]
fn what_goes_out_comes_in_again() {
    let (here, there) = (Ground::new(), Ground::new());
    here.import(&layers()).unwrap();
    let archive = here.path("out.tar");
    let exported = here.store.export("made:1", &archive).unwrap();
    assert_eq!((exported.layers, exported.size_bytes), (2, archive.metadata().unwrap().len()));
    let entries = there.store.import(&archive, None, &Progress::silent()).unwrap();
    assert_eq!((entries[0].name.as_str(), &entries[0].digest), ("made:1", &exported.digest));
    let (before, after) = (here.store.resolve("made:1").unwrap(), there.store.resolve("made:1").unwrap());
    assert_eq!(before.env, after.env);
    for (ours, theirs) in here.layers("made:1").iter().zip(there.layers("made:1")) {
        assert_eq!(told(ours, before.userxattr), told(&theirs, after.userxattr));
    }
    // What was exported once is a fixed point.
    let (again, third) = (there.path("again.tar"), here.path("third.tar"));
    assert_eq!(there.store.export("made:1", &again).unwrap().digest, exported.digest);
    here.store.export("made:1", &third).unwrap();
    let bytes = fs::read(&archive).unwrap();
    assert!(bytes == fs::read(again).unwrap() && bytes == fs::read(third).unwrap());
}

#[test]
fn others_can_read_it() {
    let ground = Ground::new();
    ground.import(&layers()).unwrap();
    let archive = ground.path("out.tar");
    let exported = ground.store.export("made:1", &archive).unwrap();
    let dir = ground.path("unpacked");
    fs::create_dir(&dir).unwrap();
    let tar = |args: &[&str], path: &Path| {
        let output = Command::new("tar").args(args).arg(path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    tar(&["-C", dir.to_str().unwrap(), "-xf"], &archive);
    for blob in files(&dir.join("blobs/sha256")) {
        let digest = madang_image::Digest::of(&fs::read(&blob).unwrap());
        assert_eq!(blob.file_name().unwrap().to_str(), Some(digest.hex()));
    }
    let manifest = fs::read(dir.join("blobs/sha256").join(exported.digest.hex())).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let lowest = manifest["layers"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let listed = tar(&["-tvf"], &dir.join("blobs/sha256").join(lowest));
    assert!(listed.contains("bin/sh link to bin/ash") || listed.contains("bin/ash link to bin/sh"), "{listed}");
    assert!(listed.contains(&"m".repeat(200)), "{listed}");
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let ground = Ground::new();
    ground.import(&layers()).unwrap();
    let archive = ground.path("out.tar");
    fs::write(&archive, "mine").unwrap();
    assert!(matches!(ground.store.export("made:1", &archive), Err(ImageError::Io { .. })));
    assert_eq!(fs::read_to_string(&archive).unwrap(), "mine");
    let none = ground.path("none.tar");
    assert!(matches!(ground.store.export("other:1", &none), Err(ImageError::NotFound(_))));
    assert!(!none.exists());
}
