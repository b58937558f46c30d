//! One name in a folder, as others see it.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::TreePath;

/// Two changes nearer to each other than this may leave the same times behind, so that a tag of a file that young is a weak one.
const TICK_NS: i128 = 2_000_000_000;

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    File,
    Directory,
    /// A symbolic link, which is never followed.
    Link,
    /// A pipe, a socket.
    Other,
}

impl EntryKind {
    pub fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// For people: bytes that are no UTF-8 are replaced.
    pub name: String,
    /// The name's bytes in base64 (RFC 4648 §4), where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<String>,
    /// From the folder's top, percent-encoded: as it goes into URLs.
    pub path: String,
    pub kind: EntryKind,
    pub size_bytes: u64,
    /// Unix time, milliseconds.
    pub modified_ms: i64,
    /// Permission bits.
    pub mode: u32,
}

impl Entry {
    pub fn of(path: &TreePath, stat: &Stat) -> Self {
        let name = path.split_last().map_or(&b""[..], |(_, name)| name);
        let text = String::from_utf8_lossy(name);
        let is_text = text.as_bytes() == name;
        Self {
            name_base64: (!is_text).then(|| STANDARD.encode(name)),
            name: text.into_owned(),
            path: path.to_percent(),
            kind: EntryKind::of(stat),
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ms: modified_ms(stat),
            mode: stat.st_mode & 0o7777,
        }
    }
}

pub fn modified_ms(stat: &Stat) -> i64 {
    let ms = nanoseconds(stat.st_mtime, stat.st_mtime_nsec) / 1_000_000;
    i64::try_from(ms).unwrap_or(0)
}

/// What changes whenever the file does (RFC 9110 §8.8.3): by its number, size and last change, which a program cannot set.
pub fn etag(stat: &Stat, now_ms: u64) -> String {
    let changed = nanoseconds(stat.st_ctime, stat.st_ctime_nsec);
    let young = i128::from(now_ms) * 1_000_000 - changed < TICK_NS;
    let weak = if young { "W/" } else { "" };
    format!("{weak}\"{:x}-{:x}-{changed:x}\"", stat.st_ino, stat.st_size)
}

fn nanoseconds(seconds: i64, rest: impl Into<i128>) -> i128 {
    i128::from(seconds) * 1_000_000_000 + rest.into()
}
