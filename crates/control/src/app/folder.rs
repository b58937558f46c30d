//! Folders: making and finding them, and what whoever asks may do with them.

use madang_ids::FolderId;
use madang_model::{Actor, FolderOwner, FolderPermission, FolderState, ProjectRole, access::Belonging};
use madang_public_api::{FolderCreate, FolderView, Timestamp};
use madang_store::{FolderQuery, FolderReach, FolderRecord, FolderShareRecord};
use tokio::sync::Notify;

use super::{App, Asker, Failure, people::Directory, people_find::named, policy::refused, validate};
use crate::clock::now_ms;

/// Folders of one name that somebody may reach, as far as they are looked at.
const NAMESAKES_MAX: u64 = 16;

/// What of folders is in memory.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// One is made at a time, so that no two are counted as the last.
    pub making: tokio::sync::Mutex<()>,
    /// Shared by sessions on their way in that mount folders; whoever takes a folder away has it alone.
    pub mounting: std::sync::Arc<tokio::sync::RwLock<()>>,
    /// The quotas that nodes were told.
    pub told: super::folder_quota::QuotasTold,
    /// What something is being done for now.
    pub acting: std::sync::Arc<super::folder_acting::Acting>,
    /// Wakes the task that goes on with what is under way.
    pub wake: std::sync::Arc<Notify>,
}

/// A folder as somebody has found it.
#[derive(Debug, Clone)]
pub(crate) struct FolderFound {
    pub record: FolderRecord,
    /// What they may do with what is in it.
    pub may: Option<FolderPermission>,
}

impl FolderFound {
    /// What may be done with what is in it by somebody who was let in: a system administrator has no permission and needs none.
    pub fn allowed(&self) -> FolderPermission {
        self.may.unwrap_or(FolderPermission::Delete)
    }

    /// Nothing is done with one that is not whole.
    pub fn ready(self) -> Result<Self, Failure> {
        match &self.record.state {
            FolderState::Ready => Ok(self),
            state => Err(Failure::conflict(format!("the folder `{}` is {}", self.record.name, state.name()))),
        }
    }
}

impl App {
    pub async fn folder_create(&self, asker: &Asker, request: FolderCreate) -> Result<FolderView, Failure> {
        let owner = self.folder_owner_asked(asker, request.project.as_deref())?;
        let record = self.folder_new(asker, owner, &request.name).await?;
        let record = FolderRecord {
            mode: request.mode,
            permission: request.permission.unwrap_or(FolderPermission::Write),
            cloneable: request.cloneable,
            ..record
        };
        // The task that goes on with what is under way leaves it to us.
        let acting = self.folders.acting.begin(&record, &self.folders.wake);
        let record = self.folder_keep(record).await?;
        let made = self.folder_act(record.clone()).await;
        match made {
            Ok(Some(record)) => Ok(self.folder_view(asker, &record, &[])),
            Ok(None) => Err(Failure::conflict(format!("the folder `{}` was purged meanwhile", record.name))),
            Err(failure) => {
                // Whoever asked was told no: what may be there of it goes.
                if let Err(error) = self.folder_state_set(&record, FolderState::Purging).await {
                    tracing::warn!(folder = %record.id, ?error, "a folder that could not be made may be there");
                }
                // Whoever is woken finds it free.
                drop(acting);
                self.folders.wake.notify_one();
                Err(failure)
            }
        }
    }

    /// Those that the asker may reach; or those of an owner whom the asker administers.
    pub async fn folder_list(&self, asker: &Asker, query: &FolderQuery) -> Result<Vec<FolderView>, Failure> {
        let records = self.store.folder_list(query).await?;
        let ids: Vec<FolderId> = records.iter().map(|record| record.id).collect();
        let shares = self.store.folder_share_list(&ids).await?;
        Ok(records.iter().map(|record| self.folder_view(asker, record, &shares)).collect())
    }

    /// What a list is of: what the asker may reach, or all of an owner whose folders the asker may know of.
    pub fn folder_reach(&self, asker: &Asker, owner: Option<&str>) -> Result<FolderReach, Failure> {
        let projects = || asker.projects.keys().copied().collect();
        let Some(owner) = owner else { return Ok(FolderReach::By { user: asker.user, projects: projects() }) };
        let not_found = || {
            let detail = format!("there is no user or project `{owner}` whose folders you may know of");
            Failure::invalid("owner", detail)
        };
        let people = self.people.now();
        let user = people.user_of(owner).map(|user| FolderOwner::User(user.id));
        let project = || people.project_in(asker.organization, owner).map(|project| FolderOwner::Project(project.id));
        let owner = user.or_else(project).ok_or_else(not_found)?;
        let belongs = people.folder_owner_belongs(owner).ok_or_else(not_found)?;
        match asker.decide(madang_model::access::Rule::FolderSee, belongs) {
            madang_model::Decision::Allow => Ok(FolderReach::Of(vec![owner])),
            _ => Err(not_found()),
        }
    }

