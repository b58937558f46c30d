//! The `/etc` of image `host`: generated files, and copies of public ones from an allow-list.
//!
//! Links are copied as links and never followed. A directory made here is never changed afterwards, since slots have it mounted:
//! its name is the digest of its contents, and another state of the machine gives another directory.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, Permissions},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::HostError;

/// Common entries that may be copied where they exist. None may hold secrets on any sane machine; each file is checked all the same.
const COMMON: [&str; 27] = [
    "alternatives",
    "bash.bashrc",
    "debian_version",
    "fonts",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "lsb-release",
    "locale.alias",
    "localtime",
    "magic",
    "magic.mime",
    "mailcap",
    "mime.types",
    "os-release",
    "profile",
    "protocols",
    "redhat-release",
    "services",
    "shells",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
];

/// Never copied, whatever a recipe says: credentials, who lives on this machine, what runs here.
const PRIVATE: [&str; 25] = [
    "shadow",
    "shadow-",
    "gshadow",
    "gshadow-",
    "passwd",
    "passwd-",
    "group",
    "group-",
    "subuid",
    "subgid",
    "sudoers",
    "sudoers.d",
    "sudo.conf",
    "ssh",
    "machine-id",
    "environment",
    "environment.d",
    "pam.d",
    "ldap",
    "krb5.keytab",
    "fstab",
    "cron.d",
    "crontab",
    "private",
    "letsencrypt",
];

/// Endings of files that hold keys or passwords by custom.
const PRIVATE_ENDINGS: [&str; 9] =
    [".key", ".p12", ".pfx", ".jks.bak", ".keytab", "_key", "_rsa", ".netrc", ".htpasswd"];

const GENERATED: [(&str, &str); 7] = [
    (
        "passwd",
        "root:x:0:0:root:/root:/usr/sbin/nologin\nwork:x:1000:1000:work:/home/work:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\nwork:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost madang\n::1 localhost madang\n"),
    ("hostname", "madang\n"),
    ("resolv.conf", ""),
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
    ),
    ("fstab", ""),
];

/// Limits on what is copied; beyond them the entry is refused rather than cut.
const FILE_BYTES_MAX: u64 = 16 << 20;
const ENTRIES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 12;

/// Where a copied link may lead, besides entries of `/etc` that are copied too. Lexical: links are never followed here, and
/// inside the sandbox they resolve in its own root.
const LINK_TREES: [&str; 10] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/proc/mounts", "/proc/self/mounts", "/var/lib", "/opt"];

enum Entry {
    Directory,
    File(Vec<u8>, u32),
    Link(PathBuf),
}

/// Makes the directory below `dest` and returns it. A state that was made before is used again. Atomic: a crash leaves only a
/// directory whose name begins with `.new-`, which [`prune_etc`] removes.
pub fn prepare_etc(dest: &Path, extra: &[String]) -> Result<PathBuf, HostError> {
    prepare_from(Path::new("/etc"), dest, extra)
}

fn prepare_from(source: &Path, dest: &Path, extra: &[String]) -> Result<PathBuf, HostError> {
    let entries = collect(source, extra)?;
    let path = dest.join(format!("etc-{}", fingerprint(&entries)));
    if path.is_dir() {
        return Ok(path);
    }
    fs::create_dir_all(dest).map_err(HostError::io("create", dest))?;
    let temporary = dest.join(format!(".new-{}", std::process::id()));
    remove(&temporary)?;
    let made = write_all(&temporary, &entries)
        .and_then(|()| fs::rename(&temporary, &path).map_err(HostError::io("rename to", &path)));
    if made.is_err() {
        // Half of it must not take the room that the next attempt needs.
        let _ = remove(&temporary);
    }
    made?;
    File::open(dest).and_then(|directory| directory.sync_all()).map_err(HostError::io("sync", dest))?;
    Ok(path)
}

