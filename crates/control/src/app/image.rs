//! Images made of sessions: whose they are, who may use them, and where they are.
//!
//! The record comes first, without a digest, then the image on the node, then the digest: what a crash leaves in between is a record without
//! one, which nobody can use and its owner can remove.

use std::{sync::Arc, time::Duration};

use madang_ids::{ImageId, ProjectId};
use madang_model::{
    Actor, Decision, SessionSpec, SessionState,
    access::{Belonging, Rule},
    policy::Bound,
};
use madang_node_api::{COMMITTED, CommitSeen, CommitSpec, FileOpened, SecretRule};
use madang_public_api::{
    ImageChange, ImageCommitted, ImageFile, ImageView, ProblemKind, SessionCommit, SessionCommitted, Timestamp, bounds,
};
use madang_store::ImageRecord;
use tokio::time::{Instant, timeout_at};

use super::{App, Asker, Failure, image_copy::image_nodes, live_session::LiveSession, policy::refused, validate};
use crate::clock::now_ms;

/// Where no policy says less. A node takes no more than the disk of the sandbox.
const IMAGE_BYTES_MAX: u64 = 16 << 30;
/// Of one user, where no policy says how many.
const IMAGES_MAX: u64 = 100;
/// Whoever removes an image waits so long for sessions of it that are ending.
const ENDING_MAX: Duration = Duration::from_secs(10);

impl App {
    /// Makes an image of the session's main sandbox.
    pub async fn session_commit(
        self: &Arc<Self>,
        asker: &Asker,
        session: &Arc<LiveSession>,
        request: SessionCommit,
    ) -> Result<SessionCommitted, Failure> {
        let record = session.up()?;
        validate::session_name(&request.name)?;
        let owner = record.owner;
        let bounds = self.people.now().bounds(&owner, &asker.by);
        let bytes_max = bounds.iter().filter_map(|bound| bound.limits.image_bytes_max).min();
        let gone = || Failure::conflict("it is not known where the session is; try again");
        let image = ImageRecord {
            id: ImageId::new(),
            name: request.name,
            owner,
            shared_with: None,
            digest: None,
            size_bytes: 0,
            base: record.spec.image.clone(),
            languages: Vec::new(),
            session: record.id,
            node: self.fleet.placed(record.sandbox).ok_or_else(gone)?,
            copies: Vec::new(),
            created_ms: now_ms(),
        };
        self.image_insert(&image, &bounds).await?;
        let spec = CommitSpec {
            name: node_name(image.id),
            bytes_max: bytes_max.unwrap_or(IMAGE_BYTES_MAX),
            secrets: if request.allow_secrets { SecretRule::Allow } else { SecretRule::Refuse },
        };
        // In a task of its own: whoever asked may go away, half a commit must not stay.
        let (app, sandbox) = (Arc::clone(self), record.sandbox);
        let made = tokio::spawn(async move {
            let seen = app.node.image_commit(sandbox, spec).await.map_err(Failure::from);
            app.image_made(image, seen).await
        });
        let made = made.await.map_err(|error| Failure::internal("making an image", error))?;
        session.touch();
        made
    }

    /// It counts from here on: of two at a time that would be one too many at least one is refused.
    async fn image_insert(&self, image: &ImageRecord, bounds: &[Bound]) -> Result<(), Failure> {
        self.store.image_insert(image).await?;
        let others = self.store.image_count(image.owner.user).await?.saturating_sub(1);
        let refusals = bounds.iter().filter_map(|bound| bound.image_count_refusal(others)).collect();
        let said = bounds.iter().any(|bound| bound.limits.images_max.is_some());
        let room = if said || others < IMAGES_MAX { Ok(()) } else { Err(images_full()) };
        if let Err(failure) = room.and_then(|()| refused(refusals)) {
            self.store.image_forget(image.id).await?;
            return Err(failure);
        }
        Ok(())
    }

