//! Folders: whose they are, how much they may hold, and how a sandbox sees them.

use madang_ids::{FolderId, ProjectId, UserId};
use serde::{Deserialize, Serialize};

/// Whose a folder is; all folders of one owner share one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderOwner {
    User(UserId),
    Project(ProjectId),
}

/// What all folders of one owner may hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderQuota {
    /// Bytes on the disk: what files take up in whole blocks, directories included.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

/// A folder as a sandbox sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderMount {
    pub folder: FolderId,
    pub owner: FolderOwner,
    /// Where, relative to `/home/work`.
    pub at: String,
    pub access: MountAccess,
}

/// What programs may do to a mounted folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountAccess {
    ReadOnly,
    ReadWrite,
}
