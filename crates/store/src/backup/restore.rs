//! Putting a copy back.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use sea_orm::{ConnectionTrait, Database, DatabaseTransaction, DbBackend, Statement, Value};

use super::{
    BackupError, Cell, Copied, database_error, io_error,
    read::{Reader, Said, check},
    table::{Table, tables},
};
use crate::{
    StoreConfig,
    connect::connect,
    lease::{NOW_POSTGRES, NOW_SQLITE},
    migration,
};

const DOING: &str = "putting the copy back";
/// Values in one statement: SQLite takes 32,766.
const VALUES_MAX: usize = 30_000;
/// Bytes of rows in one statement, roughly.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Where the database keeps which changes of tables were made.
const MIGRATIONS: &str = "seaql_migrations";
const IN_MEMORY: &str = "sqlite::memory:";
/// A control process that was seen in this time is at work.
const PROCESS_SEEN_MS: u64 = 10_000;

/// What to do with what is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// Then nothing is done.
    Refuse,
    /// It is gone afterwards.
    Replace,
}

/// Puts a copy back, all of it or nothing: it is read to its end before the database is touched, and what is done is one transaction.
/// No server may work on the database meanwhile.
pub async fn restore(config: &StoreConfig, path: &Path, present: Present) -> Result<Copied, BackupError> {
    let copied = check(path)?;
    let mut reader = Reader::open(path)?;
    let known = migration::names();
    if let Some(unknown) = reader.head.migrations.iter().find(|name| !known.contains(*name)) {
        return Err(BackupError::Newer { what: format!("its tables have seen the change `{unknown}`") });
    }
    let made = make_private(config).map_err(io_error("making the database's file"))?;
    let done = put_back(config, &mut reader, present).await;
    if let (Err(_), Some(path)) = (&done, made) {
        // As it was before.
        let _ = fs::remove_file(path);
    }
    done.map(|()| copied)
}

