//! Folders: storage that outlives sessions, who may reach it, and tickets with which bytes go to and from it.

use madang_ids::{FolderId, InvitationId, NodeId, OrganizationId, ProjectId, UserId};
use madang_model::{FolderMode, FolderPermission, MountAccess};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// `POST /folders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderCreate {
    /// Unique among the living folders of its owner; letters, digits, `.`, `_` and `-`. One that begins with a dot mounts itself at home in
    /// every session of its owner.
    #[schema(max_length = 64)]
    pub name: String,
    /// Name or id of the project it is for; the asker's own where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    #[serde(default)]
    pub mode: FolderMode,
    /// What members of its project may do with what is in it: `write` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<FolderPermission>,
    /// Whether those who may only read it may make a copy of it.
    #[serde(default)]
    pub cloneable: bool,
}

/// `PATCH /folders/{id}`; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FolderChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<FolderMode>,
    /// What members of its project may do with what is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<FolderPermission>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloneable: Option<bool>,
}

/// `POST /folders/{id}/clone`: a new folder with a copy of all that is in this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderClone {
    #[schema(max_length = 64)]
    pub name: String,
    /// Name or id of the project that the copy is for; the asker's own where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
}

/// `POST /folders/{id}/owner`: a user or a project of the folder's organization.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FolderOwnerChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderView {
    #[schema(value_type = String)]
    pub id: FolderId,
    pub name: String,
    /// The user it belongs to, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<UserId>,
    /// The project it belongs to, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project: Option<ProjectId>,
    /// What its owner is called.
    pub owner_name: String,
    #[schema(value_type = String)]
    pub organization: OrganizationId,
    pub mode: FolderMode,
    /// What members of its project may do with what is in it; of no meaning where it is a user's.
    pub permission: FolderPermission,
    /// What the asker may do with what is in it; absent where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may: Option<FolderPermission>,
    pub cloneable: bool,
    /// `making`, `cloning`, `ready`, `moving`, `trashed`, `purging` or `failed`.
    pub state: String,
    /// Why it could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The folder that it is being filled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cloned_from: Option<FolderId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trashed_at: Option<Timestamp>,
    /// Where it is: the node that has it, or the name of the place that several nodes share. Sessions that mount it are there.
    #[schema(value_type = String)]
    pub node: NodeId,
    /// The user who made it.
    #[schema(value_type = String)]
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// What it holds, as blocks of the disk; only for one folder asked for by itself with `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    /// Files, directories and links in it; as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_files: Option<u64>,
}

/// `POST /folders/{id}/shares`: lets a user or the members of a project reach a folder. A user's folder is shared with other users by
/// invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderShareSet {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub project: Option<String>,
    pub permission: FolderPermission,
}

/// Who besides its owner may reach a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderShareView {
    #[schema(value_type = String)]
    pub folder: FolderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project: Option<ProjectId>,
    /// What the user or the project is called.
    pub name: String,
    pub permission: FolderPermission,
    #[schema(value_type = String)]
    pub created_by: UserId,
    pub created_at: Timestamp,
}

/// `POST /folders/{id}/invitations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationCreate {
    /// Name or id of a user of the folder's organization.
    #[schema(max_length = 64)]
    pub user: String,
    pub permission: FolderPermission,
    /// It cannot be accepted after that; two weeks where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 31622400000_u64)]
    pub expires_in_ms: Option<u64>,
}

/// An invitation to a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationView {
    #[schema(value_type = String)]
    pub id: InvitationId,
    #[schema(value_type = String)]
    pub folder: FolderId,
    pub folder_name: String,
    /// Who is invited.
    #[schema(value_type = String)]
    pub user: UserId,
    pub user_name: String,
    /// Who invites.
    #[schema(value_type = String)]
    pub created_by: UserId,
    pub created_by_name: String,
    pub permission: FolderPermission,
    /// `pending`, `accepted`, `declined`, `withdrawn` or `expired`.
    pub state: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// `POST /folders/{id}/tickets`: the right to reach a part of a folder for a short time without asking again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderTicketCreate {
    /// What is at and beneath this path; all of the folder where left out.
    #[serde(default)]
    #[schema(max_length = 1024)]
    pub path: String,
    pub may: FolderPermission,
    /// How long it opens anything: an hour where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1000, maximum = 86400000_u64)]
    pub ttl_ms: Option<u64>,
}

/// A right that was given. Whoever has it can use it until it expires, also when shares have ended meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderTicketView {
    /// Where the folder's files are, relative to this server.
    pub url: String,
    /// To be sent as `Authorization: Bearer`, or as `?ticket=`.
    pub ticket: String,
    pub expires_at: Timestamp,
}

/// What all folders of one owner hold together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FolderQuotaView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project: Option<ProjectId>,
    /// What the user or the project is called.
    pub name: String,
    /// Folders there are, those in the trash too.
    pub folders: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folders_max: Option<u64>,
    /// Absent where nothing was ever kept, or where the node does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_files: Option<u64>,
    pub max_bytes: u64,
    pub max_files: u64,
    /// The policy that says so; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A folder that a session is to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MountCreate {
    /// Id or name of a folder.
    #[schema(max_length = 64)]
    pub folder: String,
    /// Where, relative to `/home/work`; the folder's name where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub at: Option<String>,
    /// The most that the asker may where left out; of folders of the mode `model`, `read-only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<MountAccess>,
}

/// A folder as a session sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MountView {
    #[schema(value_type = String)]
    pub folder: FolderId,
    /// What it was called when the session was made.
    pub name: String,
    /// Where, relative to `/home/work`.
    pub at: String,
    pub access: MountAccess,
}