    async fn image_made(
        &self,
        mut record: ImageRecord,
        seen: Result<CommitSeen, Failure>,
    ) -> Result<SessionCommitted, Failure> {
        let made = match seen {
            Ok(CommitSeen { image: None, secrets, secret_count, .. }) => {
                let files: Vec<String> =
                    secrets.iter().take(bounds::TOLD_MAX).map(|one| format!("{} ({})", one.path, one.what)).collect();
                let detail = format!(
                    "{secret_count} files look like secrets, and who uses the image could read them: {}; remove them, or say \
                     `allow_secrets`",
                    files.join(", ")
                );
                Err(Failure { field: Some("allow_secrets".into()), ..Failure::new(ProblemKind::Conflict, detail) })
            }
            Ok(seen) => Ok(seen),
            Err(failure) => Err(failure),
        };
        let seen = match made {
            Ok(seen) => seen,
            Err(failure) => {
                self.store.image_forget(record.id).await?;
                return Err(failure);
            }
        };
        let made = seen.image.unwrap_or_default();
        record.digest = Some(made.digest);
        record.size_bytes = made.size_bytes;
        record.languages = made.languages;
        if !self.store.image_made(&record).await? {
            self.node.image_remove(&node_name(record.id)).await?;
            return Err(Failure::conflict(format!("the image `{}` was removed while it was made", record.name)));
        }
        let left_out = seen.left_out.into_iter().map(|one| ImageFile { path: one.path, what: one.why });
        let secrets = seen.secrets.into_iter().map(|one| ImageFile { path: one.path, what: one.what });
        Ok(SessionCommitted {
            image: self.image_view(&record),
            left_out: left_out.collect(),
            left_out_count: seen.left_out_count,
            secrets: secrets.collect(),
            secret_count: seen.secret_count,
            frozen_ms: seen.frozen_ms,
        })
    }

    /// Those made of sessions that the asker may use, oldest first.
    pub async fn image_list(&self, asker: &Asker) -> Result<Vec<ImageView>, Failure> {
        let records = self.image_reach(asker).await?;
        Ok(records.iter().map(|record| self.image_view(record)).collect())
    }

    async fn image_reach(&self, actor: &Actor) -> Result<Vec<ImageRecord>, Failure> {
        let projects: Vec<ProjectId> = actor.projects.keys().copied().collect();
        Ok(self.store.image_list(actor.user, &projects, u64::from(bounds::PAGE_LIMIT_MAX)).await?)
    }

    /// By id, or by name among those that the asker may reach, its own first; only if the asker may do with it what is asked for.
    pub async fn image_find(&self, asker: &Asker, text: &str) -> Result<ImageRecord, Failure> {
        let not_found = || Failure::not_found(format!("image {text}"));
        let record = self.image_named(asker, text).await?.ok_or_else(not_found)?;
        asker.check(belonging(&record), not_found)?;
        Ok(record)
    }

    pub(crate) async fn image_named(&self, actor: &Actor, text: &str) -> Result<Option<ImageRecord>, Failure> {
        if let Ok(id) = text.strip_prefix(COMMITTED).unwrap_or(text).parse::<ImageId>() {
            return Ok(self.store.image_get(id).await?);
        }
        let mut named = self.image_reach(actor).await?;
        named.retain(|record| record.name == text);
        named.sort_by_key(|record| record.owner.user != actor.user);
        match named.as_slice() {
            [first, second, ..] if first.owner.user != actor.user && second.owner.user != actor.user => Err(
                Failure::conflict(format!("several images that are shared with you are called `{text}`: use the id")),
            ),
            _ => Ok(named.into_iter().next()),
        }
    }

    pub fn image_view(&self, record: &ImageRecord) -> ImageView {
        let committed = ImageCommitted {
            id: record.id,
            owner: record.owner.user,
            project: record.shared_with,
            session: record.session,
            base: record.base.clone(),
            sessions: self.image_sessions(record.id).len() as u64,
            nodes: image_nodes(record).count() as u64,
            created_at: Timestamp(record.created_ms),
        };
        ImageView {
            name: record.name.clone(),
            digest: record.digest.clone(),
            size_bytes: record.size_bytes,
            languages: record.languages.clone(),
            committed: Some(committed),
        }
    }

    /// Sessions that live here and were made of it.
    fn image_sessions(&self, id: ImageId) -> Vec<Arc<LiveSession>> {
        let name = node_name(id);
        let made_of_it = |session: &LiveSession| {
            let record = session.record.borrow();
            record.spec.image == name && record.life.is_live()
        };
        self.sessions().values().filter(|session| made_of_it(session)).cloned().collect()
    }

