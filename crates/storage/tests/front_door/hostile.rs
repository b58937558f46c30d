//! What guests plant in folders leads nowhere.

use std::{fs, os::unix::fs::symlink, time::Duration};

use madang_ticket::FolderMay;
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::geteuid,
};
use tempfile::TempDir;

use crate::ground::{Ground, own};

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_nobody_out() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    own(outside.path());
    symlink(outside.path(), ground.path("out")).unwrap();
    symlink(outside.path().join("secret"), ground.path("file")).unwrap();
    symlink("..", ground.path("up")).unwrap();
    symlink("/proc/self/root", ground.path("magic")).unwrap();
    for target in ["out/secret", "file", "up/x", "magic/etc/passwd", "out"] {
        let got = client.get(&format!("files/{target}"), &[]).await;
        assert!([404, 409].contains(&got.status), "{target}: {got:?}");
    }
    for (method, target) in [
        ("PUT", "files/out/new"),
        ("PUT", "files/out/new?parents"),
        ("POST", "directories/out/d?parents"),
        ("POST", "directories/out?exist_ok"),
        ("POST", "move/file?to=out/moved"),
        ("DELETE", "files/out/secret"),
        ("GET", "list/out"),
        ("GET", "files/out?archive=tar"),
    ] {
        let got = client.send(method, target, &[], b"").await;
        assert!([404, 409].contains(&got.status), "{method} {target}: {got:?}");
    }
    let found = client.get("search/?name=secret", &[]).await.expect(200).json();
    assert_eq!(found["entries"].as_array().unwrap().len(), 0, "{found}");
    // A file that is put where a link was takes its place; what the link led to stays.
    client.put("files/file", b"new").await.expect(201);
    client.send("DELETE", "files/out?recursive", &[], b"").await.expect(204);
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_holds_nobody_up() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    mkfifoat(CWD, ground.path("pipe"), Mode::RWXU).unwrap();
    own(&ground.path("pipe"));
    let got = tokio::time::timeout(Duration::from_secs(60), client.get("files/pipe", &[])).await.unwrap();
    got.expect(409);
    assert_eq!(client.get("stat/pipe", &[]).await.expect(200).json()["kind"], "other");
    let _socket = std::os::unix::net::UnixListener::bind(ground.path("socket")).unwrap();
    own(&ground.path("socket"));
    client.get("files/socket", &[]).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_may_not_the_server_may_not() {
    if !geteuid().is_root() {
        // Who is not root has no rights to give up, and permissions hold by themselves.
        return;
    }
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    fs::write(ground.path("roots"), "x").unwrap();
    fs::set_permissions(ground.path("roots"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    client.get("files/roots", &[]).await.expect(403);
    fs::create_dir(ground.path("closed")).unwrap();
    client.put("files/closed/x", b"x").await.expect(403);
    client.send("POST", "directories/closed/d", &[], b"").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_that_move_about_lead_nobody_astray() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Delete);
    let outside = TempDir::new().unwrap();
    own(outside.path());
    ground.write("a/d/x", "inside");
    let going = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (goes_on, top, out) = (std::sync::Arc::clone(&going), ground.path(""), outside.path().to_owned());
    let guest = std::thread::spawn(move || {
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = fs::rename(top.join("a/d"), top.join("a/e"));
            let _ = symlink(&out, top.join("a/d"));
            let _ = fs::remove_file(top.join("a/d"));
            let _ = fs::rename(top.join("a/e"), top.join("a/d"));
        }
    });
    for round in 0..300 {
        let put = client.put(&format!("files/a/d/{round}"), b"x").await;
        assert!([201, 404, 409, 503].contains(&put.status), "{put:?}");
        let got = client.get("files/a/d/x", &[]).await;
        assert!(got.status != 200 || got.body == b"inside", "{got:?}");
    }
    going.store(false, std::sync::atomic::Ordering::Relaxed);
    guest.join().unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}
