//! Changes of folders: names, the trash, copies, owners.

use std::{sync::Arc, time::Duration};

use madang_ids::FolderId;
use madang_model::{FolderOwner, FolderPermission, FolderState};
use madang_public_api::{FolderChange, FolderClone, FolderOwnerChange, FolderView};
use madang_store::FolderRecord;
use tokio::time::{Instant, timeout_at};

use super::{App, Asker, Failure, folder::FolderFound, live_session::LiveSession, validate};
use crate::clock::now_ms;

/// How long a copy is waited for; who asks sees how it stands then.
const COPY_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked whether somebody else has brought a copy to its end.
const COPY_LOOK: Duration = Duration::from_millis(50);
/// Sessions that a refusal names.
const SESSIONS_NAMED_MAX: usize = 8;

impl App {
    /// With what it holds, as its node counts it.
    pub async fn folder_get(&self, asker: &Asker, text: &str, usage: Usage) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?;
        let mut view = self.folder_shown(asker, &found);
        if let Usage::Counted = usage {
            // Left out where its node does not answer, or has nothing of it yet.
            let used = match self.folder_node(found.record.node) {
                Ok(node) => node.folder_usage(found.record.owner, found.record.id).await.ok(),
                Err(_) => None,
            };
            (view.used_bytes, view.used_files) = (used.map(|used| used.bytes), used.map(|used| used.files));
        }
        Ok(view)
    }

    pub async fn folder_change(&self, asker: &Asker, text: &str, change: FolderChange) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?.ready()?;
        let mut wanted = found.record.clone();
        if let Some(name) = change.name {
            validate::folder_name(&name)?;
            wanted.name = name;
        }
        wanted.mode = change.mode.unwrap_or(wanted.mode);
        wanted.permission = change.permission.unwrap_or(wanted.permission);
        wanted.cloneable = change.cloneable.unwrap_or(wanted.cloneable);
        let record = self.folder_set(&found.record, wanted).await?;
        Ok(self.folder_shown(asker, &FolderFound { record, ..found }))
    }

    /// Out of sight, and its name is free; refused while a session mounts it.
    pub async fn folder_trash(&self, asker: &Asker, text: &str) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?;
        match &found.record.state {
            FolderState::Trashed { .. } => return Ok(self.folder_shown(asker, &found)),
            state if !state.may_be_trashed() => return Err(not_now(&found.record, "be brought to the trash")),
            _ => {}
        }
        let _alone = self.folders.mounting.write().await;
        self.folder_unmounted(found.record.id)?;
        let record = self.folder_state_set(&found.record, FolderState::Trashed { since_ms: now_ms() }).await?;
        Ok(self.folder_shown(asker, &FolderFound { record, ..found }))
    }

    pub async fn folder_restore(&self, asker: &Asker, text: &str) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?;
        let FolderState::Trashed { .. } = &found.record.state else {
            return Err(not_now(&found.record, "be restored"));
        };
        let restored = self.folder_state_set(&found.record, FolderState::Ready).await;
        let record = restored.map_err(|failure| match failure.detail.ends_with("exists already") {
            true => Failure::conflict(format!(
                "its owner has another folder named `{}` by now: rename that one, then restore this one",
                found.record.name
            )),
            false => failure,
        })?;
        Ok(self.folder_shown(asker, &FolderFound { record, ..found }))
    }

    /// For good. That it is to go is kept before its node is told.
    pub async fn folder_purge(&self, asker: &Asker, text: &str) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?;
        if !found.record.state.may_be_purged() {
            return Err(not_now(&found.record, "be purged: it goes to the trash first"));
        }
        let record = match found.record.state {
            FolderState::Purging => found.record.clone(),
            _ => {
                let _alone = self.folders.mounting.write().await;
                self.folder_unmounted(found.record.id)?;
                self.folder_state_set(&found.record, FolderState::Purging).await?
            }
        };
        let view = self.folder_shown(asker, &FolderFound { record: record.clone(), ..found });
        if let Err(failure) = self.folder_act(record).await {
            tracing::warn!(folder = %view.id, error = ?failure, "a folder is purged later");
            self.folders.wake.notify_one();
        }
        Ok(view)
    }

    /// A folder of one's own, or of a project, with a copy of what is in this one. May take longer than the answer.
    pub async fn folder_clone(
        self: &Arc<Self>,
        asker: &Asker,
        text: &str,
        request: FolderClone,
    ) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?.ready()?;
        if !found.record.cloneable && found.allowed() < FolderPermission::Delete {
            return Err(Failure::forbidden("its owner lets nobody make copies of this folder (`cloneable`)"));
        }
        let owner = self.folder_owner_asked(asker, request.project.as_deref())?;
        let source = &found.record;
        let record = self.folder_new(asker, owner, &request.name).await?;
        if record.node != source.node {
            return Err(Failure::conflict("the folders of its new owner are on another node; download and upload it"));
        }
        let state = FolderState::Cloning { from: source.id, owner: source.owner };
        let record = self.folder_keep(FolderRecord { state, mode: source.mode, ..record }).await?;
        let record = self.folder_act_a_while(record).await?;
        Ok(self.folder_view(asker, &record, &[]))
    }

    /// To another user or project of its organization, with all that is in it.
    pub async fn folder_owner_change(
        self: &Arc<Self>,
        asker: &Asker,
        text: &str,
        request: FolderOwnerChange,
    ) -> Result<FolderView, Failure> {
        let found = self.folder_find(asker, text).await?.ready()?;
        let to = self.folder_owner_next(&found.record, &request)?;
        if to == found.record.owner {
            return Ok(self.folder_shown(asker, &found));
        }
        if self.store.folder_node(to).await?.is_some_and(|node| node != found.record.node) {
            return Err(Failure::conflict("the folders of its new owner are on another node"));
        }
        let record = {
            let _alone = self.folders.mounting.write().await;
            self.folder_unmounted(found.record.id)?;
            self.folder_state_set(&found.record, FolderState::Moving { to, copied: false }).await?
        };
        let record = self.folder_act_a_while(record).await?;
        Ok(self.folder_view(asker, &record, &[]))
    }

    fn folder_owner_next(&self, record: &FolderRecord, request: &FolderOwnerChange) -> Result<FolderOwner, Failure> {
        let people = self.people.now();
        match (&request.user, &request.project) {
            (Some(text), None) => self.folder_user(record, text),
            (None, Some(text)) => {
                let project = people.project_in(record.organization, text);
                project.map(|project| FolderOwner::Project(project.id)).ok_or_else(|| Failure::unknown("project", text))
            }
            _ => Err(Failure::invalid("user", "give `user` or `project`, one of both")),
        }
    }

    /// Goes on behind when its turn comes, and waits a while for it.
    async fn folder_act_a_while(self: &Arc<Self>, record: FolderRecord) -> Result<FolderRecord, Failure> {
        let (id, until) = (record.id, Instant::now() + COPY_WAIT);
        let acted = match self.folder_begin(&record) {
            Some(acting) => timeout_at(until, acting).await,
            None => {
                while Instant::now() < until && self.store.folder_get(id).await?.as_ref() == Some(&record) {
                    tokio::time::sleep(COPY_LOOK).await;
                }
                return Ok(self.store.folder_get(id).await?.unwrap_or(record));
            }
        };
        match acted {
            Ok(Ok(done)) => match done? {
                Some(record) => Ok(record),
                None => Err(Failure::not_found(format!("folder {id}"))),
            },
            Ok(Err(error)) => Err(Failure::internal("copying a folder", error)),
            // Late is no error: whoever asks sees how it stands.
            Err(_) => Ok(self.store.folder_get(id).await?.unwrap_or(record)),
        }
    }

    /// Refused while sessions mount it, with which and whose they are.
    fn folder_unmounted(&self, id: FolderId) -> Result<(), Failure> {
        let mounts = |session: &Arc<LiveSession>| {
            session.record.borrow().spec.mounts.iter().any(|known| known.mount.folder == id)
        };
        let sessions: Vec<_> = self.sessions_live().into_iter().filter(mounts).collect();
        if sessions.is_empty() {
            return Ok(());
        }
        let people = self.people.now();
        let named = |session: &Arc<LiveSession>| {
            let record = session.record.borrow();
            let owner = people.users.get(&record.owner.user).map_or("", |user| user.name.as_str());
            format!("`{}` of {owner} ({})", record.name, record.id)
        };
        let names: Vec<_> = sessions.iter().take(SESSIONS_NAMED_MAX).map(named).collect();
        let more = match sessions.len().saturating_sub(SESSIONS_NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = names.join(", ");
        Err(Failure::conflict(format!("it is mounted in the session {names}{more}; it can go when they have ended")))
    }

    pub(super) fn folder_shown(&self, asker: &Asker, found: &FolderFound) -> FolderView {
        FolderView { may: found.may, ..self.folder_view(asker, &found.record, &[]) }
    }
}

/// Whether to count what is in a folder, which takes a while where it is much.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Usage {
    Counted,
    LeftOut,
}

fn not_now(record: &FolderRecord, what: &str) -> Failure {
    Failure::conflict(format!("the folder `{}` is {} and cannot {what}", record.name, record.state.name()))
}