    /// By id, or by name among those that the asker may reach, its own first; only if the asker may do with it what is asked for.
    pub async fn folder_find(&self, asker: &Asker, text: &str) -> Result<FolderFound, Failure> {
        let not_found = || Failure::not_found(format!("folder {text}"));
        let record = self.folder_named(asker, text).await?.ok_or_else(not_found)?;
        let belongs = self.people.now().folder_owner_belongs(record.owner).ok_or_else(not_found)?;
        let found = self.folder_found(asker, record).await?;
        asker.check_shared(belongs, found.may, not_found)?;
        Ok(found)
    }

    /// A folder with what somebody may do with what is in it.
    pub(super) async fn folder_found(&self, actor: &Actor, record: FolderRecord) -> Result<FolderFound, Failure> {
        let shares = self.store.folder_share_list(&[record.id]).await?;
        let may = permission(actor, &record, &shares);
        Ok(FolderFound { record, may })
    }

    /// What a text names to somebody, whatever they may do with it.
    pub(crate) async fn folder_named(&self, actor: &Actor, text: &str) -> Result<Option<FolderRecord>, Failure> {
        if let Ok(id) = text.parse::<FolderId>() {
            return Ok(self.store.folder_get(id).await?);
        }
        // No folder is called so, and PostgreSQL takes no such text.
        if text.contains('\0') {
            return Ok(None);
        }
        let reach = FolderReach::By { user: actor.user, projects: actor.projects.keys().copied().collect() };
        let query = |trashed| FolderQuery {
            reach: reach.clone(),
            name: Some(text.to_owned()),
            trashed,
            after: None,
            limit: NAMESAKES_MAX,
        };
        let mut living = self.store.folder_list(&query(false)).await?;
        if living.is_empty() {
            // The one that was thrown away last.
            return Ok(self.store.folder_list(&query(true)).await?.pop());
        }
        if let Some(own) = living.iter().position(|record| record.owner == FolderOwner::User(actor.user)) {
            return Ok(Some(living.swap_remove(own)));
        }
        if let [first, second, ..] = living.as_slice() {
            let detail = format!(
                "several folders are called `{text}`, {} and {} among them; say which by its id",
                first.id, second.id
            );
            return Err(Failure::conflict(detail));
        }
        Ok(living.pop())
    }

    /// For whom a new folder is: a project that the asker may make folders for, else the asker.
    pub(super) fn folder_owner_asked(&self, asker: &Asker, project: Option<&str>) -> Result<FolderOwner, Failure> {
        let Some(text) = project else { return Ok(FolderOwner::User(asker.user)) };
        let not_found = || Failure::not_found(format!("project {text}"));
        let people = self.people.now();
        let ours = |record: &madang_store::ProjectRecord| {
            record.name == text
                && (record.organization == asker.organization || asker.projects.contains_key(&record.id))
        };
        let found = named(&people.projects, text, ours).ok_or_else(not_found)?;
        let thing = Belonging { user: None, project: Some(found.id), organization: found.organization };
        match asker.decide(madang_model::access::Rule::FolderMake, thing) {
            madang_model::Decision::Allow if found.archived_ms.is_some() => {
                Err(Failure::conflict("the project is archived"))
            }
            madang_model::Decision::Allow => Ok(FolderOwner::Project(found.id)),
            madang_model::Decision::Forbid => {
                Err(Failure::forbidden("folders of a project are made by its managers and by administrators"))
            }
            madang_model::Decision::Hide => Err(not_found()),
        }
    }

    /// A folder that is not kept yet.
    pub(super) async fn folder_new(
        &self,
        actor: &Actor,
        owner: FolderOwner,
        name: &str,
    ) -> Result<FolderRecord, Failure> {
        validate::folder_name(name)?;
        let belongs = self.people.now().folder_owner_belongs(owner);
        let belongs = belongs.ok_or_else(|| Failure::not_found("the owner of the folder"))?;
        let now = now_ms();
        Ok(FolderRecord {
            id: FolderId::new(),
            name: name.to_owned(),
            owner,
            organization: belongs.organization,
            mode: Default::default(),
            permission: FolderPermission::Write,
            cloneable: false,
            state: FolderState::Making,
            node: self.folder_node_for(owner).await?,
            generation: 0,
            created_by: actor.user,
            created_ms: now,
            changed_ms: now,
        })
    }

