//! Finding people for those who may know of them.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use madang_ids::{ProjectId, UserId};
use madang_model::{ProjectRole, SessionFilter, Sight, access::Belonging, session_filter::Term};
use madang_public_api::{MembershipView, OrganizationView, ProjectView, TokenView, UserView};
use madang_store::{OrganizationRecord, ProjectRecord, TokenRecord, UserRecord};

use super::{
    App, Asker, Failure,
    people::Directory,
    people_view::{organization_view, project_view, token_view},
};

impl App {
    /// By id or name; only if the asker may do with it what is asked for.
    pub fn organization_find(&self, asker: &Asker, text: &str) -> Result<OrganizationRecord, Failure> {
        let not_found = || Failure::not_found(format!("organization {text}"));
        let people = self.people.now();
        let found = named(&people.organizations, text, |record| record.name == text).ok_or_else(not_found)?;
        asker.check(Belonging { user: None, project: None, organization: found.id }, not_found)?;
        Ok(found.clone())
    }

    /// The organization that a request names, else the asker's own; only if the asker may do there what is asked for.
    pub fn organization_meant(&self, asker: &Asker, named: Option<&str>) -> Result<OrganizationRecord, Failure> {
        let own = asker.organization.to_string();
        let found = self.organization_find(asker, named.unwrap_or(&own))?;
        match found.archived_ms {
            None => Ok(found),
            Some(_) => Err(Failure::conflict("the organization is archived")),
        }
    }

    /// By id, or by name in the asker's own organization.
    pub fn project_find(&self, asker: &Asker, text: &str) -> Result<ProjectRecord, Failure> {
        let not_found = || Failure::not_found(format!("project {text}"));
        let people = self.people.now();
        let ours = |record: &ProjectRecord| record.name == text && record.organization == asker.organization;
        let found = named(&people.projects, text, ours).ok_or_else(not_found)?;
        asker.check(Belonging { user: None, project: Some(found.id), organization: found.organization }, not_found)?;
        Ok(found.clone())
    }

    /// By id or name.
    pub fn user_find(&self, asker: &Asker, text: &str) -> Result<UserRecord, Failure> {
        let not_found = || Failure::not_found(format!("user {text}"));
        let people = self.people.now();
        let found = people.user_of(text).ok_or_else(not_found)?;
        let thing = Belonging { user: Some(found.id), project: None, organization: found.organization };
        asker.check(thing, not_found)?;
        Ok(found.clone())
    }

    pub fn token_find(&self, asker: &Asker, text: &str) -> Result<TokenRecord, Failure> {
        let not_found = || Failure::not_found(format!("token {text}"));
        let people = self.people.now();
        let found = people.tokens.values().find(|token| token.id.to_string() == text).ok_or_else(not_found)?;
        let owner = people.users.get(&found.owner).ok_or_else(not_found)?;
        let thing = Belonging { user: Some(owner.id), project: None, organization: owner.organization };
        asker.check(thing, not_found)?;
        self.check_reach(asker, owner)?;
        Ok(found.clone())
    }

    /// What the asker may see, oldest first.
    pub fn organizations_seen(&self, asker: &Asker) -> Vec<OrganizationView> {
        let people = self.people.now();
        let all = asker.sight() == Sight::All;
        let seen = people.organizations.values().filter(|record| all || record.id == asker.organization);
        seen.map(organization_view).collect()
    }

    pub fn projects_seen(&self, asker: &Asker) -> Vec<ProjectView> {
        let people = self.people.now();
        let shown = |record: &&ProjectRecord| match asker.sight() {
            Sight::All => true,
            Sight::Organization(id) => record.organization == id,
            Sight::Own { .. } => asker.projects.contains_key(&record.id),
        };
        people.projects.values().filter(shown).map(project_view).collect()
    }

