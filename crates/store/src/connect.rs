//! Opening the database.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, sqlx::sqlite};
use sea_orm_migration::MigratorTrait;
use tokio::sync::mpsc;

use crate::{StoreError, error::doing, migration::Migrator, run_writer};

/// Connections that read; writes have their own.
const READERS_MAX: u32 = 4;
/// How long an operation waits for a connection or a lock.
const BUSY_MS_MAX: u64 = 5_000;

/// Pages of 4 KiB in the log before a writer itself must move them into the database; [`checkpoint`] does it before.
const CHECKPOINT_PAGES_MAX: &str = "16384";
/// Time between two moves of the log into the database.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The SQLite file; its directory must exist.
    pub path: PathBuf,
}

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) reader: DatabaseConnection,
    /// One connection: SQLite has one writer, and waiting here is fairer than waiting for its lock.
    pub(crate) writer: DatabaseConnection,
    pub(crate) finished: mpsc::Sender<run_writer::Finish>,
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings its tables up to date.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let writer = connect(config, 1).await?;
        Migrator::up(&writer, None).await.map_err(doing("bringing the tables up to date"))?;
        let reader = connect(config, READERS_MAX).await?;
        let finished = run_writer::spawn(writer.clone());
        tokio::spawn(checkpoint(reader.clone(), finished.downgrade()));
        Ok(Self { reader, writer, finished })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader.ping().await.map_err(doing("asking the database whether it lives"))
    }
}

/// Moves the log into the database beside the writer, so that no write waits for the disk. Ends with the writer.
async fn checkpoint(reader: DatabaseConnection, alive: mpsc::WeakSender<run_writer::Finish>) {
    while alive.strong_count() > 0 {
        tokio::time::sleep(CHECKPOINT_PERIOD).await;
        if let Err(error) = reader.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await {
            tracing::warn!(%error, "the database's log could not be moved");
        }
    }
}

async fn connect(config: &StoreConfig, connections: u32) -> Result<DatabaseConnection, StoreError> {
    let path = config.path.clone();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_millis(BUSY_MS_MAX))
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |defaults| {
            defaults
                .in_memory(false)
                .shared_cache(false)
                .filename(&path)
                .create_if_missing(true)
                .journal_mode(sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlite::SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_millis(BUSY_MS_MAX))
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES_MAX)
        });
    Database::connect(options).await.map_err(doing("opening the database"))
}
