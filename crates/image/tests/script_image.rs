//! The image that `scripts/make-test-image` makes, imported, stacked by overlayfs as a sandbox does, and run.
//!
//! Needs root, since it mounts, and `scripts/install-test-tools`.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod making;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use madang_image::Progress;
use making::Ground;

fn make(ground: &Ground, options: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/make-test-image");
    let archive = ground.path("image.tar");
    let status = Command::new(script).args(options).arg(&archive).status().unwrap();
    assert!(status.success(), "the image was not made; run scripts/install-test-tools");
    archive
}

/// Runs a shell line with the image as its root, in a mount namespace that goes with it.
fn run(ground: &Ground, image: &str, line: &str) -> String {
    let plan = ground.store.resolve(image).unwrap();
    let lower: Vec<String> = plan.layers.iter().rev().map(|layer| layer.to_string_lossy().into_owned()).collect();
    let userxattr = if plan.userxattr { ",userxattr" } else { "" };
    let root = ground.path("root");
    std::fs::create_dir_all(&root).unwrap();
    let mount = r#"mount -t overlay overlay -o "ro,lowerdir=$1$2" "$3" && exec chroot "$3" /bin/busybox env -i PATH=/bin:/usr/bin /bin/sh -c "$4""#;
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount, "sh", &lower.join(":"), userxattr])
        .arg(&root)
        .arg(line)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn layers_stack_hide_and_run() {
    let ground = Ground::new();
    ground.store.import(&make(&ground, &[]), None, &Progress::silent()).unwrap();
    let seen = run(
        &ground,
        "test:1",
        "cat /etc/layer; ls -A /var/removed; ls /etc; ls -d /home/work /opt/madang/languages; touch /x 2>/dev/null || echo read-only",
    );
    assert_eq!(
        seen.lines().collect::<Vec<_>>(),
        [
            "second",
            "group",
            "hostname",
            "hosts",
            "layer",
            "passwd",
            "resolv.conf",
            "/home/work",
            "/opt/madang/languages",
            "read-only"
        ]
    );
}

#[test]
fn python_runs_from_an_image() {
    let ground = Ground::new();
    ground.store.import(&make(&ground, &["--python", "--name", "py:1"]), None, &Progress::silent()).unwrap();
    let seen = run(&ground, "py:1", "python3 -c 'import json, ssl, sqlite3, zlib; print(json.dumps([6 * 7]))'");
    assert_eq!(seen, "[42]\n");
}
