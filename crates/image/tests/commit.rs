//! A work directory that somebody hostile has filled becomes a layer, and nothing but what lies in it.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{
    fs,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
};

use madang_image::{CommitLimits, ImageError, Packed, Refusal, RootPlan};
use making::{Ground, Layer, Tar, files};

const LIMITS: CommitLimits = CommitLimits { bytes: 1 << 20, entries: 100 };

fn pack(ground: &Ground, home: &Path, limits: CommitLimits) -> Result<Packed, ImageError> {
    ground.store.pack(OwnedFd::from(fs::File::open(home).unwrap()), &limits)
}

fn home(ground: &Ground) -> std::path::PathBuf {
    let home = ground.path("home");
    fs::create_dir(&home).unwrap();
    home
}

#[test]
fn what_lies_in_a_work_directory_is_in_the_image_and_in_what_it_exports() {
    let (ground, there) = (Ground::new(), Ground::new());
    ground.import(&[Layer::plain(Tar::default().file("home/work/old", b"old").file("bin/sh", b"#!").done())]).unwrap();
    let home = home(&ground);
    fs::create_dir(home.join("dir")).unwrap();
    fs::write(home.join("dir/new"), "new").unwrap();
    fs::hard_link(home.join("dir/new"), home.join("same")).unwrap();
    fs::set_permissions(home.join("dir"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("dir/new", home.join("link")).unwrap();
    let packed = pack(&ground, &home, LIMITS).unwrap();
    assert_eq!((packed.left_out.count, packed.secrets.count, packed.bytes, packed.entries), (0, 0, 3, 4));
    let made = ground.store.commit("commit/a", "made:1", packed).unwrap();
    let layers = ground.layers("commit/a");
    assert_eq!(layers.len(), 2);
    assert_eq!(fs::read_to_string(layers[1].join("home/work/link")).unwrap(), "new");
    assert_eq!(fs::read_to_string(layers[1].join("home/work/same")).unwrap(), "new");
    // A commit of the commit takes the place of its layer.
    fs::write(home.join("later"), "later").unwrap();
    let again = ground.store.commit("commit/b", "commit/a", pack(&ground, &home, LIMITS).unwrap()).unwrap();
    assert_eq!((again.layers, ground.layers("commit/b")[0].clone()), (2, layers[0].clone()));
    let archive = ground.path("out.tar");
    let exported = ground.store.export("commit/a", &archive).unwrap();
    assert_eq!(exported.digest, made.digest, "a pinned digest is the one that others see");
    let came = there.store.import(&archive, Some("copy"), &madang_image::Progress::silent()).unwrap();
    assert_eq!(came[0].digest, made.digest);
}

#[test]
fn over_the_machine_s_own_image_there_is_a_work_directory_and_nothing_else() {
    let ground = Ground::new();
    let home = home(&ground);
    fs::write(home.join("file"), "text").unwrap();
    ground.store.commit("commit/h", "host", pack(&ground, &home, LIMITS).unwrap()).unwrap();
    let host = RootPlan { links: vec![], directories: vec!["/usr".into()], ..RootPlan::default() };
    let plan = ground.store.catalog().resolve_over("commit/h", &host).unwrap();
    assert_eq!((plan.layers.len(), plan.binds.len(), plan.directories.len()), (0, 1, 1));
    assert_eq!(plan.binds[0].target, "/home/work");
    assert_eq!(fs::read_to_string(plan.binds[0].source.join("file")).unwrap(), "text");
    assert!(ground.store.resolve("commit/h").is_err());
}

#[test]
fn nothing_leads_out_and_what_cannot_be_kept_is_named() {
    let ground = Ground::new();
    let outside = ground.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "host").unwrap();
    let home = home(&ground);
    std::os::unix::fs::symlink(&outside, home.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../etc", home.join("climbs")).unwrap();
    fs::write(home.join(".wh.hidden"), "x").unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
    fs::write(home.join(odd), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, home.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let packed = pack(&ground, &home, LIMITS).unwrap();
    let mut left: Vec<&str> = packed.left_out.items.iter().map(|left| left.path.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, [".wh.hidden", "climbs", "pipe", "socket", "\u{fffd}\u{fffd}"]);
    ground.store.commit("commit/x", "host", packed).unwrap();
    let kept = files(&ground.path("store/layers"));
    assert!(kept.iter().all(|path| !path.ends_with("secret")), "{kept:?}");
}

#[test]
fn too_much_is_refused_and_leaves_nothing() {
    let ground = Ground::new();
    let before = ground.stored();
    let home = home(&ground);
    let sparse = fs::File::create(home.join("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let refused = pack(&ground, &home, LIMITS).unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::TooLarge(_))), "{refused}");
    fs::remove_file(home.join("sparse")).unwrap();
    (0..101).for_each(|number| fs::write(home.join(number.to_string()), "").unwrap());
    let refused = pack(&ground, &home, LIMITS).unwrap_err();
    assert!(matches!(refused.refusal(), Some(Refusal::TooManyEntries(_))), "{refused}");
    assert_eq!(ground.stored(), before);
}

#[test]
fn secrets_are_named() {
    let ground = Ground::new();
    let home = home(&ground);
    fs::create_dir(home.join(".ssh")).unwrap();
    let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n", "b3BlbnNzaC1rZXk".repeat(9));
    fs::write(home.join(".ssh/id_ed25519"), key).unwrap();
    fs::write(home.join(".netrc"), "machine a login b password c").unwrap();
    fs::write(home.join("notes"), "nothing of interest").unwrap();
    let packed = pack(&ground, &home, LIMITS).unwrap();
    let paths: Vec<&str> = packed.secrets.items.iter().map(|secret| secret.path.as_str()).collect();
    assert_eq!(paths, [".netrc", ".ssh/id_ed25519"]);
}
