//! The hot path: finished runs, written in batches by one task.
//!
//! Whoever waits gets its answer after the commit, so what was answered survives the death of the process. While one batch is
//! being committed the next collects in the queue: under load many runs share one commit, alone a run waits for nobody.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait, sea_query::OnConflict};
use tokio::sync::{mpsc, oneshot};

use crate::{
    RunRecord, Store, StoreError,
    run::{row, to_row},
};

/// Finished runs that may wait for the writer; then the runs wait.
const QUEUE_MAX: usize = 1_024;
/// Runs in one statement; each has twelve bound values and SQLite takes 32,766.
const BATCH_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Finish {
    row: row::ActiveModel,
    done: oneshot::Sender<Result<(), DbErr>>,
}

impl Store {
    /// Keeps a finished run, whether or not its beginning was kept. Returns when it is durable against the death of the process.
    pub async fn run_finish(&self, record: &RunRecord) -> Result<(), StoreError> {
        const DOING: &str = "keeping a finished run";
        let (done, answer) = oneshot::channel();
        let finish = Finish { row: to_row(record)?, done };
        self.finished.send(finish).await.map_err(|_| StoreError::Closed { doing: DOING })?;
        let written = answer.await.map_err(|_| StoreError::Closed { doing: DOING })?;
        written.map_err(|source| StoreError::Database { doing: DOING, source })
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
        let (rows, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|finish| (finish.row, finish.done)).unzip();
        match upsert(&writer, rows.clone()).await {
            Ok(()) => waiting.into_iter().for_each(|done| drop(done.send(Ok(())))),
            // One bad row must not take the others with it.
            Err(_) if rows.len() > 1 => {
                for (row, done) in rows.into_iter().zip(waiting) {
                    let _ = done.send(upsert(&writer, vec![row]).await);
                }
            }
            Err(error) => waiting.into_iter().for_each(|done| drop(done.send(Err(error.clone())))),
        }
    }
}

/// One statement, so one transaction.
async fn upsert(writer: &DatabaseConnection, rows: Vec<row::ActiveModel>) -> Result<(), DbErr> {
    use row::Column as C;
    let replace =
        OnConflict::column(C::Id).update_columns([C::Verdict, C::Truncated, C::FinishedMs, C::Events]).to_owned();
    row::Entity::insert_many(rows).on_conflict(replace).exec_without_returning(writer).await?;
    Ok(())
}
