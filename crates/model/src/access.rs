//! Who asks, and what they may see. Pure: `control` makes an [`Actor`] of whoever has signed in.

use std::collections::BTreeMap;

use madang_ids::{OrganizationId, ProjectId, TokenId, UserId};

use crate::person::{Owner, ProjectRole, Role};

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub user: UserId,
    /// The user's name.
    pub name: String,
    /// The user's organization.
    pub organization: OrganizationId,
    /// What the user may do outside of projects.
    pub role: Role,
    /// The projects the user is a member of, none of them archived.
    pub projects: BTreeMap<ProjectId, ProjectRole>,
    /// Where the user's work belongs unless a request says otherwise.
    pub project: Option<ProjectId>,
    /// How the user has signed in.
    pub by: SignedInBy,
}

/// What an actor has signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedInBy {
    /// The uid behind the Unix socket.
    Socket,
    /// A bearer token.
    Token(TokenId),
    /// The public part of an access key.
    Key(String),
    /// A password or another provider, in a browser.
    Cookie,
}

/// The things of a kind that an actor may know of: for lists, which ask the database for no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    #[default]
    All,
    /// Those of one organization.
    Organization(OrganizationId),
    /// A user's own, and those of the projects that the user manages.
    Own {
        /// Whose own.
        user: UserId,
        /// Projects that the user manages.
        managed: Vec<ProjectId>,
    },
}

impl Actor {
    /// What the actor may know of other people's sessions and runs.
    #[must_use]
    pub fn sight(&self) -> Sight {
        match self.role {
            Role::SystemAdministrator => Sight::All,
            Role::OrganizationAdministrator => Sight::Organization(self.organization),
            Role::Member => {
                let managed = self.projects.iter().filter(|(_, role)| **role == ProjectRole::ProjectManager);
                Sight::Own { user: self.user, managed: managed.map(|(id, _)| *id).collect() }
            }
        }
    }
}

impl Sight {
    /// Whether something with this owner is among them.
    #[must_use]
    pub fn shows(&self, owner: &Owner) -> bool {
        match self {
            Self::All => true,
            Self::Organization(id) => owner.organization == *id,
            Self::Own { user, managed } => owner.user == *user || managed.contains(&owner.project),
        }
    }
}