/// The file, if it was not there.
fn make_private(config: &StoreConfig) -> io::Result<Option<PathBuf>> {
    let Some(path) = config.path() else { return Ok(None) };
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(Some(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

async fn put_back(config: &StoreConfig, reader: &mut Reader, present: Present) -> Result<(), BackupError> {
    let connection = connect(config, 1).await.map_err(database_error("opening the database"))?;
    let transaction = migration::begin_exclusive(&connection).await.map_err(database_error(DOING))?;
    clear(&transaction, present).await?;
    let then: BTreeSet<String> = reader.head.migrations.iter().cloned().collect();
    migration::make(&transaction, |name| then.contains(name)).await.map_err(database_error(DOING))?;
    fill(&transaction, reader).await?;
    migration::make(&transaction, |_| true).await.map_err(database_error(DOING))?;
    migration::compare_by_bytes(&transaction).await.map_err(database_error(DOING))?;
    transaction.commit().await.map_err(database_error(DOING))?;
    connection.close().await.map_err(database_error(DOING))
}

/// Makes room, if that is wanted and nobody is at work. Tables that are not ours stay as they are.
async fn clear(transaction: &DatabaseTransaction, present: Present) -> Result<(), BackupError> {
    let ours = tables_of_ours().await?;
    let mut there = names(transaction).await?;
    there.retain(|table| ours.contains(table));
    if present == Present::Refuse {
        for table in there.iter().filter(|table| *table != MIGRATIONS) {
            let rows = count(transaction, table).await?;
            if rows > 0 {
                return Err(BackupError::NotEmpty { table: table.clone(), rows });
            }
        }
    }
    if there.iter().any(|table| table == "control_process") {
        nobody_at_work(transaction).await?;
    }
    if there.iter().any(|table| table == MIGRATIONS) {
        nothing_newer(transaction).await?;
    }
    for table in there {
        // A statement that reads the changes is prepared already, and wants its table to stay.
        let drop = match table.as_str() {
            MIGRATIONS => format!("DELETE FROM \"{table}\""),
            _ => format!("DROP TABLE \"{table}\""),
        };
        transaction.execute_unprepared(&drop).await.map_err(database_error(DOING))?;
    }
    Ok(())
}

/// The tables that this program makes.
async fn tables_of_ours() -> Result<BTreeSet<String>, BackupError> {
    let connection = Database::connect(IN_MEMORY).await.map_err(database_error(DOING))?;
    let transaction = migration::begin_exclusive(&connection).await.map_err(database_error(DOING))?;
    migration::make(&transaction, |_| true).await.map_err(database_error(DOING))?;
    Ok(names(&transaction).await?.into_iter().collect())
}

/// A newer program's tables would stay, with what was in them.
async fn nothing_newer(transaction: &DatabaseTransaction) -> Result<(), BackupError> {
    let known = migration::names();
    let seen = migration::seen(transaction).await.map_err(database_error(DOING))?;
    match seen.into_iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(BackupError::Newer { what: format!("the database has seen the change `{unknown}`") }),
        None => Ok(()),
    }
}

async fn nobody_at_work(transaction: &DatabaseTransaction) -> Result<(), BackupError> {
    let backend = transaction.get_database_backend();
    let now = if backend == DbBackend::Postgres { NOW_POSTGRES } else { NOW_SQLITE };
    let seen = format!("SELECT id FROM control_process WHERE seen_ms > {now} - {PROCESS_SEEN_MS} LIMIT 1");
    let seen = transaction.query_one_raw(Statement::from_string(backend, seen)).await;
    match seen.map_err(database_error(DOING))? {
        Some(row) => Err(BackupError::InUse { process: row.try_get_by_index(0).map_err(database_error(DOING))? }),
        None => Ok(()),
    }
}

/// Every table there is.
async fn names(transaction: &DatabaseTransaction) -> Result<Vec<String>, BackupError> {
    let backend = transaction.get_database_backend();
    let asked = match backend {
        DbBackend::Postgres => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema()",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let rows = transaction.query_all_raw(Statement::from_string(backend, asked)).await;
    let rows = rows.map_err(database_error(DOING))?;
    rows.iter().map(|row| row.try_get("", "name").map_err(database_error(DOING))).collect()
}

async fn count(transaction: &DatabaseTransaction, table: &str) -> Result<u64, BackupError> {
    let asked = format!("SELECT COUNT(*) FROM \"{table}\"");
    let asked = Statement::from_string(transaction.get_database_backend(), asked);
    let row = transaction.query_one_raw(asked).await.map_err(database_error(DOING))?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose().map_err(database_error(DOING))?;
    Ok(count.map_or(0, |count| u64::try_from(count).unwrap_or(0)))
}

/// What the changes of tables have put in is of the copy too, and comes from there.
async fn fill(transaction: &DatabaseTransaction, reader: &mut Reader) -> Result<(), BackupError> {
    let there = tables(transaction).await?;
    for table in &there {
        let empty = format!("DELETE FROM \"{}\"", table.name);
        transaction.execute_unprepared(&empty).await.map_err(database_error(DOING))?;
    }
    let mut batch: Option<Batch> = None;
    while let Some(said) = reader.next()? {
        match said {
            Said::Table(table) if there.contains(&table) => batch = Some(Batch::new(table)),
            Said::Table(table) => return Err(reader.damaged(format!("there was no such table as `{}`", table.name))),
            Said::Row(cells) => {
                let batch = batch.as_mut().ok_or_else(|| reader.damaged("a row does not belong here"))?;
                batch.push(cells).map_err(|why| reader.damaged(why))?;
                if batch.is_full() {
                    batch.insert(transaction).await?;
                }
            }
            Said::End => {
                if let Some(mut batch) = batch.take() {
                    batch.insert(transaction).await?;
                }
            }
        }
    }
    Ok(())
}

/// Rows for one statement.
struct Batch {
    table: Table,
    values: Vec<Value>,
    bytes: usize,
}

impl Batch {
    fn new(table: Table) -> Self {
        Self { table, values: Vec::new(), bytes: 0 }
    }

    fn push(&mut self, cells: Vec<Cell>) -> Result<(), String> {
        for (cell, column) in cells.into_iter().zip(&self.table.columns) {
            self.bytes += size(&cell);
            let value = column.kind.value(cell);
            self.values.push(value.ok_or_else(|| format!("a value of `{}` is of another kind", column.name))?);
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.values.len() + self.table.columns.len() > VALUES_MAX || self.bytes > BATCH_BYTES_MAX
    }

    async fn insert(&mut self, transaction: &DatabaseTransaction) -> Result<(), BackupError> {
        if self.values.is_empty() {
            return Ok(());
        }
        let width = self.table.columns.len();
        let row = |at: usize| {
            let marks: Vec<_> = (1..=width).map(|column| format!("${}", at * width + column)).collect();
            format!("({})", marks.join(", "))
        };
        let rows: Vec<_> = (0..self.values.len() / width).map(row).collect();
        let (table, columns, rows) = (&self.table.name, self.table.column_list(), rows.join(", "));
        let insert = format!("INSERT INTO \"{table}\" ({columns}) VALUES {rows}");
        let values = std::mem::take(&mut self.values);
        self.bytes = 0;
        let insert = Statement::from_sql_and_values(transaction.get_database_backend(), insert, values);
        transaction.execute_raw(insert).await.map_err(database_error(DOING))?;
        Ok(())
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len(),
        Cell::Bytes { base64 } => base64.len(),
        _ => size_of::<i64>(),
    }
}
