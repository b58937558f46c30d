//! Directories as one file, read back by the programs that people have.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{OpenOptionsExt as _, symlink},
    },
    path::Path,
    process::Command,
};

use madang_ticket::FolderMay;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use tempfile::TempDir;

use crate::{ground::Ground, put::bytes};

/// Every file beneath, by its path.
fn read_tree(top: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                found.insert([&name[..], b"/"].concat(), Vec::new());
                left.push(path);
            } else if meta.is_symlink() {
                found.insert(name, fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec());
            } else {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn unpack(program: &str, arguments: &[&str], archive: &[u8]) -> TempDir {
    let to = TempDir::new().unwrap();
    let file = to.path().join("archive");
    fs::write(&file, archive).unwrap();
    fs::create_dir(to.path().join("out")).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(&file)
        .current_dir(to.path().join("out"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program}, from scripts/install-test-tools: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    to
}

async fn packed(ground: &Ground, target: &str) -> Vec<u8> {
    let got = ground.client(FolderMay::Read).get(target, &[]).await.expect(200);
    assert!(got.whole);
    got.body
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_out_of_unzip_and_tar_is_what_went_in() {
    let ground = Ground::new().await;
    ground.write("d/empty", "");
    ground.write("d/deep/er/large", bytes(3_000_000, 40));
    ground.write("d/deep/er/even", vec![0; 512 * 1_000]);
    ground.write(&format!("d/{}/{}", "n".repeat(200), "m".repeat(200)), "long names");
    ground.write("d/\u{d55c}\u{ae00} \u{e9}.txt", "names in other letters");
    fs::create_dir(ground.path("d/hollow")).unwrap();
    symlink("empty", ground.path("d/link")).unwrap();
    for number in 0..500 {
        ground.write(&format!("d/many/{number}"), number.to_string());
    }
    let expected = read_tree(&ground.path("d"));
    for (target, program, arguments) in
        [("files/d?archive=zip", "unzip", &["-q"][..]), ("files/d?archive=tar", "tar", &["-xf"][..])]
    {
        let out = unpack(program, arguments, &packed(&ground, target).await);
        let found = read_tree(&out.path().join("out"));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{program}");
        assert!(found == expected, "{program}");
    }
    let accepted = ground.client(FolderMay::Read).get("files/d", &[("Accept", "application/x-tar")]).await.expect(200);
    assert_eq!(accepted.head("content-disposition"), "attachment; filename*=UTF-8''d.tar");
    ground.client(FolderMay::Read).get("files/d", &[]).await.expect(409);
    ground.client(FolderMay::Read).get("files/d?archive=rar", &[]).await.expect(400);
    ground.client(FolderMay::Read).get("files/d/empty?archive=zip", &[]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_hurt_is_left_out_and_said() {
    let ground = Ground::new().await;
    ground.write("d/good", "x");
    symlink("/etc/passwd", ground.path("d/absolute")).unwrap();
    symlink("../../out", ground.path("d/upwards")).unwrap();
    mkfifoat(CWD, ground.path("d/pipe"), Mode::RWXU).unwrap();
    let odd: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    fs::write(ground.path("d").join(OsStr::from_bytes(&odd)), "odd").unwrap();
    let out = unpack("tar", &["-xf"], &packed(&ground, "files/d?archive=tar").await);
    let found = read_tree(&out.path().join("out"));
    assert_eq!(found[&odd], b"odd", "{found:?}");
    let said = String::from_utf8(found[&b"MADANG-LEFT-OUT.txt"[..]].clone()).unwrap();
    for name in ["absolute", "upwards", "pipe"] {
        assert!(said.contains(&format!("d/{name}: ")) && !found.contains_key(name.as_bytes()), "{name}: {said}");
    }
    let zip = packed(&ground, "files/d?archive=zip").await;
    let checked = unpack("unzip", &["-tqq"], &zip);
    drop(checked);
}

/// Two links, each of which stays inside by its text, lead out together where one goes up behind the other.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_together_are_left_out() {
    let ground = Ground::new().await;
    ground.write("d/deep/x", "x");
    symlink(".", ground.path("d/here")).unwrap();
    symlink("here/../out", ground.path("d/both")).unwrap();
    symlink("..", ground.path("d/deep/top")).unwrap();
    symlink("deep/top/../out", ground.path("d/three")).unwrap();
    for (kind, program, arguments) in [("zip", "unzip", &["-q"][..]), ("tar", "tar", &["-xf"][..])] {
        let out = unpack(program, arguments, &packed(&ground, &format!("files/d?archive={kind}")).await);
        let found = read_tree(&out.path().join("out"));
        assert!(found.contains_key(&b"here"[..]) && found.contains_key(&b"deep/top"[..]), "{kind}: {found:?}");
        assert!(!found.contains_key(&b"both"[..]) && !found.contains_key(&b"three"[..]), "{kind}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_meanwhile_spoil_nothing() {
    let ground = Ground::new().await;
    let paths: Vec<_> = (0..40).map(|number| ground.write(&format!("d/{number}"), bytes(200_000, number))).collect();
    let writing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let goes_on = std::sync::Arc::clone(&writing);
    let guest = std::thread::spawn(move || {
        let mut round = 0_usize;
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            round += 1;
            let path = &paths[round % paths.len()];
            // Not what its own link leads to.
            let _ = fs::OpenOptions::new()
                .write(true)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(path)
                .map(|file| file.set_len((round * 7_919 % 400_000) as u64));
            if round.is_multiple_of(50) {
                let _ = fs::remove_file(path);
                let _ = symlink("/etc/shadow", path);
            }
        }
    });
    for _ in 0..8 {
        let (zip, tar) = (packed(&ground, "files/d?archive=zip").await, packed(&ground, "files/d?archive=tar").await);
        drop((unpack("unzip", &["-tqq"], &zip), unpack("tar", &["-tf"], &tar)));
    }
    writing.store(false, std::sync::atomic::Ordering::Relaxed);
    guest.join().unwrap();
}
