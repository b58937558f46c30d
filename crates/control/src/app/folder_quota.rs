//! What folders may hold: from policies to the nodes that hold them, and where the next one goes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use madang_ids::NodeId;
use madang_model::{
    FolderOwner, FolderOwnerUsage, FolderQuota,
    policy::{Bound, DEFAULT_POLICY, Holder},
};
use madang_node_api::{Node, NodeError};
use madang_public_api::{FolderQuotaView, ProblemKind};

use super::{App, Asker, Failure, fleet::Member, folder::parts, people::Directory};

/// The quotas that nodes were told, by owner and node.
#[derive(Debug, Default)]
pub(crate) struct QuotasTold(Mutex<HashMap<(FolderOwner, NodeId), Told>>);

#[derive(Debug, Default)]
struct Told {
    /// None where the node may know another one: of two that tell it at once nobody knows whom it hears last.
    quota: Option<FolderQuota>,
    telling: u32,
    disturbed: bool,
}

impl QuotasTold {
    fn is(&self, owner: FolderOwner, node: NodeId, quota: FolderQuota) -> bool {
        self.lock().get(&(owner, node)).is_some_and(|told| told.quota == Some(quota))
    }

    /// Somebody tells it; [`Telling`] says when that is over.
    fn begin(&self, owner: FolderOwner, node: NodeId) -> Telling<'_> {
        let mut all = self.lock();
        let told = all.entry((owner, node)).or_default();
        told.disturbed = told.telling > 0;
        told.telling += 1;
        told.quota = None;
        Telling { all: self, key: (owner, node), heard: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(FolderOwner, NodeId), Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Telling<'a> {
    all: &'a QuotasTold,
    key: (FolderOwner, NodeId),
    heard: Option<FolderQuota>,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if let Some(told) = self.all.lock().get_mut(&self.key) {
            told.telling -= 1;
            told.quota = self.heard.filter(|_| !told.disturbed);
        }
    }
}

impl Directory {
    /// The policy that bounds an owner's folders.
    pub fn folder_bound(&self, owner: FolderOwner) -> Option<Bound> {
        let (holder, policy) = match owner {
            FolderOwner::User(id) => {
                (Holder::User(id), self.users.get(&id)?.policy.as_deref().unwrap_or(DEFAULT_POLICY))
            }
            FolderOwner::Project(id) => (Holder::Project(id), self.projects.get(&id)?.policy.as_deref()?),
        };
        let limits = self.policies.get(policy)?.limits.clone();
        Some(Bound { holder, policy: policy.to_owned(), limits })
    }

    pub fn folder_quota(&self, owner: FolderOwner) -> FolderQuota {
        let limits = self.folder_bound(owner).map(|bound| bound.limits).unwrap_or_default();
        FolderQuota {
            bytes: limits.folder_bytes.unwrap_or(FolderQuota::DEFAULT.bytes),
            files: limits.folder_files.unwrap_or(FolderQuota::DEFAULT.files),
        }
    }
}

impl App {
    /// Where an owner's next folder goes: where the others are, so that one quota holds for all; else a node that has a place for folders.
    pub(super) async fn folder_node_for(&self, owner: FolderOwner) -> Result<NodeId, Failure> {
        if let Some(node) = self.store.folder_node(owner).await? {
            return Ok(node);
        }
        let members = self.fleet.members().into_iter();
        let holds = members.filter(|member| member.is_open() && member.node.facts().volume.is_some());
        // Folders are few and stay: the node with least to do now is as good as any other.
        let best = holds.min_by_key(|member| (member.node.health().sandboxes, member.id));
        let none = || Failure::new(ProblemKind::Unavailable, "no node that is heard has a place for folders");
        best.map(|member| member.folder_place()).ok_or_else(none)
    }

    /// The node that answers for the folders of a place, if it is heard here: always the same one of those that share it, as long as it is
    /// there, so that what must not happen at once meets at one door.
    pub(super) fn folder_node(&self, place: NodeId) -> Result<std::sync::Arc<dyn Node>, NodeError> {
        let mut at = self.fleet.at_place(place);
        let shared = at.len() > 1 || at.first().is_some_and(|member| member.id != place);
        at.retain(Member::is_here);
        let unheard = || {
            NodeError::Unavailable(match shared {
                true => format!("no node that has the place {place} is heard"),
                false => format!("the node {place} is not heard"),
            })
        };
        at.into_iter().next().map(|member| member.node).ok_or_else(unheard)
    }

