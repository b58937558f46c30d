//! Who asks, and what they may do. Pure: `control` makes an [`Actor`] of whoever has signed in.
//!
//! **The one authorization table is [`table`]**: every operation of the API has its row there. `http` asks it once for each request,
//! `app` once for each thing that a request names. Nothing else compares roles.

mod decision;
mod scope;
pub mod table;

pub use decision::{Belonging, Decision, Relation, Rule};
pub use scope::{Scope, Scopes};
pub use table::{Row, Thing};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use madang_ids::{OrganizationId, ProjectId, SigninId, SshKeyId, TokenId, UserId};

use crate::person::{Owner, ProjectRole, Role};

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What the way of signing in allows, of what the user may do.
    pub scopes: Scopes,
}

/// What an actor has signed in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedInBy {
    /// The uid behind the Unix socket.
    Socket,
    /// A bearer token.
    Token(TokenId),
    /// The public part of an access key.
    Key(String),
    /// A password or another provider, in a browser.
    Cookie(SigninId),
    /// The private part of a key, over SSH.
    SshKey(SshKeyId),
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
    /// How the actor stands to something.
    #[must_use]
    pub fn relation(&self, thing: Belonging) -> Relation {
        if thing.user == Some(self.user) {
            return Relation::Own;
        }
        match thing.project.and_then(|project| self.projects.get(&project)) {
            Some(ProjectRole::ProjectManager) => Relation::Managed,
            Some(ProjectRole::Member) => Relation::Shared,
            None if thing.organization == self.organization => Relation::Organization,
            None => Relation::Foreign,
        }
    }

    /// What one of the table's rules says of the actor and something.
    #[must_use]
    pub fn decide(&self, rule: Rule, thing: Belonging) -> Decision {
        rule.decide(self.role_over(thing), self.relation(thing))
    }

    /// The same where somebody has made the actor stand at least as close as a member of the thing's project: a share of a folder.
    #[must_use]
    pub fn decide_shared(&self, rule: Rule, thing: Belonging) -> Decision {
        rule.decide(self.role_over(thing), self.relation(thing).min(Relation::Shared))
    }

    /// Whoever administers an organization does so in that one; in projects of others it is a member like any other.
    fn role_over(&self, thing: Belonging) -> Role {
        match self.role {
            Role::OrganizationAdministrator if thing.organization != self.organization => Role::Member,
            role => role,
        }
    }

    /// Whether the actor may give somebody this role, or change somebody who has it: nobody makes or breaks more than they are.
    #[must_use]
    pub fn reaches(&self, role: Role) -> bool {
        role <= self.role
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::{DEFAULT_ORGANIZATION, DEFAULT_PROJECT};

    #[test]
    fn an_administrator_is_a_member_like_any_other_in_another_organizations_project() {
        let guest = ProjectId::new();
        let actor = Actor {
            user: UserId::new(),
            name: "mallory".into(),
            organization: DEFAULT_ORGANIZATION,
            role: Role::OrganizationAdministrator,
            project: None,
            projects: [(guest, ProjectRole::Member), (DEFAULT_PROJECT, ProjectRole::Member)].into(),
            scopes: Scopes::ALL,
            by: SignedInBy::Socket,
        };
        let of = |project, organization| Belonging { user: None, project: Some(project), organization };
        let (own, others) = (of(DEFAULT_PROJECT, DEFAULT_ORGANIZATION), of(guest, OrganizationId::new()));
        assert_eq!(actor.decide(Rule::ProjectManage, own), Decision::Allow);
        assert_ne!(actor.decide(Rule::ProjectManage, others), Decision::Allow);
        assert_eq!(actor.decide(Rule::ProjectSee, others), Decision::Allow, "as a member may");
    }
}
