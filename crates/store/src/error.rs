//! What may go wrong with the database.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr};

/// SQLite's `SQLITE_BUSY` and its kinds (<https://www.sqlite.org/rescode.html>), PostgreSQL's `lock_not_available`
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const BUSY: [&str; 5] = ["5", "261", "517", "773", "55P03"];

/// A failed operation on the store: what we were doing, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{subject} exists already")]
    Exists { subject: String },
    /// The record changed since it was read.
    #[error("{subject} has changed meanwhile")]
    Stale { subject: String },
    /// There are as many as there may be.
    #[error("{subject} has {most} at most")]
    Limit { subject: String, most: usize },
    /// Another process leads now, and this write came too late.
    #[error("{subject} is led by another process now")]
    Fenced { subject: String },
    #[error("{doing}")]
    Database { doing: &'static str, source: DbErr },
    #[error("{doing}: the record does not read back")]
    Corrupt { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// The store of large results does not answer, or has not got it.
    #[error("{doing}")]
    Results { doing: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// The writer has stopped; the server is going down.
    #[error("{doing}: the store is closed")]
    Closed { doing: &'static str },
}

impl StoreError {
    /// Whether somebody else held the database for too long; later it may work.
    pub fn is_busy(&self) -> bool {
        if let Self::Database { source: DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), .. } = self {
            return true;
        }
        let Self::Database { source: DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error), .. } = self else {
            return false;
        };
        let RuntimeErr::SqlxError(error) = error else { return false };
        let code = error.as_database_error().and_then(|error| error.code());
        code.is_some_and(|code| BUSY.contains(&code.as_ref()))
    }
}

/// For `map_err`: names what we were doing.
pub(crate) fn doing(doing: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |source| StoreError::Database { doing, source }
}

/// Like [`doing`], with a clash of unique keys told apart.
pub(crate) fn inserting(doing: &'static str, subject: String) -> impl FnOnce(DbErr) -> StoreError {
    move |source| match source.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::Exists { subject },
        _ => StoreError::Database { doing, source },
    }
}

pub(crate) fn corrupt<E>(doing: &'static str) -> impl Fn(E) -> StoreError
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |source| StoreError::Corrupt { doing, source: source.into() }
}

/// Counts and times as the database keeps them; 292 million years of milliseconds fit.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
