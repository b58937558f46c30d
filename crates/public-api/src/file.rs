//! Files of a session, relative to `/home/work`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileEntryKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEntry {
    pub path: String,
    pub kind: FileEntryKind,
    pub size_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    pub modified_at: Timestamp,
}

/// An upload that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileWritten {
    pub path: String,
    pub size_bytes: u64,
}