    pub fn users_seen(&self, asker: &Asker) -> Vec<UserView> {
        let people = self.people.now();
        let shown = |record: &&UserRecord| match asker.sight() {
            Sight::All => true,
            Sight::Organization(id) => record.organization == id,
            Sight::Own { user, .. } => record.id == user,
        };
        people.users.values().filter(shown).map(|record| people.user_view(record)).collect()
    }

    /// The asker's own.
    pub fn tokens_seen(&self, asker: &Asker) -> Vec<TokenView> {
        let people = self.people.now();
        let mut own: Vec<_> =
            people.tokens.values().filter(|token| token.owner == asker.user).map(token_view).collect();
        own.sort_by_key(|token| token.id);
        own
    }

    pub fn members_of(&self, project: ProjectId) -> Vec<MembershipView> {
        let people = self.people.now();
        let of = |(user, roles): (&UserId, &BTreeMap<ProjectId, ProjectRole>)| {
            let role = roles.get(&project)?;
            let name = people.users.get(user)?.name.clone();
            Some(MembershipView { project, user: *user, name, role: role.name().to_owned() })
        };
        people.memberships.iter().filter_map(of).collect()
    }

    /// The filter with owners and projects as ids. A name that nobody has matches nothing; what it matches is still only what the
    /// asker may see.
    pub fn session_filter_by_id(&self, asker: &Asker, mut filter: SessionFilter) -> SessionFilter {
        let people = self.people.now();
        let owner = |text: &String| match text.parse::<UserId>() {
            Ok(id) => Some(id.to_string()),
            Err(_) => people.user_of(text).map(|user| user.id.to_string()),
        };
        let project = |text: &String| {
            let ours = |record: &ProjectRecord| record.name == *text && record.organization == asker.organization;
            let id = text.parse::<ProjectId>().ok();
            id.or_else(|| people.projects.values().find(|record| ours(record)).map(|record| record.id))
                .map(|id| id.to_string())
        };
        for term in &mut filter.terms {
            match term {
                Term::Owner(owners) => *owners = owners.iter().filter_map(owner).collect(),
                Term::Project(projects) => *projects = projects.iter().filter_map(project).collect(),
                _ => {}
            }
        }
        filter
    }

    /// After a change: this process knows at once, the others when they look next.
    pub(super) async fn people_changed(&self) -> Result<Arc<Directory>, Failure> {
        self.people_refresh().await?;
        Ok(self.people.now())
    }
}

impl Directory {
    /// By id or name.
    pub fn user_of(&self, text: &str) -> Option<&UserRecord> {
        named(&self.users, text, |record| record.name == text)
    }

    /// A project of the organization, by id or name, that is not archived.
    pub fn project_in(&self, organization: madang_ids::OrganizationId, text: &str) -> Option<&ProjectRecord> {
        let here = |record: &ProjectRecord| record.organization == organization && record.archived_ms.is_none();
        named(&self.projects, text, |record| record.name == text && here(record)).filter(|record| here(record))
    }
}

/// What a text names: the one with that id where the text is an id, whoever else may be called so; else whoever has the name.
pub(super) fn named<'all, Id, Record>(
    all: &'all BTreeMap<Id, Record>,
    text: &str,
    has_name: impl Fn(&Record) -> bool,
) -> Option<&'all Record>
where
    Id: FromStr + Ord,
{
    match text.parse() {
        Ok(id) => all.get(&id),
        Err(_) => all.values().find(|record| has_name(record)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_taken_for_a_name() {
        let (first, second) = (UserId::new(), UserId::new());
        let all = BTreeMap::from([(first, second.to_string()), (second, "ada".to_owned())]);
        let find = |text: &str| named(&all, text, |name| name == text).cloned();
        assert_eq!(
            find(&second.to_string()).as_deref(),
            Some("ada"),
            "the first one bears the second one's id as its name"
        );
        assert_eq!(find("ada").as_deref(), Some("ada"));
        assert_eq!(find(&UserId::new().to_string()), None);
    }
}