/// Removes every directory that [`prepare_etc`] made below `dest`, and leftovers of crashes, except those in `keep`.
pub fn prune_etc(dest: &Path, keep: &[PathBuf]) -> Result<(), HostError> {
    for entry in fs::read_dir(dest).map_err(HostError::io("list", dest))? {
        let entry = entry.map_err(HostError::io("list", dest))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if (name.starts_with("etc-") || name.starts_with(".new-")) && !keep.contains(&entry.path()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), HostError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(HostError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn collect(source: &Path, extra: &[String]) -> Result<BTreeMap<PathBuf, Entry>, HostError> {
    for name in extra {
        check_extra(name)?;
    }
    let allowed: Vec<&str> = COMMON.into_iter().chain(extra.iter().map(String::as_str)).collect();
    let mut copier = Copier { source, allowed: &allowed, entries: BTreeMap::new() };
    for name in &allowed {
        copier.copy(Path::new(name), 0)?;
    }
    let mut entries = copier.entries;
    for (name, text) in GENERATED {
        entries.insert(name.into(), Entry::File(text.as_bytes().to_vec(), 0o644));
    }
    let parents: Vec<PathBuf> = entries.keys().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
    for parent in parents {
        entries.entry(parent).or_insert(Entry::Directory);
    }
    Ok(entries)
}

fn check_extra(name: &str) -> Result<(), HostError> {
    let path = Path::new(name);
    let plain = !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain {
        return Err(HostError::Forbidden(format!("/etc/{name}"), "it is not a plain name"));
    }
    if path.components().any(|part| is_private(&part.as_os_str().to_string_lossy())) {
        return Err(HostError::Forbidden(format!("/etc/{name}"), "it is private to this machine"));
    }
    Ok(())
}

fn is_private(name: &str) -> bool {
    PRIVATE.contains(&name) || PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

struct Copier<'a> {
    source: &'a Path,
    allowed: &'a [&'a str],
    entries: BTreeMap<PathBuf, Entry>,
}

impl Copier<'_> {
    /// Takes an entry if it is public, with all below it; leaves it out otherwise.
    fn copy(&mut self, name: &Path, depth: usize) -> Result<(), HostError> {
        let path = self.source.join(name);
        let Ok(seen) = fs::symlink_metadata(&path) else { return Ok(()) };
        let last = name.file_name().unwrap_or_default().to_string_lossy();
        if is_private(&last) || depth > DEPTH_MAX || self.entries.len() >= ENTRIES_MAX {
            return Ok(());
        }
        if seen.is_symlink() {
            let target = fs::read_link(&path).map_err(HostError::io("read link", &path))?;
            if self.may_lead_to(name, &target) {
                self.entries.insert(name.to_owned(), Entry::Link(target));
            }
        } else if seen.is_dir() && seen.mode() & 0o005 == 0o005 {
            self.entries.insert(name.to_owned(), Entry::Directory);
            for child in fs::read_dir(&path).map_err(HostError::io("list", &path))? {
                let child = child.map_err(HostError::io("list", &path))?;
                self.copy(&name.join(child.file_name()), depth + 1)?;
            }
        } else if seen.is_file()
            && let Some(file) = read_public(&path)?
        {
            self.entries.insert(name.to_owned(), file);
        }
        Ok(())
    }

    fn may_lead_to(&self, name: &Path, target: &Path) -> bool {
        let base = Path::new("/etc").join(name);
        let Some(reached) = lexical(base.parent().unwrap_or(Path::new("/")), target) else { return false };
        if LINK_TREES.iter().any(|tree| reached.starts_with(tree)) {
            return true;
        }
        let Ok(inside) = reached.strip_prefix("/etc") else { return false };
        let public = !inside.components().any(|part| is_private(&part.as_os_str().to_string_lossy()));
        public && self.allowed.iter().any(|allowed| inside.starts_with(allowed))
    }
}

/// Joins without looking at the disk; none if `..` climbs above the root.
fn lexical(base: &Path, target: &Path) -> Option<PathBuf> {
    let mut reached = PathBuf::new();
    for part in base.join(target).components() {
        match part {
            Component::ParentDir if !reached.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            part => reached.push(part),
        }
    }
    Some(reached)
}

/// Reads a regular file that everybody may read and that holds no private key.
fn read_public(path: &Path) -> Result<Option<Entry>, HostError> {
    // Not following links and not blocking: what was looked at may have been replaced since.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    #[allow(clippy::cast_possible_wrap)]
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags as i32).open(path) else { return Ok(None) };
    let seen = file.metadata().map_err(HostError::io("look at", path))?;
    if !seen.is_file() || seen.mode() & 0o004 == 0 || seen.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(HostError::io("read", path))?;
    if holds_private_key(&bytes) {
        return Ok(None);
    }
    let mode = if seen.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    Ok(Some(Entry::File(bytes, mode)))
}

fn holds_private_key(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(MARK.len()).any(|window| window == MARK)
}

fn fingerprint(entries: &BTreeMap<PathBuf, Entry>) -> String {
    let mut hash = Sha256::new();
    for (path, entry) in entries {
        let (kind, mode, bytes): (u8, u32, &[u8]) = match entry {
            Entry::Directory => (b'd', 0o755, b""),
            Entry::File(bytes, mode) => (b'f', *mode, bytes),
            Entry::Link(target) => (b'l', 0o777, target.as_os_str().as_encoded_bytes()),
        };
        let name = path.as_os_str().as_encoded_bytes();
        for field in [name, &[kind], &mode.to_be_bytes(), bytes] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the tree. The order of the map puts parents before children.
fn write_all(root: &Path, entries: &BTreeMap<PathBuf, Entry>) -> Result<(), HostError> {
    for (name, entry) in entries {
        let path = root.join(name);
        let written = match entry {
            Entry::Directory => {
                fs::create_dir(&path).and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            }
            Entry::Link(target) => symlink(target, &path),
            Entry::File(bytes, mode) => write_file(&path, bytes, *mode),
        };
        written.map_err(HostError::io("write", &path))?;
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
