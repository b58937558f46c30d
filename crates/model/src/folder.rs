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

/// Which folder, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FolderPlace {
    pub owner: FolderOwner,
    pub folder: FolderId,
}

/// What is on the disk: as the file system counts it, not as somebody remembers it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderUsage {
    /// Whole blocks, directories included.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

/// What all folders of one owner hold, and may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderOwnerUsage {
    pub used: FolderUsage,
    pub quota: FolderQuota,
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

impl FolderMount {
    pub fn place(&self) -> FolderPlace {
        FolderPlace { owner: self.owner, folder: self.folder }
    }
}

/// What programs may do to a mounted folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountAccess {
    ReadOnly,
    ReadWrite,
}