    /// Waits for sessions that are ending already; one that goes on is a conflict.
    async fn image_left(&self, record: &ImageRecord) -> Result<(), Failure> {
        let deadline = Instant::now() + ENDING_MAX;
        for session in self.image_sessions(record.id) {
            let mut changes = session.record.subscribe();
            if matches!(changes.borrow().life.state, SessionState::Draining { .. }) {
                // One that takes longer is counted below.
                let _ = timeout_at(deadline, changes.wait_for(|record| !record.life.is_live())).await;
            }
        }
        match self.image_sessions(record.id).len() {
            0 => Ok(()),
            count => Err(Failure::conflict(format!(
                "{count} sessions are made of the image `{}`; end them first",
                record.name
            ))),
        }
    }

    pub async fn image_change(&self, asker: &Asker, text: &str, change: ImageChange) -> Result<ImageView, Failure> {
        let mut record = self.image_find(asker, text).await?;
        if let Some(name) = &change.name {
            validate::session_name(name)?;
            record.name.clone_from(name);
        }
        if let Some(shared) = change.shared {
            record.shared_with = shared.then_some(record.owner.project);
        }
        // What was not asked for stays as it is now, not as it was when it was read.
        let shared_with = change.shared.map(|_| record.shared_with);
        match change.name.is_none() && shared_with.is_none()
            || self.store.image_change(record.id, change.name.as_deref(), shared_with).await?
        {
            true => Ok(self.image_view(&record)),
            false => Err(Failure::not_found(format!("image {text}"))),
        }
    }

    /// All of it, for whoever may make sessions of it.
    pub async fn image_export(&self, asker: &Asker, text: &str) -> Result<(ImageRecord, FileOpened), Failure> {
        let record = self.image_find(asker, text).await?;
        if record.digest.is_none() {
            return Err(Failure::conflict("the image is still being made"));
        }
        let opened = self.node.image_export(&node_name(record.id), &record.name).await?;
        Ok((record, opened))
    }

    /// Refused while sessions that live are made of it.
    pub async fn image_remove(&self, asker: &Asker, text: &str) -> Result<ImageView, Failure> {
        let record = self.image_find(asker, text).await?;
        self.image_left(&record).await?;
        let view = self.image_view(&record);
        // Nobody begins with it from here on; whoever did keeps what is mounted.
        self.store.image_forget(record.id).await?;
        self.node.image_remove(&node_name(record.id)).await?;
        Ok(view)
    }

    /// What a session's wish for an image means to nodes. Names that no image of a session has are the nodes' own to know.
    pub(super) async fn image_settle(&self, actor: &Actor, spec: &mut SessionSpec) -> Result<(), Failure> {
        match self.image_asked(actor, &spec.image).await? {
            Some(record) => self.image_place(&record, spec),
            None => Ok(()),
        }
    }

    async fn image_is_nodes(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.node.images().await?.iter().any(|image| image.name == name))
    }

    /// An image that was made of a session and can be used.
    pub(super) async fn image_asked(&self, actor: &Actor, text: &str) -> Result<Option<ImageRecord>, Failure> {
        if text == "host" {
            return Ok(None);
        }
        let not_found = || Failure { field: Some("image".into()), ..Failure::not_found(format!("image {text}")) };
        let Some(record) = self.image_named(actor, text).await? else {
            // Whose it may be only a record says.
            return if text.starts_with(COMMITTED) || text.starts_with("img_") { Err(not_found()) } else { Ok(None) };
        };
        // What others share takes the name of no image that an administrator has put there: whoever asks for that means that.
        if record.owner.user != actor.user && record.name == text && self.image_is_nodes(text).await? {
            return Ok(None);
        }
        match actor.decide(Rule::FolderUse, belonging(&record)) {
            Decision::Allow if record.digest.is_some() => Ok(Some(record)),
            Decision::Allow => Err(Failure::conflict("the image is still being made")),
            _ => Err(not_found()),
        }
    }
}

/// Shared, it is in the project; else it is its owner's alone.
fn belonging(record: &ImageRecord) -> Belonging {
    let Belonging { user, organization, .. } = record.owner.into();
    Belonging { user, project: record.shared_with, organization }
}

fn images_full() -> Failure {
    let failure = Failure::new(ProblemKind::Limit, format!("you have {IMAGES_MAX} images: remove one first"));
    Failure { limit: Some("images_max".into()), ..failure }
}

/// What nodes call it: nobody else's name can be the same.
pub(super) fn node_name(id: ImageId) -> String {
    format!("{COMMITTED}{id}")
}
