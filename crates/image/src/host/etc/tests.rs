use super::*;

fn put(root: &Path, name: &str, text: &str, mode: u32) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

fn names(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            if path.symlink_metadata().unwrap().is_dir() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}

/// An `/etc` with a secret in every place where one may lie.
fn hostile_etc() -> tempfile::TempDir {
    let etc = tempfile::tempdir().unwrap();
    let root = etc.path();
    put(root, "shadow", "root:SECRET", 0o644);
    put(root, "ssh/ssh_host_rsa_key", "SECRET", 0o644);
    put(root, "sudoers", "SECRET", 0o644);
    put(root, "ssl/private/server.pem", "SECRET", 0o644);
    put(root, "ssl/certs/public.pem", "-----BEGIN CERTIFICATE-----", 0o644);
    put(root, "ssl/certs/both.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\nSECRET", 0o644);
    put(root, "ssl/certs/server.key", "SECRET", 0o644);
    put(root, "R/Renviron", "R=1", 0o644);
    put(root, "R/token", "SECRET", 0o640);
    put(root, "R/closed/token", "SECRET", 0o644);
    fs::set_permissions(root.join("R/closed"), Permissions::from_mode(0o750)).unwrap();
    put(root, "ld.so.cache", "cache", 0o644);
    put(root, "passwd", "SECRET-person:x:1:1::/home/x:/bin/sh", 0o644);
    put(root, "other-service.conf", "SECRET", 0o644);
    symlink("/usr/share/zoneinfo/Etc/UTC", root.join("localtime")).unwrap();
    symlink("/root/.netrc", root.join("timezone")).unwrap();
    symlink("../shadow", root.join("R/planted")).unwrap();
    symlink("../../../root/x", root.join("R/climbing")).unwrap();
    symlink("Renviron", root.join("R/alias")).unwrap();
    etc
}

#[test]
fn only_public_entries_are_copied() {
    let etc = hostile_etc();
    let dest = tempfile::tempdir().unwrap();
    let made = prepare_from(etc.path(), dest.path(), &["R".to_owned()]).unwrap();
    let expected = [
        "R",
        "R/Renviron",
        "R/alias",
        "fstab",
        "group",
        "hostname",
        "hosts",
        "ld.so.cache",
        "localtime",
        "nsswitch.conf",
        "passwd",
        "resolv.conf",
        "ssl",
        "ssl/certs",
        "ssl/certs/public.pem",
    ];
    assert_eq!(names(&made), expected);
    for name in names(&made) {
        let path = made.join(&name);
        let seen = path.symlink_metadata().unwrap();
        if seen.is_file() {
            assert!(!fs::read_to_string(&path).unwrap().contains("SECRET"), "{name} holds a secret");
            assert_eq!(seen.mode() & 0o7777, 0o644, "{name}");
        }
    }
}

#[test]
fn same_state_gives_the_same_directory_and_a_change_another() {
    let etc = hostile_etc();
    let dest = tempfile::tempdir().unwrap();
    let first = prepare_from(etc.path(), dest.path(), &[]).unwrap();
    assert_eq!(prepare_from(etc.path(), dest.path(), &[]).unwrap(), first);
    put(etc.path(), "ld.so.cache", "newer", 0o644);
    let second = prepare_from(etc.path(), dest.path(), &[]).unwrap();
    assert_ne!(first, second);
    assert_eq!(fs::read_to_string(first.join("ld.so.cache")).unwrap(), "cache", "a mounted directory changed");
    fs::create_dir(dest.path().join(".new-1")).unwrap();
    prune_etc(dest.path(), std::slice::from_ref(&second)).unwrap();
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 1);
}

#[test]
fn private_and_climbing_extras_are_refused() {
    let dest = tempfile::tempdir().unwrap();
    for bad in [
        "shadow",
        "gshadow",
        "sudoers.d",
        "ssh",
        "ssl/private",
        "../root",
        "/etc/shadow",
        "",
        ".",
        "machine-id",
        "x/../shadow",
    ] {
        let refused = prepare_etc(dest.path(), &[bad.to_owned()]);
        assert!(matches!(refused, Err(HostError::Forbidden(..))), "{bad} was accepted");
    }
    assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn this_machine_gives_a_usable_etc_without_secrets() {
    let dest = tempfile::tempdir().unwrap();
    let made = prepare_etc(dest.path(), &["perl".to_owned(), "no-such-thing".to_owned()]).unwrap();
    let passwd = fs::read_to_string(made.join("passwd")).unwrap();
    assert!(passwd.contains("work:x:1000:1000:work:/home/work:/bin/bash"));
    for name in ["shadow", "gshadow", "sudoers", "ssh", "ssl/private", "machine-id", "no-such-thing"] {
        assert!(made.join(name).symlink_metadata().is_err(), "{name} was copied");
    }
}
