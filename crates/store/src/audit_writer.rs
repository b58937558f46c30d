//! Entries of the audit log, written in batches by one task, as finished runs are.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use tokio::sync::{mpsc, oneshot};

use crate::{
    AuditRecord, Store, StoreError,
    audit::{row, to_row},
};

/// Entries that may wait for the writer; then changes wait, and refusals that only were to be noted are not.
const QUEUE_MAX: usize = 1_024;
/// Entries in one statement; each has thirteen bound values and SQLite takes 32,766.
const BATCH_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Entry {
    row: row::ActiveModel,
    done: Option<oneshot::Sender<Result<(), DbErr>>>,
}

impl Store {
    /// Writes an entry. Returns when it is durable against the death of the process.
    pub async fn audit_append(&self, record: AuditRecord) -> Result<(), StoreError> {
        const DOING: &str = "writing the audit log";
        let (done, answer) = oneshot::channel();
        let entry = Entry { row: to_row(record), done: Some(done) };
        self.audited.send(entry).await.map_err(|_| StoreError::Closed { doing: DOING })?;
        let written = answer.await.map_err(|_| StoreError::Closed { doing: DOING })?;
        written.map_err(|source| StoreError::Database { doing: DOING, source })
    }

    /// Has an entry written soon and waits for nothing; false if too many wait already.
    #[must_use]
    pub fn audit_offer(&self, record: AuditRecord) -> bool {
        self.audited.try_send(Entry { row: to_row(record), done: None }).is_ok()
    }
}

/// Starts the writer; it ends when the last [`Store`] is dropped.
pub(crate) fn spawn(writer: DatabaseConnection) -> mpsc::Sender<Entry> {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(write_all(writer, receiver));
    sender
}

async fn write_all(writer: DatabaseConnection, mut queue: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (rows, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|entry| (entry.row, entry.done)).unzip();
        let written = row::Entity::insert_many(rows).exec_without_returning(&writer).await;
        if let Err(error) = &written {
            tracing::error!(%error, entries = waiting.len(), "the audit log could not be written");
        }
        for done in waiting.into_iter().flatten() {
            let _ = done.send(written.as_ref().map(|_| ()).map_err(Clone::clone));
        }
    }
}
