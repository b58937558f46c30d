//! Taking a copy.

use std::io::Write;

use futures_util::TryStreamExt as _;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, IsolationLevel, QueryOrder, Statement,
    StreamTrait, TransactionTrait,
};
use sea_orm_migration::seaql_migrations;
use sha2::{Digest, Sha256};

use super::{
    BackupError, Copied, FORMAT, Head, Line, database_error, io_error,
    table::{Table, tables},
};
use crate::{StoreConfig, connect::connect};

const DOING: &str = "copying the database";

/// Copies everything as it is at one moment, while servers go on. Changes nothing.
pub async fn backup(config: &StoreConfig, to: &mut (dyn Write + Send)) -> Result<Copied, BackupError> {
    if let Some(path) = config.path() {
        // Opening would make it.
        std::fs::metadata(path).map_err(io_error("finding the database"))?;
    }
    let connection = connect(config, 1).await.map_err(database_error("opening the database"))?;
    let shared = connection.get_database_backend() == DbBackend::Postgres;
    let isolation = shared.then_some(IsolationLevel::RepeatableRead);
    let access = shared.then_some(AccessMode::ReadOnly);
    let snapshot = connection.begin_with_config(isolation, access).await.map_err(database_error(DOING))?;
    let mut writer = Writer { to, sum: Sha256::new() };
    let copied = copy(&snapshot, &mut writer).await?;
    snapshot.rollback().await.map_err(database_error(DOING))?;
    connection.close().await.map_err(database_error(DOING))?;
    Ok(copied)
}

async fn copy(snapshot: &DatabaseTransaction, writer: &mut Writer<'_>) -> Result<Copied, BackupError> {
    let at_ms = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
    // The first look fixes the moment.
    let made = seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version);
    let made = made.all(snapshot).await.map_err(database_error(DOING))?;
    let migrations = made.into_iter().map(|row| row.version).collect();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    writer.line(&Head { madang_backup: FORMAT, program, at_ms, migrations })?;
    let tables = tables(snapshot).await?;
    let mut rows = 0;
    for table in &tables {
        rows += copy_table(snapshot, table, writer).await?;
    }
    writer.end(tables.len() as u64, rows)?;
    Ok(Copied { tables: tables.len() as u64, rows, at_ms })
}

async fn copy_table(
    snapshot: &DatabaseTransaction,
    table: &Table,
    writer: &mut Writer<'_>,
) -> Result<u64, BackupError> {
    writer.line(&Line::Table { table: table.name.clone(), columns: table.columns.clone() })?;
    let all = format!("SELECT {} FROM \"{}\"", table.read_list(), table.name);
    let all = Statement::from_string(ConnectionTrait::get_database_backend(snapshot), all);
    let mut rows = snapshot.stream_raw(all).await.map_err(database_error(DOING))?;
    let mut count = 0;
    while let Some(row) = rows.try_next().await.map_err(database_error(DOING))? {
        let cells = table.columns.iter().enumerate().map(|(at, column)| column.kind.read(&row, at));
        let cells = cells.collect::<Result<_, _>>().map_err(database_error(DOING))?;
        writer.line(&Line::Row(cells))?;
        count += 1;
    }
    writer.line(&Line::End { end: table.name.clone(), rows: count })?;
    Ok(count)
}

struct Writer<'a> {
    to: &'a mut (dyn Write + Send),
    sum: Sha256,
}

impl Writer<'_> {
    fn line(&mut self, line: &impl serde::Serialize) -> Result<(), BackupError> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| io_error("writing the copy")(error.into()))?;
        bytes.push(b'\n');
        self.sum.update(&bytes);
        self.to.write_all(&bytes).map_err(io_error("writing the copy"))
    }

    fn end(&mut self, tables: u64, rows: u64) -> Result<(), BackupError> {
        let sha256 = super::read::hex(&self.sum.clone().finalize());
        self.line(&Line::Foot { tables, rows, sha256 })?;
        self.to.flush().map_err(io_error("writing the copy"))
    }
}
