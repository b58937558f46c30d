//! From whom a provider vouches for to a user of ours, and the projects that its groups stand for.

use std::collections::BTreeSet;

use madang_ids::{OrganizationId, ProjectId, UserId};
use madang_model::{ProjectRole, Role};
use madang_store::{MembershipRecord, ProviderUserRecord, StoreError, UserRecord};

use super::{Claimed, ProviderConfig, ProviderError};
use crate::{
    app::{App, people::Directory},
    clock::now_ms,
};

/// Characters of a user's name taken from a provider.
const NAME_CHARS_MAX: usize = 48;
/// Names that are tried where the first is taken.
const NAMES_MAX: usize = 100;

/// The user behind what a provider claims, made if the configuration says so, in the projects that its groups stand for.
pub(crate) async fn user_of(app: &App, config: &ProviderConfig, claimed: &Claimed) -> Result<UserId, ProviderError> {
    let user = match app.store.provider_user_find(&claimed.issuer, &claimed.subject).await? {
        Some(user) => user,
        None => make(app, config, claimed).await?,
    };
    app.people_refresh().await?;
    let (join, leave) = moves(config, claimed, &app.people.now(), user);
    let changed = !join.is_empty() || !leave.is_empty();
    for project in join {
        let created_ms = now_ms();
        app.store.membership_set(&MembershipRecord { project, user, role: ProjectRole::Member, created_ms }).await?;
    }
    for project in leave {
        app.store.membership_remove(project, user).await?;
    }
    if changed {
        app.people_refresh().await?;
    }
    Ok(user)
}

/// A new user. Somebody with the same name is somebody else: names of providers are not ours, and e-mail addresses prove nothing.
async fn make(app: &App, config: &ProviderConfig, claimed: &Claimed) -> Result<UserId, ProviderError> {
    let refused = |why: &str| ProviderError::Refused(why.to_owned());
    let organization = config.organization.as_deref().ok_or_else(|| refused("only known users may come from it"))?;
    let directory = app.people.now();
    let organization =
        organization_named(&directory, organization).ok_or_else(|| refused("its organization is unknown"))?;
    let base = plain_name(claimed);
    let id = UserId::new();
    for number in 1..=NAMES_MAX {
        let name = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        let record = UserRecord {
            id,
            organization,
            name,
            email: claimed.email.clone(),
            role: Role::Member,
            project: None,
            policy: None,
            created_ms: now_ms(),
            suspended_ms: None,
            archived_ms: None,
        };
        match app.store.user_insert(&record).await {
            Ok(()) => return bind(app, claimed, record).await,
            Err(StoreError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(refused("every name like the user's is taken"))
}

/// Of two sign-ins at once the first makes the user; the other finds it, and archives the one that it made.
async fn bind(app: &App, claimed: &Claimed, made: UserRecord) -> Result<UserId, ProviderError> {
    let user = made.id;
    let (issuer, subject) = (claimed.issuer.clone(), claimed.subject.clone());
    let record = ProviderUserRecord { issuer, subject, user, created_ms: now_ms() };
    match app.store.provider_user_insert(&record).await {
        Ok(()) => Ok(user),
        Err(StoreError::Exists { .. }) => {
            let archived = UserRecord { archived_ms: Some(now_ms()), ..made.clone() };
            app.store.user_update(&made, &archived, now_ms()).await?;
            let first = app.store.provider_user_find(&claimed.issuer, &claimed.subject).await?;
            first.ok_or_else(|| ProviderError::Refused("the user went away meanwhile".into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Projects to join and to leave. Only what the mapping names is touched, and nobody who manages a project is moved out of it.
fn moves(
    config: &ProviderConfig,
    claimed: &Claimed,
    directory: &Directory,
    user: UserId,
) -> (Vec<ProjectId>, Vec<ProjectId>) {
    let Some(home) = directory.users.get(&user).map(|user| user.organization) else { return Default::default() };
    let project = |name: &String| project_named(directory, home, name);
    let named: BTreeSet<ProjectId> = config.groups.values().flatten().filter_map(project).collect();
    let mine = config.groups.iter().filter(|(group, _)| claimed.groups.contains(group));
    let wanted: BTreeSet<ProjectId> = mine.flat_map(|(_, projects)| projects).filter_map(project).collect();
    let none = Default::default();
    let held = directory.memberships.get(&user).unwrap_or(&none);
    let join = wanted.iter().copied().filter(|project| !held.contains_key(project)).collect();
    let plain = |(project, role): (&ProjectId, &ProjectRole)| (*role == ProjectRole::Member).then_some(*project);
    let gone = |project: &ProjectId| named.contains(project) && !wanted.contains(project);
    let leave = held.iter().filter_map(plain).filter(gone).collect();
    (join, leave)
}

/// `project` of the user's own organization, or `organization/project`.
fn project_named(directory: &Directory, home: OrganizationId, name: &str) -> Option<ProjectId> {
    let (organization, project) = match name.split_once('/') {
        Some((organization, project)) => (organization_named(directory, organization)?, project),
        None => (home, name),
    };
    let found = directory
        .projects
        .values()
        .find(|found| found.organization == organization && found.name == project && found.archived_ms.is_none());
    found.map(|project| project.id)
}

fn organization_named(directory: &Directory, name: &str) -> Option<OrganizationId> {
    let live = directory.organizations.values().filter(|organization| organization.archived_ms.is_none());
    live.into_iter().find(|organization| organization.name == name).map(|organization| organization.id)
}

/// A name that is one here as well: what the provider calls the user, without what names cannot have.
fn plain_name(claimed: &Claimed) -> String {
    let given = claimed.name.as_deref().or(claimed.email.as_deref()).unwrap_or("");
    let local = given.split('@').next().unwrap_or("").to_ascii_lowercase();
    let plain = |char: char| if char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.') { char } else { '-' };
    let name: String = local.chars().map(plain).take(NAME_CHARS_MAX).collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() { "user".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(given: Option<&str>, email: Option<&str>) -> String {
        plain_name(&Claimed {
            issuer: String::new(),
            subject: String::new(),
            name: given.map(str::to_owned),
            email: email.map(str::to_owned),
            groups: Vec::new(),
        })
    }

    #[test]
    fn names_become_ours() {
        assert_eq!(name(Some("Ada.Lovelace@example.org"), None), "ada.lovelace");
        assert_eq!(name(Some("Ada Lovelace"), None), "ada-lovelace");
        assert_eq!(name(None, Some("ada@example.org")), "ada");
        assert_eq!(name(Some("…"), None), "user");
        assert_eq!(name(None, None), "user");
        assert_eq!(name(Some(&"x".repeat(200)), None).len(), NAME_CHARS_MAX);
    }
}
