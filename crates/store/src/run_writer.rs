//! The hot path: finished runs, written in batches by one task.
//!
//! Whoever waits gets its answer after the commit, so what was answered survives the death of the process. While one batch is
//! being committed the next collects in the queue: under load many runs share one commit, alone a run waits for nobody.

use std::{collections::BTreeSet, error::Error};

use bytes::Bytes;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, TransactionTrait, sea_query::OnConflict,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Fence, RunRecord, Store, StoreError, UsageRecord, lease,
    run::{events_bytes, row, to_row},
    usage,
};

/// Finished runs that may wait for the writer; then the runs wait.
const QUEUE_MAX: usize = 1_024;
/// Runs in one statement; each has thirteen bound values and SQLite takes 32,766.
const BATCH_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Finish {
    entry: Entry,
    done: oneshot::Sender<Result<(), Refusal>>,
}

#[derive(Debug, Clone)]
struct Entry {
    row: row::ActiveModel,
    used: Option<UsageRecord>,
    fence: Option<Fence>,
}

#[derive(Debug, Clone)]
enum Refusal {
    Fenced,
    Database(DbErr),
}

impl Store {
    /// Keeps a finished run, whether or not its beginning was kept. Returns when it is durable against the death of the process.
    pub async fn run_finish(&self, record: &RunRecord) -> Result<(), StoreError> {
        self.run_finish_fenced(record, None, None).await
    }

    /// The same for a leader, as long as it leads; in the same transaction what a one-shot run has used.
    pub async fn run_finish_fenced(
        &self,
        record: &RunRecord,
        used: Option<&UsageRecord>,
        fence: Option<&Fence>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keeping a finished run";
        let (done, answer) = oneshot::channel();
        let entry = Entry { row: self.run_row(record).await?, used: used.cloned(), fence: fence.cloned() };
        self.finished.send(Finish { entry, done }).await.map_err(|_| StoreError::Closed { doing: DOING })?;
        let written = answer.await.map_err(|_| StoreError::Closed { doing: DOING })?;
        written.map_err(|refusal| match refusal {
            Refusal::Fenced => StoreError::Fenced { subject: format!("run {}", record.id) },
            Refusal::Database(source) => StoreError::Database { doing: DOING, source },
        })
    }

    /// The row of a run that has ended, its result elsewhere if it is large. Where that place does not answer the result stays here.
    async fn run_row(&self, record: &RunRecord) -> Result<row::ActiveModel, StoreError> {
        let mut row = to_row(record)?;
        let Some(results) = &self.results else { return Ok(row) };
        let Some(key) = results.key(record.id, row.events.as_ref()) else { return Ok(row) };
        self.result_announce(&key).await?;
        let content = Bytes::from(row.events.take().unwrap_or_default());
        match results.keep(&key, content.clone()).await {
            Ok(()) => {
                row.events = Set(events_bytes(&[])?);
                row.result = Set(Some(key));
            }
            Err(error) => {
                tracing::warn!(run = %record.id, error = &error as &dyn Error, "a large result stays in the database");
                row.events = Set(content.into());
            }
        }
        Ok(row)
    }
}

/// Starts the writer; it ends when the last [`Store`] is dropped.
pub(crate) fn spawn(writer: DatabaseConnection) -> mpsc::Sender<Finish> {
    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(write_all(writer, receiver));
    sender
}

async fn write_all(writer: DatabaseConnection, mut queue: mpsc::Receiver<Finish>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (entries, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|finish| (finish.entry, finish.done)).unzip();
        match write(&writer, &entries).await {
            Ok(stale) => {
                for (entry, done) in entries.iter().zip(waiting) {
                    let fenced = entry.fence.as_ref().is_some_and(|fence| stale.contains(fence));
                    let _ = done.send(if fenced { Err(Refusal::Fenced) } else { Ok(()) });
                }
            }
            // One bad row must not take the others with it.
            Err(_) if entries.len() > 1 => {
                for (entry, done) in entries.into_iter().zip(waiting) {
                    let _ = done.send(write_one(&writer, entry).await);
                }
            }
            Err(error) => waiting.into_iter().for_each(|done| drop(done.send(Err(Refusal::Database(error.clone()))))),
        }
    }
}

async fn write_one(writer: &DatabaseConnection, entry: Entry) -> Result<(), Refusal> {
    match write(writer, &[entry]).await {
        Ok(stale) if stale.is_empty() => Ok(()),
        Ok(_) => Err(Refusal::Fenced),
        Err(error) => Err(Refusal::Database(error)),
    }
}

/// Writes what may be written and returns the fences that do not stand any more. Alone without fences it is one statement, so one
/// transaction.
async fn write(writer: &DatabaseConnection, entries: &[Entry]) -> Result<BTreeSet<Fence>, DbErr> {
    let fences: BTreeSet<&Fence> = entries.iter().filter_map(|entry| entry.fence.as_ref()).collect();
    if fences.is_empty() && entries.iter().all(|entry| entry.used.is_none()) {
        upsert(writer, entries.iter().map(|entry| entry.row.clone()).collect()).await?;
        return Ok(BTreeSet::new());
    }
    let transaction = writer.begin().await?;
    let stale = if fences.is_empty() { BTreeSet::new() } else { lease::fences_stale(&transaction, fences).await? };
    let stands = |entry: &&Entry| entry.fence.as_ref().is_none_or(|fence| !stale.contains(fence));
    let standing: Vec<&Entry> = entries.iter().filter(stands).collect();
    if !standing.is_empty() {
        upsert(&transaction, standing.iter().map(|entry| entry.row.clone()).collect()).await?;
        let used: Vec<_> = standing.iter().filter_map(|entry| entry.used.clone()).collect();
        usage::keep(&transaction, &used).await?;
    }
    transaction.commit().await?;
    Ok(stale)
}

async fn upsert(connection: &impl ConnectionTrait, rows: Vec<row::ActiveModel>) -> Result<(), DbErr> {
    use row::Column as C;
    let replace = OnConflict::column(C::Id)
        .update_columns([C::Verdict, C::Truncated, C::FinishedMs, C::Events, C::Result])
        .to_owned();
    row::Entity::insert_many(rows).on_conflict(replace).exec_without_returning(connection).await?;
    Ok(())
}
