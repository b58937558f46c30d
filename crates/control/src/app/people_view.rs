//! People as the API shows them.

use madang_model::{Actor, SignedInBy};
use madang_public_api::{MeView, MembershipView, OrganizationView, ProjectView, Timestamp, TokenView, UserView};
use madang_store::{OrganizationRecord, ProjectRecord, TokenRecord, UserRecord};

use super::people::Directory;

pub(crate) fn organization_view(record: &OrganizationRecord) -> OrganizationView {
    OrganizationView {
        id: record.id,
        name: record.name.clone(),
        policy: record.policy.clone(),
        created_at: Timestamp(record.created_ms),
        archived_at: record.archived_ms.map(Timestamp),
    }
}

pub(crate) fn project_view(record: &ProjectRecord) -> ProjectView {
    ProjectView {
        id: record.id,
        organization: record.organization,
        name: record.name.clone(),
        policy: record.policy.clone(),
        created_at: Timestamp(record.created_ms),
        archived_at: record.archived_ms.map(Timestamp),
    }
}

pub(crate) fn token_view(record: &TokenRecord) -> TokenView {
    TokenView {
        id: record.id,
        owner: record.owner,
        name: record.name.clone(),
        scopes: record.scopes,
        created_at: Timestamp(record.created_ms),
        expires_at: record.expires_ms.map(Timestamp),
    }
}

impl Directory {
    pub fn user_view(&self, record: &UserRecord) -> UserView {
        let memberships = self.memberships.get(&record.id).into_iter().flatten();
        let membership = |(project, role): (&madang_ids::ProjectId, &madang_model::ProjectRole)| MembershipView {
            project: *project,
            user: record.id,
            name: record.name.clone(),
            role: role.name().to_owned(),
        };
        UserView {
            id: record.id,
            organization: record.organization,
            name: record.name.clone(),
            email: record.email.clone(),
            role: record.role.name().to_owned(),
            project: record.project,
            policy: record.policy.clone(),
            memberships: memberships.map(membership).collect(),
            created_at: Timestamp(record.created_ms),
            suspended_at: record.suspended_ms.map(Timestamp),
            archived_at: record.archived_ms.map(Timestamp),
        }
    }

    /// All but `has_password`, which only the store knows.
    pub fn me_view(&self, actor: &Actor) -> Option<MeView> {
        let user = self.user_view(self.users.get(&actor.user)?);
        let signed_in_by = match actor.by {
            SignedInBy::Socket => "socket",
            SignedInBy::Token(_) => "token",
            SignedInBy::Key(_) => "key",
            SignedInBy::Cookie(_) => "cookie",
            SignedInBy::SshKey(_) => "ssh-key",
        };
        Some(MeView { user, scopes: actor.scopes, signed_in_by: signed_in_by.into(), has_password: false })
    }
}
