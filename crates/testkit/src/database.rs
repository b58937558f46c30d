//! A database of its own for each test: a file of SQLite, or a schema in the PostgreSQL that `scripts/with-postgres` started.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use sea_orm::{ConnectionTrait, Database, DbErr};
use tempfile::TempDir;

/// URL of a PostgreSQL that tests may fill.
const POSTGRES: &str = "MADANG_TEST_DATABASE";
/// With `1` it is a failure if there is no PostgreSQL, rather than a line of output.
const REQUIRED: &str = "MADANG_REQUIRE_POSTGRES";
/// `sqlite` or `postgres`: what tests use that run on one of them at a time.
const CHOSEN: &str = "MADANG_TEST_STORE";

/// Schemas of this process so far.
static SCHEMAS: AtomicU64 = AtomicU64::new(0);

/// An empty database; it goes away with this value.
#[derive(Debug)]
pub struct TestDatabase(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(TempDir),
    Postgres { server: String, schema: String },
}

impl TestDatabase {
    /// One of each kind, for a test that walks through both. Says so on stdout if there is no PostgreSQL.
    pub async fn each() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        match postgres_server() {
            Some(server) => all.push(Self::postgres(server).await),
            None => println!("left out on PostgreSQL: {POSTGRES} is not set; use scripts/with-postgres"),
        }
        all
    }

    /// One of the kind that `MADANG_TEST_STORE` says; SQLite if it says nothing.
    pub async fn chosen() -> Self {
        match env::var(CHOSEN).as_deref() {
            Err(_) | Ok("sqlite") => Self::sqlite(),
            Ok("postgres") => Self::needed_postgres().await,
            Ok(other) => panic!("{CHOSEN} is `{other}`; it may be `sqlite` or `postgres`"),
        }
    }

    /// None if there is no PostgreSQL and nobody insists on one: then say so and return.
    pub async fn postgres_if_any() -> Option<Self> {
        match postgres_server() {
            Some(server) => Some(Self::postgres(server).await),
            None => None,
        }
    }

    /// What a server takes as its database.
    pub fn url(&self) -> String {
        match &self.0 {
            Kind::Sqlite(home) => format!("sqlite:{}", home.path().join("test.db").display()),
            Kind::Postgres { server, schema } => in_schema(server, schema),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Kind::Postgres { .. })
    }

    fn sqlite() -> Self {
        Self(Kind::Sqlite(TempDir::new().expect("temporary directories can be made")))
    }

    async fn needed_postgres() -> Self {
        let server = env::var(POSTGRES).unwrap_or_else(|_| panic!("{POSTGRES} is not set; use scripts/with-postgres"));
        Self::postgres(server).await
    }

    async fn postgres(server: String) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        // Two threads may read the same time.
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{}_{now}_{number}", std::process::id());
        let made = execute(&server, &format!("CREATE SCHEMA {schema}")).await;
        made.unwrap_or_else(|error| panic!("the PostgreSQL of the tests: {error}"));
        Self(Kind::Postgres { server, schema })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was on {}", self.url());
        }
        let Kind::Postgres { server, schema } = &self.0 else { return };
        let (server, schema) = (server.clone(), schema.clone());
        // A runtime of its own: the test's may be on its way out. What cannot be dropped goes with the PostgreSQL.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(drop_schema(&server, &schema)))
        });
        let _ = dropping.join();
    }
}

/// The PostgreSQL, if there is one. Without one it is a failure where somebody insists.
fn postgres_server() -> Option<String> {
    let server = env::var(POSTGRES).ok();
    let required = env::var_os(REQUIRED).is_some_and(|value| value == "1");
    assert!(server.is_some() || !required, "{REQUIRED}=1 and {POSTGRES} is not set; use scripts/with-postgres");
    server
}

fn in_schema(server: &str, schema: &str) -> String {
    let mark = if server.contains('?') { '&' } else { '?' };
    format!("{server}{mark}options[search_path]={schema}")
}

/// A server under test stands still as long as this thread is waited for, perhaps in the middle of a transaction: its connections are
/// ended first.
async fn drop_schema(server: &str, schema: &str) -> Result<(), DbErr> {
    let end = format!(
        "SELECT pg_terminate_backend(held.pid) FROM pg_locks held JOIN pg_class thing ON thing.oid = held.relation \
         WHERE thing.relnamespace = '{schema}'::regnamespace AND held.pid <> pg_backend_pid()"
    );
    execute(server, &end).await?;
    execute(server, &format!("DROP SCHEMA {schema} CASCADE")).await
}

async fn execute(server: &str, statement: &str) -> Result<(), DbErr> {
    let connection = Database::connect(server).await?;
    // A server under test that was killed may still hold a lock for a moment; one that hangs must not hold up the tests.
    connection.execute_unprepared("SET lock_timeout = '10s'; SET client_min_messages = warning").await?;
    let done = connection.execute_unprepared(statement).await;
    connection.close().await?;
    done.map(drop)
}
