//! Opening the database.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr,
    sqlx::{self, Connection as _, Sqlite, SqliteConnection, pool::PoolOptions, sqlite},
};
use tokio::sync::mpsc;

use crate::{
    Asked, ResultsConfig, ResultsConfigError, StoreConfig, StoreError, audit_writer, error::doing, hint::HintBoard,
    migration::bring_up_to_date, observe::Observer, place::Place, results::Results, run_writer,
};

/// Connections that read; writes have their own.
const READERS_MAX: u32 = 4;
/// Connections that write to PostgreSQL; SQLite has one.
const POSTGRES_WRITERS_MAX: u32 = 8;
/// How long a server that comes up waits for others that change the tables.
const OPENING_MAX: Duration = Duration::from_secs(60);
const OPENING_PAUSE: Duration = Duration::from_millis(50);
/// A transaction that does nothing for this long has lost its server, and lets go of what it holds.
const FORGOTTEN_MS_MAX: u64 = 60_000;

/// Pages of 4 KiB in the log before a writer itself must move them into the database; [`checkpoint`] does it before.
const CHECKPOINT_PAGES_MAX: &str = "16384";
/// Time between two moves of the log into the database.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(5);

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) reader: DatabaseConnection,
    /// On SQLite one connection: it has one writer, and waiting here is fairer than waiting for its lock.
    pub(crate) writer: DatabaseConnection,
    pub(crate) finished: mpsc::Sender<run_writer::Finish>,
    pub(crate) hints: HintBoard,
    pub(crate) audited: mpsc::Sender<audit_writer::Entry>,
    observer: Observer,
    pub(crate) results: Option<Results>,
}

impl Store {
    /// Opens the database, makes it if it is a file that is not there, and brings its tables up to date. Several servers may do so at once.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let writers = if config.is_shared() { POSTGRES_WRITERS_MAX } else { 1 };
        let mut writer = up_to_date(config, writers).await?;
        let mut reader = connect(config, READERS_MAX).await.map_err(doing("opening the database"))?;
        let observer = Observer::default();
        observer.watch(&mut writer);
        observer.watch(&mut reader);
        let hints = HintBoard::open(config, &writer).await.map_err(doing("listening to the database"))?;
        let finished = run_writer::spawn(writer.clone());
        let audited = audit_writer::spawn(writer.clone());
        if !config.is_shared() {
            tokio::spawn(checkpoint(reader.clone(), finished.downgrade()));
        }
        Ok(Self { reader, writer, finished, audited, hints, observer, results: None })
    }

    /// From now on large results of runs are kept elsewhere. The place is not asked whether it is there.
    pub fn keep_results(&mut self, config: &ResultsConfig) -> Result<(), ResultsConfigError> {
        self.results = Some(Results::open(config)?);
        Ok(())
    }

    /// Whether the store of large results takes what it is given; there may be none.
    pub async fn results_probe(&self) -> Result<(), StoreError> {
        match &self.results {
            Some(results) => results.probe().await,
            None => Ok(()),
        }
    }

    /// Whether it did not take what it was last given, a moment ago.
    pub fn results_away(&self) -> bool {
        self.results.as_ref().is_some_and(Results::is_away)
    }

    /// From now on `watcher` hears of every statement; of several the first stays.
    pub fn observe(&self, watcher: impl Fn(Asked) + Send + Sync + 'static) {
        self.observer.set(watcher);
    }

    /// Whether other processes may share the database.
    pub fn is_shared(&self) -> bool {
        self.is_postgres()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader.ping().await.map_err(doing("asking the database whether it lives"))
    }
}

/// Connects and brings the tables up to date. Whoever is kept out meanwhile tries again: several servers may have been started at
/// once on an empty database, and SQLite refuses the change of its journal, without waiting, to all but one.
async fn up_to_date(config: &StoreConfig, connections: u32) -> Result<DatabaseConnection, StoreError> {
    let started = Instant::now();
    loop {
        let opened = match connect(config, connections).await {
            Ok(opened) => {
                bring_up_to_date(&opened).await.map(|()| opened).map_err(doing("bringing the tables up to date"))
            }
            Err(error) => Err(doing("opening the database")(error)),
        };
        match opened {
            Err(error) if error.is_busy() && started.elapsed() < OPENING_MAX => tokio::time::sleep(OPENING_PAUSE).await,
            opened => return opened,
        }
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

pub(crate) async fn connect(config: &StoreConfig, connections: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = match &config.place {
        Place::Sqlite(path) => sqlite(path, config.busy),
        Place::Postgres { url } => postgres(url, config.busy),
    };
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(config.busy)
        .max_lifetime(None::<Duration>)
        .sqlx_logging(false);
    Database::connect(options).await
}

fn sqlite(path: &Path, busy: Duration) -> ConnectOptions {
    let path = path.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.map_sqlx_sqlite_pool_opts(only_at_rest);
    options.idle_timeout(None::<Duration>).test_before_acquire(false).map_sqlx_sqlite_opts(move |defaults| {
        defaults
            .in_memory(false)
            .shared_cache(false)
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlite::SqliteSynchronous::Normal)
            .busy_timeout(busy)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES_MAX)
    });
    options
}

/// A connection comes back to be used again only if no transaction is open on it.
///
/// A disk that is full makes SQLite end a transaction by itself. To end it once more then fails, and sqlx goes on to count it as open: the
/// next transaction is a savepoint to it, and when that one is rolled back, what it was a savepoint of stays open for good. Whatever is
/// written from then on is there for that connection alone, and lost with it.
fn only_at_rest(options: PoolOptions<Sqlite>) -> PoolOptions<Sqlite> {
    options.after_release(|connection, _| Box::pin(is_at_rest(connection)))
}

async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // What was dropped is rolled back when the connection gets to it.
        connection.ping().await?;
    }
    let at_rest = !connection.is_in_transaction();
    if !at_rest {
        tracing::warn!("a connection to the database is in a transaction that would not end; another is made");
    }
    Ok(at_rest)
}

/// A connection is tried before it is used, so that a PostgreSQL that was started anew costs no request its answer.
fn postgres(url: &str, busy: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    let busy_ms = busy.as_millis() as u64;
    options.test_before_acquire(true).map_sqlx_postgres_opts(move |given| {
        given
            .application_name("madang")
            .options([("lock_timeout", busy_ms), ("idle_in_transaction_session_timeout", FORGOTTEN_MS_MAX)])
    });
    options
}

#[cfg(test)]
mod tests {
    use sea_orm::TransactionTrait as _;

    use super::*;

    #[tokio::test]
    async fn nobody_is_inside_a_transaction_that_the_database_has_ended() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig::sqlite(home.path().join("madang.db"))).await.unwrap();
        store.writer.execute_unprepared("CREATE TABLE kept (number INTEGER)").await.unwrap();
        for number in 0..3 {
            let broken = store.writer.begin().await.unwrap();
            // As SQLite does by itself when the disk is full.
            broken.execute_unprepared("ROLLBACK").await.unwrap();
            drop(broken);
            let refused = store.writer.begin().await.unwrap();
            refused.execute_unprepared("INSERT INTO kept VALUES (7)").await.unwrap();
            drop(refused);
            store.writer.execute_unprepared(&format!("INSERT INTO kept VALUES ({number})")).await.unwrap();
            let count = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT count(*) AS n FROM kept");
            let row = store.reader.query_one_raw(count).await.unwrap().unwrap();
            assert_eq!(row.try_get::<i64>("", "n").unwrap(), number + 1, "others see it");
        }
    }
}
