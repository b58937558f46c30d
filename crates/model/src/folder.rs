//! Folders: whose they are, how much they may hold, who may do what with them, and how a sandbox sees them.

use madang_ids::{FolderId, ProjectId, UserId};
use serde::{Deserialize, Serialize};

/// Whose a folder is; all folders of one owner share one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderOwner {
    User(UserId),
    Project(ProjectId),
}

impl std::fmt::Display for FolderOwner {
    /// The id, which says by its prefix which of both it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Project(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for FolderOwner {
    type Err = madang_ids::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::User).or_else(|_| text.parse().map(Self::Project))
    }
}

/// What all folders of one owner may hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderQuota {
    /// Bytes on the disk: what files take up in whole blocks, directories included.
    pub bytes: u64,
    /// Files, directories and links.
    pub files: u64,
}

impl FolderQuota {
    /// Where no policy says anything.
    pub const DEFAULT: Self = Self { bytes: 10 << 30, files: 1_000_000 };
    /// No owner is held to less, whatever a policy says: an empty directory or two take so much.
    pub const LEAST: Self = Self { bytes: 1 << 20, files: 16 };
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MountAccess {
    ReadOnly,
    ReadWrite,
}

/// What somebody may do with what is in a folder, each including those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FolderPermission {
    Read,
    /// Make and change files. A session that mounts the folder writable may also remove them: a mount cannot tell.
    Write,
    /// Remove and rename files.
    Delete,
}

impl FolderPermission {
    /// Every permission, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Delete];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }

    /// The permission of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }

    /// The most that a mount may do.
    #[must_use]
    pub fn mounts(self) -> MountAccess {
        if self == Self::Read { MountAccess::ReadOnly } else { MountAccess::ReadWrite }
    }
}

/// What a folder is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FolderMode {
    #[default]
    General,
    /// What programs read.
    Data,
    /// Models that are served: mounted read-only unless a session asks for more.
    Model,
}

impl FolderMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::General, Self::Data, Self::Model];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Data => "data",
            Self::Model => "model",
        }
    }

    /// The mode of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Where a folder is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum FolderState {
    /// Its node has not said yet that it is there.
    Making,
    /// Being filled with what is in another.
    Cloning {
        from: FolderId,
        owner: FolderOwner,
    },
    Ready,
    /// On its way to another owner; `copied`: all of it is there, and what the former owner had goes.
    Moving {
        to: FolderOwner,
        copied: bool,
    },
    /// Out of sight until it is restored or purged.
    Trashed {
        since_ms: u64,
    },
    /// Nothing brings it back; its node has not said yet that it is gone.
    Purging,
    /// It could not be made.
    Failed {
        why: String,
    },
}

impl FolderState {
    /// In one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Cloning { .. } => "cloning",
            Self::Ready => "ready",
            Self::Moving { .. } => "moving",
            Self::Trashed { .. } => "trashed",
            Self::Purging => "purging",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether it has its name for itself.
    #[must_use]
    pub fn is_living(&self) -> bool {
        !matches!(self, Self::Trashed { .. } | Self::Purging)
    }

    /// Whether its node has something to do for it.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Making | Self::Cloning { .. } | Self::Moving { .. } | Self::Purging)
    }

    /// Whether it may go to the trash.
    #[must_use]
    pub fn may_be_trashed(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// Whether it may be purged.
    #[must_use]
    pub fn may_be_purged(&self) -> bool {
        matches!(self, Self::Trashed { .. } | Self::Failed { .. } | Self::Purging)
    }
}

/// A folder in a session, with the name it had when the session was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMount {
    pub name: String,
    pub mount: FolderMount,
}

/// Whether one of two paths below `/home/work` is the other, or lies below it.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let below =
        |path: &str, of: &str| path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(one, other) || below(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_from_its_id() {
        for owner in [FolderOwner::User(UserId::new()), FolderOwner::Project(ProjectId::new())] {
            assert_eq!(owner.to_string().parse(), Ok(owner));
        }
        assert!(FolderId::new().to_string().parse::<FolderOwner>().is_err());
    }

    #[test]
    fn paths_overlap_where_one_holds_the_other() {
        for (one, other) in [("a", "a"), ("a/b", "a"), ("a", "a/b/c")] {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [("a", "ab"), ("a/b", "a/c"), ("a/b", "b")] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn every_state_has_one_way_out_at_least() {
        let owner = FolderOwner::User(UserId::new());
        for state in [
            FolderState::Making,
            FolderState::Cloning { from: FolderId::new(), owner },
            FolderState::Ready,
            FolderState::Moving { to: owner, copied: false },
            FolderState::Trashed { since_ms: 1 },
            FolderState::Purging,
            FolderState::Failed { why: "full".into() },
        ] {
            assert!(state.is_under_way() || state.may_be_trashed() || state.may_be_purged(), "{state:?}");
        }
    }
}
