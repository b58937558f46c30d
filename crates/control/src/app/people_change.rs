//! Changes of organizations, projects and memberships.

use madang_ids::{OrganizationId, ProjectId};
use madang_model::{
    ProjectRole,
    person::{DEFAULT_ORGANIZATION, DEFAULT_PROJECT},
};
use madang_public_api::{
    MembershipSet, MembershipView, NamedChange, OrganizationCreate, OrganizationView, ProjectCreate, ProjectView,
};
use madang_store::{MembershipRecord, OrganizationRecord, ProjectRecord};

use super::{
    App, Asker, Failure,
    people_view::{organization_view, project_view},
    validate,
};
use crate::clock::now_ms;

impl App {
    pub async fn organization_create(&self, request: OrganizationCreate) -> Result<OrganizationView, Failure> {
        validate::session_name(&request.name)?;
        let record = OrganizationRecord {
            id: OrganizationId::new(),
            name: request.name,
            policy: self.policy_named(request.policy)?,
            created_ms: now_ms(),
            archived_ms: None,
        };
        self.store.organization_insert(&record).await?;
        self.people_changed().await?;
        Ok(organization_view(&record))
    }

    pub async fn organization_change(
        &self,
        mut record: OrganizationRecord,
        change: NamedChange,
    ) -> Result<OrganizationView, Failure> {
        if let Some(name) = change.name {
            validate::session_name(&name)?;
            record.name = name;
        }
        if let Some(policy) = change.policy {
            record.policy = self.policy_named(Some(policy))?;
        }
        self.store.organization_update(&record).await?;
        self.people_changed().await?;
        Ok(organization_view(&record))
    }

    pub async fn organization_archive(&self, mut record: OrganizationRecord) -> Result<OrganizationView, Failure> {
        if record.id == DEFAULT_ORGANIZATION {
            return Err(Failure::conflict("the default organization stays: the administrator is in it"));
        }
        record.archived_ms = record.archived_ms.or(Some(now_ms()));
        self.store.organization_update(&record).await?;
        self.people_changed().await?;
        Ok(organization_view(&record))
    }

    pub async fn project_create(&self, asker: &Asker, request: ProjectCreate) -> Result<ProjectView, Failure> {
        let organization = self.organization_meant(asker, request.organization.as_deref())?;
        validate::session_name(&request.name)?;
        let record = ProjectRecord {
            id: ProjectId::new(),
            organization: organization.id,
            name: request.name,
            policy: self.policy_named(request.policy)?,
            created_ms: now_ms(),
            archived_ms: None,
        };
        self.store.project_insert(&record).await?;
        self.people_changed().await?;
        Ok(project_view(&record))
    }

    pub async fn project_change(&self, mut record: ProjectRecord, change: NamedChange) -> Result<ProjectView, Failure> {
        if let Some(name) = change.name {
            validate::session_name(&name)?;
            record.name = name;
        }
        if let Some(policy) = change.policy {
            record.policy = self.policy_named(Some(policy))?;
        }
        self.store.project_update(&record).await?;
        self.people_changed().await?;
        Ok(project_view(&record))
    }

    pub async fn project_archive(&self, mut record: ProjectRecord) -> Result<ProjectView, Failure> {
        if record.id == DEFAULT_PROJECT {
            return Err(Failure::conflict("the default project stays: what has no other belongs to it"));
        }
        record.archived_ms = record.archived_ms.or(Some(now_ms()));
        self.store.project_update(&record).await?;
        self.people_changed().await?;
        Ok(project_view(&record))
    }

    /// A member is a user of the project's own organization: others are not there.
    pub async fn member_set(
        &self,
        project: &ProjectRecord,
        user: &str,
        request: MembershipSet,
    ) -> Result<MembershipView, Failure> {
        let role = request.role.as_deref().unwrap_or(ProjectRole::Member.name());
        let role = ProjectRole::from_name(role)
            .ok_or_else(|| Failure::invalid("role", "a role in a project is `member` or `project-manager`"))?;
        let people = self.people.now();
        let found = people.user_of(user).filter(|found| found.organization == project.organization);
        let found = found.ok_or_else(|| Failure::not_found(format!("user {user}")))?;
        let record = MembershipRecord { project: project.id, user: found.id, role, created_ms: now_ms() };
        self.store.membership_set(&record).await?;
        self.people_changed().await?;
        Ok(MembershipView {
            project: project.id,
            user: found.id,
            name: found.name.clone(),
            role: role.name().to_owned(),
        })
    }

    pub async fn member_remove(&self, project: &ProjectRecord, user: &str) -> Result<MembershipView, Failure> {
        let not_found = || Failure::not_found(format!("user {user}"));
        // As everywhere else, an id is an id first, whoever bears it as a name.
        let id = self.people.now().user_of(user).map(|found| found.id).ok_or_else(not_found)?;
        let member = self.members_of(project.id).into_iter().find(|member| member.user == id).ok_or_else(not_found)?;
        self.store.membership_remove(project.id, member.user).await?;
        self.people_changed().await?;
        Ok(member)
    }

    /// A policy's name as it is kept; empty stands for none.
    pub(super) fn policy_named(&self, name: Option<String>) -> Result<Option<String>, Failure> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        if !self.people.now().policies.contains_key(&name) {
            return Err(Failure::invalid("policy", format!("there is no policy `{name}`")));
        }
        Ok(Some(name))
    }
}
