//! Everybody, in memory: who asks and what for is known without a look at the database.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
};

use madang_ids::{OrganizationId, ProjectId, UserId};
use madang_model::{Actor, BudgetHolder, Owner, ProjectRole, Scopes, SignedInBy, Tariff};
use madang_store::{
    AccessKeyRecord, BudgetRecord, OrganizationRecord, PolicyRecord, PriceRecord, ProjectRecord, SshKeyRecord, Store,
    StoreError, TokenRecord, UserRecord,
};
use tokio::sync::watch;

use super::{App, Failure, people_find::named};

/// The people as they were at one version of the store's directory. Never changed, only replaced.
#[derive(Debug)]
pub(crate) struct Directory {
    pub version: u64,
    pub organizations: BTreeMap<OrganizationId, OrganizationRecord>,
    pub projects: BTreeMap<ProjectId, ProjectRecord>,
    pub users: BTreeMap<UserId, UserRecord>,
    /// Roles in projects that are not archived.
    pub memberships: BTreeMap<UserId, BTreeMap<ProjectId, ProjectRole>>,
    pub policies: BTreeMap<String, PolicyRecord>,
    pub prices: Vec<PriceRecord>,
    pub tariff: Tariff,
    pub budgets: BTreeMap<BudgetHolder, Vec<BudgetRecord>>,
    /// Folders that mount themselves in sessions of their owners.
    pub folders_by_itself: super::folder_mount::ByItself,
    /// By the hash of their secrets.
    pub tokens: HashMap<String, TokenRecord>,
    /// By their public parts.
    pub access_keys: HashMap<String, AccessKeyRecord>,
    /// By their fingerprints.
    pub ssh_keys: HashMap<String, SshKeyRecord>,
}

/// The present directory.
#[derive(Debug)]
pub(crate) struct People {
    now: RwLock<Arc<Directory>>,
    /// One reads at a time: what was read before must not replace what was read after.
    reading: tokio::sync::Mutex<()>,
    /// The version, for whoever waits for the next.
    changes: watch::Sender<u64>,
    /// The version up to which the work of suspended users was ended.
    pub(super) ended: AtomicU64,
}

impl People {
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let (reading, changes, ended) = Default::default();
        Ok(Self { now: RwLock::new(Arc::new(Directory::load(store).await?)), reading, changes, ended })
    }

    /// Everybody as last read.
    pub fn now(&self) -> Arc<Directory> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl App {
    /// Reads everybody again if anything about them has changed.
    pub async fn people_refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.people.reading.lock().await;
        if self.store.directory_version().await? != self.people.now().version {
            let directory = Arc::new(Directory::load(&self.store).await?);
            let version = directory.version;
            *self.people.now.write().unwrap_or_else(PoisonError::into_inner) = directory;
            self.people.changes.send_replace(version);
        }
        Ok(())
    }
}

impl Directory {
    async fn load(store: &Store) -> Result<Self, StoreError> {
        // The version first: what changes while the rest is read is read again.
        let version = store.directory_version().await?;
        let organizations = store.organization_list().await?.into_iter().map(|record| (record.id, record)).collect();
        let projects: BTreeMap<_, _> =
            store.project_list().await?.into_iter().map(|record| (record.id, record)).collect();
        let users = store.user_list().await?.into_iter().map(|record| (record.id, record)).collect();
        let mut memberships: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for membership in store.membership_list().await? {
            if projects.get(&membership.project).is_some_and(|project| project.archived_ms.is_none()) {
                memberships.entry(membership.user).or_default().insert(membership.project, membership.role);
            }
        }
        let tokens = store.token_list().await?.into_iter().map(|token| (token.hash.clone(), token)).collect();
        let access_keys = store.access_key_list().await?.into_iter().map(|key| (key.id.clone(), key)).collect();
        let ssh_keys = store.ssh_key_list().await?;
        let ssh_keys = ssh_keys.into_iter().map(|key| (key.fingerprint.clone(), key)).collect();
        let policies = store.policy_list().await?.into_iter().map(|policy| (policy.name.clone(), policy)).collect();
        let prices = store.price_list().await?;
        let tariff = Tariff::new(prices.iter().map(|record| record.price));
        let mut budgets: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for record in store.budget_list().await? {
            budgets.entry(record.budget.holder).or_default().push(record);
        }
        let mut folders_by_itself: super::folder_mount::ByItself = BTreeMap::new();
        for record in store.folder_list_by_itself().await? {
            folders_by_itself.entry(record.owner).or_default().push(record);
        }
        Ok(Self {
            version,
            folders_by_itself,
            organizations,
            projects,
            users,
            memberships,
            policies,
            prices,
            tariff,
            budgets,
            tokens,
            access_keys,
            ssh_keys,
        })
    }

    /// The user of a name.
    pub fn user_named(&self, name: &str) -> Option<&UserRecord> {
        self.users.values().find(|user| user.name == name)
    }

    /// The user as somebody who has signed in; none if it must not.
    pub fn actor(&self, user: UserId, by: SignedInBy) -> Option<Actor> {
        let user = self.users.get(&user).filter(|user| user.is_active())?;
        self.organizations.get(&user.organization).filter(|organization| organization.archived_ms.is_none())?;
        Some(Actor {
            user: user.id,
            name: user.name.clone(),
            organization: user.organization,
            role: user.role,
            projects: self.memberships.get(&user.id).cloned().unwrap_or_default(),
            project: user.project,
            by,
            scopes: Scopes::ALL,
        })
    }

    /// For whom the actor's new work is: the project that is asked for by name or id, else the actor's own.
    pub fn owner(&self, actor: &Actor, asked: Option<&str>) -> Result<Owner, Failure> {
        let mine = |id: &ProjectId| actor.projects.contains_key(id);
        let project = match asked {
            Some(asked) => {
                let of_name = |project: &ProjectRecord| mine(&project.id) && project.name == asked;
                let found = named(&self.projects, asked, of_name).filter(|project| mine(&project.id));
                found.ok_or_else(|| Failure::invalid("project", format!("you are in no project `{asked}`")))?
            }
            None => {
                let only = || actor.projects.keys().next().copied().filter(|_| actor.projects.len() == 1);
                let id = actor.project.filter(mine).or_else(only);
                let project = id.and_then(|id| self.projects.get(&id));
                project.ok_or_else(|| Failure::invalid("project", "say which `project` this is for"))?
            }
        };
        Ok(Owner { user: actor.user, project: project.id, organization: project.organization })
    }
}
