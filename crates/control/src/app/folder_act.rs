//! What is under way with folders, brought to its end: by whoever asked, and by a task after any crash. Every step may be done twice.

use std::{sync::Arc, time::Duration};

use madang_model::{FolderOwner, FolderPlace, FolderState};
use madang_node_api::NodeError;
use madang_store::{FolderRecord, StoreError};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{App, Failure};

/// How long a look waits for what it has begun.
const LOOK_WAIT: Duration = Duration::from_secs(2);
/// Digits of the id that a folder's name is told apart with.
const TOLD_APART_DIGITS: usize = 6;

impl App {
    /// Goes on until nothing is left to do; none where the folder is gone.
    pub async fn folder_act(&self, record: FolderRecord) -> Result<Option<FolderRecord>, Failure> {
        let mut now = record;
        loop {
            let step = match &now.state {
                FolderState::Making => self.folder_make(&now).await,
                FolderState::Cloning { from, owner } => {
                    let from = FolderPlace { owner: *owner, folder: *from };
                    self.folder_fill(&now, from).await
                }
                FolderState::Moving { to, copied } => self.folder_hand_over(&now, *to, copied_or_not(*copied)).await,
                FolderState::Purging => return self.folder_purge_now(&now).await,
                _ => return Ok(Some(now)),
            };
            now = match step {
                Ok(next) => next,
                // Somebody else has gone on meanwhile.
                Err(Failure { kind: madang_public_api::ProblemKind::Conflict, .. })
                    if self.store.folder_get(now.id).await?.is_none_or(|kept| kept.generation != now.generation) =>
                {
                    return Ok(self.store.folder_get(now.id).await?);
                }
                Err(failure) => return Err(failure),
            };
        }
    }

    /// Everything that is under way and whose node is heard here, side by side; says how many are not at their end. What takes long goes on
    /// behind, and holds nothing else up.
    pub async fn folders_act(self: &Arc<Self>) -> Result<usize, Failure> {
        let (mut left, mut begun) = (0, Vec::new());
        for record in self.store.folder_list_under_way().await? {
            match self.folder_node(record.node).ok().and_then(|_| self.folder_begin(&record)) {
                Some(acting) => begun.push(acting),
                None => left += 1,
            }
        }
        let until = Instant::now() + LOOK_WAIT;
        for acting in begun {
            left += usize::from(!matches!(timeout_at(until, acting).await, Ok(Ok(Ok(_)))));
        }
        Ok(left)
    }

    /// Goes on behind; none where somebody does already, or as much is being done as may be: then the task comes back to it.
    pub(super) fn folder_begin(
        self: &Arc<Self>,
        record: &FolderRecord,
    ) -> Option<JoinHandle<Result<Option<FolderRecord>, Failure>>> {
        let act = self.folders.acting.begin(record, &self.folders.wake)?;
        let (app, id) = (Arc::clone(self), record.id);
        Some(tokio::spawn(async move {
            // It may have gone on since it was looked at: a node must not be told what was wanted then.
            let Some(now) = app.store.folder_get(id).await? else { return Ok(None) };
            let state = now.state.name();
            let acted = app.folder_act(now).await;
            match &acted {
                Ok(_) => act.done(),
                Err(failure) => {
                    tracing::warn!(folder = %id, state, error = ?failure, "a folder is not where it is to be yet");
                }
            }
            acted
        }))
    }

    async fn folder_make(&self, record: &FolderRecord) -> Result<FolderRecord, Failure> {
        self.folder_quota_hold(record.owner, record.node).await?;
        self.folder_node(record.node)?.folder_make(record.owner, record.id).await?;
        self.folder_state_set(record, FolderState::Ready).await
    }

    async fn folder_fill(&self, record: &FolderRecord, from: FolderPlace) -> Result<FolderRecord, Failure> {
        self.folder_quota_hold(record.owner, record.node).await?;
        match self.folder_node(record.node)?.folder_clone(from, place(record.owner, record)).await {
            Ok(()) => self.folder_state_set(record, FolderState::Ready).await,
            Err(error @ (NodeError::Unavailable(_) | NodeError::Capacity(_))) => Err(error.into()),
            Err(error) => {
                let why = Failure::from(error).detail;
                self.folder_state_set(record, FolderState::Failed { why }).await
            }
        }
    }

    /// Copies, then removes what the former owner had, then says whose it is: each step is known to be done before the next begins.
    async fn folder_hand_over(
        &self,
        record: &FolderRecord,
        to: FolderOwner,
        copy: Copy,
    ) -> Result<FolderRecord, Failure> {
        let node = self.folder_node(record.node)?;
        if let Copy::Wanted = copy {
            self.folder_quota_hold(to, record.node).await?;
            return match node.folder_clone(place(record.owner, record), place(to, record)).await {
                Ok(()) => self.folder_state_set(record, FolderState::Moving { to, copied: true }).await,
                Err(error @ (NodeError::Unavailable(_) | NodeError::Capacity(_))) => Err(error.into()),
                Err(error) => {
                    // It stays whose it was.
                    self.folder_state_set(record, FolderState::Ready).await?;
                    Err(error.into())
                }
            };
        }
        node.folder_remove(record.owner, record.id).await?;
        let handed = FolderRecord { owner: to, state: FolderState::Ready, ..record.clone() };
        match self.folder_set(record, handed.clone()).await {
            Err(failure) if failure.detail.ends_with("exists already") => {
                // The new owner has one of that name.
                let digits = record.id.to_string();
                let name = format!("{}-{}", record.name, &digits[digits.len() - TOLD_APART_DIGITS..]);
                self.folder_set(record, FolderRecord { name, ..handed }).await
            }
            done => done,
        }
    }

    async fn folder_purge_now(&self, record: &FolderRecord) -> Result<Option<FolderRecord>, Failure> {
        match self.folder_node(record.node)?.folder_remove(record.owner, record.id).await {
            // Of one that could not even be made its node knows nothing.
            Ok(()) | Err(NodeError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match self.store.folder_forget(record.id).await {
            Ok(()) | Err(StoreError::Stale { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a folder on its way to another owner must still be copied.
#[derive(Debug, Clone, Copy)]
enum Copy {
    Wanted,
    Done,
}

fn copied_or_not(copied: bool) -> Copy {
    if copied { Copy::Done } else { Copy::Wanted }
}

fn place(owner: FolderOwner, record: &FolderRecord) -> FolderPlace {
    FolderPlace { owner, folder: record.id }
}