    /// Keeps a new folder if its owner may have one more.
    pub(super) async fn folder_keep(&self, record: FolderRecord) -> Result<FolderRecord, Failure> {
        let _one_at_a_time = self.folders.making.lock().await;
        let folders = self.store.folder_count(record.owner).await?;
        let bound = self.people.now().folder_bound(record.owner);
        refused(bound.and_then(|bound| bound.folder_refusal(folders)).into_iter().collect())?;
        self.store.folder_insert(&record).await?;
        Ok(record)
    }

    /// Another state, if nothing else about the folder has changed.
    pub(super) async fn folder_state_set(
        &self,
        seen: &FolderRecord,
        state: FolderState,
    ) -> Result<FolderRecord, Failure> {
        self.folder_set(seen, FolderRecord { state, ..seen.clone() }).await
    }

    pub(super) async fn folder_set(&self, seen: &FolderRecord, wanted: FolderRecord) -> Result<FolderRecord, Failure> {
        let wanted = FolderRecord { changed_ms: now_ms(), ..wanted };
        let kept = self.store.folder_update(seen, wanted).await?;
        if seen.mounts_itself() || kept.mounts_itself() {
            self.people_refresh().await?;
        }
        Ok(kept)
    }

    pub fn folder_view(&self, actor: &Actor, record: &FolderRecord, shares: &[FolderShareRecord]) -> FolderView {
        let (user, project) = parts(record.owner);
        let (mut why, mut cloned_from, mut trashed_at) = (None, None, None);
        match &record.state {
            FolderState::Failed { why: text } => why = Some(text.clone()),
            FolderState::Cloning { from, .. } => cloned_from = Some(*from),
            FolderState::Trashed { since_ms } => trashed_at = Some(Timestamp(*since_ms)),
            _ => {}
        }
        FolderView {
            id: record.id,
            name: record.name.clone(),
            user,
            project,
            owner_name: self.people.now().folder_owner_name(record.owner),
            organization: record.organization,
            mode: record.mode,
            permission: record.permission,
            may: permission(actor, record, shares),
            cloneable: record.cloneable,
            state: record.state.name().to_owned(),
            why,
            cloned_from,
            trashed_at,
            node: record.node,
            created_by: record.created_by,
            created_at: Timestamp(record.created_ms),
            changed_at: Timestamp(record.changed_ms),
            used_bytes: None,
            used_files: None,
        }
    }
}

impl Directory {
    /// Where an owner of folders belongs; none where nobody knows it.
    pub fn folder_owner_belongs(&self, owner: FolderOwner) -> Option<Belonging> {
        Some(match owner {
            FolderOwner::User(id) => {
                Belonging { user: Some(id), project: None, organization: self.users.get(&id)?.organization }
            }
            FolderOwner::Project(id) => {
                Belonging { user: None, project: Some(id), organization: self.projects.get(&id)?.organization }
            }
        })
    }

    pub fn folder_owner_name(&self, owner: FolderOwner) -> String {
        let name = match owner {
            FolderOwner::User(id) => self.users.get(&id).map(|user| &user.name),
            FolderOwner::Project(id) => self.projects.get(&id).map(|project| &project.name),
        };
        name.cloned().unwrap_or_default()
    }
}

/// The user or the project.
pub(super) fn parts(owner: FolderOwner) -> (Option<madang_ids::UserId>, Option<madang_ids::ProjectId>) {
    match owner {
        FolderOwner::User(id) => (Some(id), None),
        FolderOwner::Project(id) => (None, Some(id)),
    }
}

/// What somebody may do with what is in a folder. A share with a user says it all; else the most that projects bring.
fn permission(actor: &Actor, record: &FolderRecord, shares: &[FolderShareRecord]) -> Option<FolderPermission> {
    let role = |owner: FolderOwner| match owner {
        FolderOwner::User(_) => None,
        FolderOwner::Project(id) => actor.projects.get(&id),
    };
    if record.owner == FolderOwner::User(actor.user) || role(record.owner) == Some(&ProjectRole::ProjectManager) {
        return Some(FolderPermission::Delete);
    }
    let member = role(record.owner).map(|_| record.permission);
    if !record.state.is_living() {
        return member;
    }
    let of_this = || shares.iter().filter(|share| share.folder == record.id);
    if let Some(share) = of_this().find(|share| share.grantee == FolderOwner::User(actor.user)) {
        return Some(share.permission);
    }
    of_this().filter(|share| role(share.grantee).is_some()).map(|share| share.permission).chain(member).max()
}
