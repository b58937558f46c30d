//! The rules, each for every role and every relation to the thing.

use madang_ids::{OrganizationId, ProjectId, UserId};

use crate::person::{Owner, Role};

/// Where a thing belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belonging {
    /// Whose it is, if it is somebody's.
    pub user: Option<UserId>,
    /// What project it is for, if it is for one.
    pub project: Option<ProjectId>,
    /// What organization it is in.
    pub organization: OrganizationId,
}

impl From<Owner> for Belonging {
    fn from(owner: Owner) -> Self {
        Self { user: Some(owner.user), project: Some(owner.project), organization: owner.organization }
    }
}

/// How an actor stands to a thing, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// It is the actor's own, or the actor itself.
    Own,
    /// It is in a project that the actor manages.
    Managed,
    /// It is in a project that the actor is a member of.
    Shared,
    /// It is in the actor's organization and no closer.
    Organization,
    /// It is in another organization.
    Foreign,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Relation; 5] = [Self::Own, Self::Managed, Self::Shared, Self::Organization, Self::Foreign];
}

/// What comes of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is done.
    Allow,
    /// The actor may know of the thing, but not do this.
    Forbid,
    /// The actor may not even know of the thing: the answer is the one for a thing that is not there.
    Hide,
}

/// Who may do something. A system administrator may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Everybody, also who has not signed in.
    Open,
    /// Everybody who has signed in; it is about nothing but themselves, or a list that holds what they may see.
    Anyone,
    /// Looking at, and ending, sessions and runs: their owner, the managers of their project, administrators of their organization.
    Work,
    /// Acting inside of sessions and runs, with the owner's files and programs: their owner.
    Inside,
    /// Looking at a project: its members, administrators of its organization.
    ProjectSee,
    /// Saying who works in a project: its managers, administrators of its organization.
    ProjectManage,
    /// Changing and ending a project: administrators of its organization.
    ProjectChange,
    /// Looking at an organization: its users.
    OrganizationSee,
    /// Changing what is in an organization, where the request names the organization or means the actor's own: its administrators.
    OrganizationManage,
    /// Looking at a user and at what is the user's own: the user, administrators of the user's organization.
    UserSee,
    /// Changing what is the user's own: the user, administrators of the user's organization.
    UserOwn,
    /// Changing a user: administrators of the user's organization.
    UserManage,
    /// Making a folder: for oneself, or for a project by its managers and administrators of its organization.
    FolderMake,
    /// Knowing of a folder: its owner, members of its project, whom it is shared with, administrators of its organization.
    FolderSee,
    /// Reaching what is in a folder, as far as one's permission goes: all of those but administrators.
    FolderUse,
    /// Renaming a folder, bringing it to the trash and back: its owner, managers of its project, administrators of its organization.
    FolderManage,
    /// Saying who else may reach a folder: its owner, managers of its project.
    FolderShare,
    /// Giving a folder to another owner: administrators of its organization.
    FolderTransfer,
    /// The service as a whole: system administrators.
    System,
}

impl Rule {
    /// What the rule says of an actor with this role that stands so to the thing.
    #[must_use]
    pub fn decide(self, role: Role, relation: Relation) -> Decision {
        use Decision::{Allow, Forbid, Hide};
        use Relation::{Foreign, Managed, Organization, Own, Shared};
        if role == Role::SystemAdministrator {
            return Allow;
        }
        let administers = role == Role::OrganizationAdministrator && relation != Foreign;
        match (self, relation) {
            (Self::Open | Self::Anyone, _) => Allow,
            (Self::System, _) => Forbid,
            (Self::Inside, Own) => Allow,
            (Self::Inside, Managed) => Forbid,
            (Self::Inside, _) => {
                if administers {
                    Forbid
                } else {
                    Hide
                }
            }
            (Self::FolderUse, Own | Managed | Shared) | (Self::FolderShare, Own | Managed) => Allow,
            (Self::FolderUse | Self::FolderShare, Organization) if administers => Forbid,
            (Self::FolderShare, Shared) => Forbid,
            _ if administers => Allow,
            (Self::FolderMake | Self::FolderManage, Own | Managed) | (Self::FolderSee, Own | Managed | Shared) => Allow,
            (Self::FolderMake | Self::FolderManage, Shared) => Forbid,
            (Self::FolderTransfer, Own | Managed | Shared) => Forbid,
            (Self::Work, Own | Managed) => Allow,
            (Self::ProjectSee, Own | Managed | Shared) | (Self::ProjectManage, Managed) => Allow,
            (Self::ProjectManage, Own | Shared) | (Self::ProjectChange, Own | Managed | Shared) => Forbid,
            (Self::OrganizationSee, Own | Managed | Shared | Organization) => Allow,
            (Self::OrganizationManage, Own | Managed | Shared | Organization) => Forbid,
            (Self::UserSee | Self::UserOwn, Own) => Allow,
            (Self::UserManage, Own) => Forbid,
            _ => Hide,
        }
    }

    /// Whether somebody with this role may ever do it; asked before the thing is looked for.
    #[must_use]
    pub fn ever(self, role: Role) -> bool {
        Relation::ALL.into_iter().any(|relation| self.decide(role, relation) == Decision::Allow)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The whole of it, to be read by a person whenever it changes.
    #[test]
    fn every_rule_for_every_role_and_relation() {
        let rules = [
            Rule::Open,
            Rule::Anyone,
            Rule::Work,
            Rule::Inside,
            Rule::ProjectSee,
            Rule::ProjectManage,
            Rule::ProjectChange,
            Rule::OrganizationSee,
            Rule::OrganizationManage,
            Rule::UserSee,
            Rule::UserOwn,
            Rule::UserManage,
            Rule::FolderMake,
            Rule::FolderSee,
            Rule::FolderUse,
            Rule::FolderManage,
            Rule::FolderShare,
            Rule::FolderTransfer,
            Rule::System,
        ];
        let mut text = String::from(
            "rule                role                        own      managed  shared   organiz. foreign\n",
        );
        for rule in rules {
            for role in Role::ALL {
                write!(text, "{:<19} {:<27}", format!("{rule:?}"), role.name()).unwrap();
                for relation in Relation::ALL {
                    write!(text, " {:<8}", format!("{:?}", rule.decide(role, relation)).to_lowercase()).unwrap();
                }
                text.truncate(text.trim_end().len());
                text.push('\n');
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_is_closer_is_never_less() {
        let weight = |decision| match decision {
            Decision::Allow => 2,
            Decision::Forbid => 1,
            Decision::Hide => 0,
        };
        for rule in
            [Rule::Work, Rule::ProjectSee, Rule::OrganizationSee, Rule::UserSee, Rule::FolderSee, Rule::FolderUse]
        {
            for role in Role::ALL {
                let weights = [Relation::Own, Relation::Shared, Relation::Organization, Relation::Foreign]
                    .map(|relation| weight(rule.decide(role, relation)));
                assert!(weights.is_sorted_by(|a, b| a >= b), "{rule:?} {role:?} {weights:?}");
            }
        }
    }
}
