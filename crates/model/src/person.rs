//! Organizations, projects, users: who works, for whom, and as what.

use madang_ids::{OrganizationId, ProjectId, UserId};
use serde::{Deserialize, Serialize};

/// The organization that every installation has.
pub const DEFAULT_ORGANIZATION: OrganizationId = OrganizationId::fixed(1);
/// The project that every installation has, in [`DEFAULT_ORGANIZATION`].
pub const DEFAULT_PROJECT: ProjectId = ProjectId::fixed(1);
/// The user that every installation has: owner of `admin.token` and of the Unix socket's own uid.
pub const ADMINISTRATOR: UserId = UserId::fixed(1);

/// What a user may do outside of projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Works in the projects it is a member of.
    Member,
    /// Everything in its own organization.
    OrganizationAdministrator,
    /// Everything everywhere.
    SystemAdministrator,
}

impl Role {
    /// Every role, least powerful first.
    pub const ALL: [Role; 3] = [Self::Member, Self::OrganizationAdministrator, Self::SystemAdministrator];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::OrganizationAdministrator => "organization-administrator",
            Self::SystemAdministrator => "system-administrator",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What a member of a project may do in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectRole {
    /// Works in it; sees its own work.
    Member,
    /// Sees and ends everybody's work in it, says who is a member.
    ProjectManager,
}

impl ProjectRole {
    /// Every role in a project, least powerful first.
    pub const ALL: [ProjectRole; 2] = [Self::Member, Self::ProjectManager];

    /// As it is written everywhere.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::ProjectManager => "project-manager",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// For whom something is done: every session and every run has all three, from its first row on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Who asked for it.
    pub user: UserId,
    /// What it is for.
    pub project: ProjectId,
    /// Who pays for it: the project's organization.
    pub organization: OrganizationId,
}

impl Owner {
    /// Where things from before there were owners belong.
    pub const DEFAULT: Owner =
        Owner { user: ADMINISTRATOR, project: DEFAULT_PROJECT, organization: DEFAULT_ORGANIZATION };
}
