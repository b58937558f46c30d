//! A copy of everything in the database, in one file that either kind of database takes back.
//!
//! The file is text, one JSON value a line: a head, then for each table its columns, its rows and their count, then a foot with the
//! sum of all lines before it. Tables and columns are those that the database itself names, so that no table can be forgotten; what
//! only says who is there now ([`LEFT_OUT`]) stays out. A copy is taken in one read transaction while servers work. It is put back
//! by making the tables as they were then, filling them, and bringing them up to date, all in one transaction. Start at [`backup`] and
//! [`restore`].

mod read;
mod restore;
mod table;
mod write;

use std::io;

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

pub use read::check;
pub use restore::{Present, restore};
pub use write::backup;

use table::Column;

/// Grows when an older program could not read the file.
pub const FORMAT: u32 = 1;
/// Who is there now, and which changes of tables were made: not of the copy.
pub const LEFT_OUT: [&str; 4] = ["control_process", "lease", "result_object", "seaql_migrations"];
/// The longest line: a run's events are one value.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Why a copy was not made, or not taken back. The database is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{doing}")]
    Io { doing: &'static str, source: io::Error },
    #[error("{doing}")]
    Database { doing: &'static str, source: DbErr },
    #[error("this is no copy of a database of ours")]
    Stranger,
    #[error("a newer program was at work: {what}")]
    Newer { what: String },
    #[error("the copy is damaged at line {line}: {why}")]
    Damaged { line: u64, why: String },
    #[error("there is something in this database already: {rows} rows in {table}")]
    NotEmpty { table: String, rows: u64 },
    #[error("a server works on this database: {process}")]
    InUse { process: String },
    /// A column that we cannot copy is our mistake.
    #[error("the column {column} of {table} has the type `{kind}`, which no copy knows")]
    Unknown { table: String, column: String, kind: String },
}

/// What is in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub tables: u64,
    pub rows: u64,
    /// When it was taken, Unix milliseconds.
    pub at_ms: u64,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    madang_backup: u32,
    /// Version of the program that made it, for people.
    program: String,
    at_ms: u64,
    /// The changes of tables that were made, in their order.
    migrations: Vec<String>,
}

/// Any other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Row(Vec<Cell>),
    Table { table: String, columns: Vec<Column> },
    End { end: String, rows: u64 },
    Foot { tables: u64, rows: u64, sha256: String },
}

/// A value. Bytes are base64, so that text stays text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes { base64: String },
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> BackupError {
    move |source| BackupError::Io { doing, source }
}

fn database_error(doing: &'static str) -> impl Fn(DbErr) -> BackupError {
    move |source| BackupError::Database { doing, source }
}