    /// Tells a node what an owner's folders may hold, unless it knows.
    pub(super) async fn folder_quota_tell(&self, owner: FolderOwner, node: NodeId) -> Result<(), NodeError> {
        let quota = self.people.now().folder_quota(owner);
        if self.folders.told.is(owner, node, quota) {
            return Ok(());
        }
        let at = self.folder_node(node)?;
        let mut telling = self.folders.told.begin(owner, node);
        at.folder_owner_set(owner, quota).await?;
        telling.heard = Some(quota);
        Ok(())
    }

    /// As [`App::folder_quota_tell`], for something that is to go in: where a node cannot make as much room as a quota was raised to, what
    /// it held before is enough to go on with. The task that tells quotas comes back to it.
    pub(super) async fn folder_quota_hold(&self, owner: FolderOwner, node: NodeId) -> Result<(), NodeError> {
        let Err(refusal) = self.folder_quota_tell(owner, node).await else { return Ok(()) };
        let (allowed, least) = (self.people.now().folder_quota(owner), FolderQuota::LEAST);
        let allowed = FolderQuota { bytes: allowed.bytes.max(least.bytes), files: allowed.files.max(least.files) };
        match self.folder_node(node)?.folder_owner_usage(owner).await {
            Ok(FolderOwnerUsage { quota: held, .. }) if held.bytes <= allowed.bytes && held.files <= allowed.files => {
                tracing::warn!(%owner, %node, %refusal, "folders are held to less than they may have");
                Ok(())
            }
            _ => Err(refusal),
        }
    }

    /// Tells every node that is heard what owners may hold now; says how many could not be told.
    pub async fn folder_quotas_tell(&self) -> Result<usize, Failure> {
        let mut untold = 0;
        for (owner, node) in self.store.folder_owner_list().await? {
            if self.fleet.at_place(node).is_empty() {
                continue;
            }
            if let Err(error) = self.folder_quota_tell(owner, node).await {
                tracing::debug!(%owner, %node, %error, "a node could not be told a quota");
                untold += 1;
            }
        }
        Ok(untold)
    }

    /// The asker's own, and those of the asker's projects that have folders.
    pub async fn folder_quota_list(&self, asker: &Asker) -> Result<Vec<FolderQuotaView>, Failure> {
        let projects = asker.projects.keys().map(|id| FolderOwner::Project(*id));
        let mut views = Vec::new();
        for owner in std::iter::once(FolderOwner::User(asker.user)).chain(projects) {
            let folders = self.store.folder_count(owner).await?;
            if folders > 0 || owner == FolderOwner::User(asker.user) {
                views.push(self.folder_quota_view(owner, folders).await?);
            }
        }
        Ok(views)
    }

    async fn folder_quota_view(&self, owner: FolderOwner, folders: u64) -> Result<FolderQuotaView, Failure> {
        let people = self.people.now();
        let (quota, bound) = (people.folder_quota(owner), people.folder_bound(owner));
        let seen = match self.store.folder_node(owner).await? {
            None => None,
            Some(node) => match self.folder_node(node) {
                Ok(node) => node.folder_owner_usage(owner).await.ok(),
                Err(_) => None,
            },
        };
        // A node that could not make as much room as is allowed holds less.
        let held = |of: fn(FolderQuota) -> u64| seen.map_or(of(quota), |seen| of(seen.quota).min(of(quota)));
        let (user, project) = parts(owner);
        Ok(FolderQuotaView {
            user,
            project,
            name: people.folder_owner_name(owner),
            folders,
            folders_max: bound.as_ref().and_then(|bound| bound.limits.folders_max),
            used_bytes: seen.map(|seen| seen.used.bytes),
            used_files: seen.map(|seen| seen.used.files),
            max_bytes: held(|quota| quota.bytes),
            max_files: held(|quota| quota.files),
            policy: bound.map(|bound| bound.policy),
        })
    }
}
