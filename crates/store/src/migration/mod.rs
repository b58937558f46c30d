//! Changes of the tables, oldest first. Each only adds or only removes (expand, then contract in a later release), so that the
//! program before and the program after can both work on the tables between them.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager, seaql_migrations};

mod m0001_first;
mod m0010_control;
mod m0011_secret;
mod m0020_people;
mod m0021_token;
mod m0022_policy;
mod m0030_audit;
mod m0031_signin;
mod m0040_fleet;
mod m0041_reservation;
mod m0050_node_member;
mod m0060_usage;
mod m0061_money;
mod m0070_service;
mod m0071_session_list;
mod m0080_access_key_maker;
mod m0081_retention;
mod m0110_accelerator;
mod m0140_session_held;
mod m0150_folder;
mod m0180_image;
mod m0181_image_copy;
mod m0190_ssh_key;
mod m0200_run_result;
mod m0210_run_share;

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0010_control::Migration),
            Box::new(m0011_secret::Migration),
            Box::new(m0020_people::Migration),
            Box::new(m0030_audit::Migration),
            Box::new(m0031_signin::Migration),
            Box::new(m0021_token::Migration),
            Box::new(m0022_policy::Migration),
            Box::new(m0070_service::Migration),
            Box::new(m0040_fleet::Migration),
            Box::new(m0071_session_list::Migration),
            Box::new(m0041_reservation::Migration),
            Box::new(m0060_usage::Migration),
            Box::new(m0080_access_key_maker::Migration),
            Box::new(m0061_money::Migration),
            Box::new(m0050_node_member::Migration),
            Box::new(m0081_retention::Migration),
            Box::new(m0110_accelerator::Migration),
            Box::new(m0140_session_held::Migration),
            Box::new(m0150_folder::Migration),
            Box::new(m0180_image::Migration),
            Box::new(m0181_image_copy::Migration),
            Box::new(m0190_ssh_key::Migration),
            Box::new(m0200_run_result::Migration),
            Box::new(m0210_run_share::Migration),
        ]
    }
}

/// Of several servers that start at once one brings the tables up to date; the others wait here and find nothing to do.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('madang migration ' || current_schema(), 0))";
/// Text is compared by bytes, as SQLite does: ids then sort by time, whatever language the database was made for.
const NOT_BY_BYTES: &str = "SELECT table_name, column_name FROM information_schema.columns \
    WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying') \
    AND collation_name IS DISTINCT FROM 'C' ORDER BY table_name, ordinal_position";

/// Makes every change that the database has not seen, all or none. What it has seen and we do not know is left alone: a newer
/// program has been here, and ours works on its tables too.
pub(crate) async fn bring_up_to_date(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin_exclusive(connection).await?;
    make(&transaction, |_| true).await?;
    compare_by_bytes(&transaction).await?;
    transaction.commit().await
}

/// Makes every change that is wanted and that the database has not seen. [`compare_by_bytes`] comes after the last.
pub(crate) async fn make(transaction: &DatabaseTransaction, wanted: impl Fn(&str) -> bool) -> Result<(), DbErr> {
    Migrator::install(transaction).await?;
    let seen = seen(transaction).await?;
    for migration in Migrator::migrations() {
        if seen.contains(migration.name()) || !wanted(migration.name()) {
            continue;
        }
        migration.up(&SchemaManager::new(transaction)).await?;
        mark_seen(transaction, migration.name()).await?;
        tracing::debug!(migration = migration.name(), "the tables were changed");
    }
    Ok(())
}

/// The changes that this program knows.
pub(crate) fn names() -> BTreeSet<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// The changes that the database has seen.
pub(crate) async fn seen(transaction: &DatabaseTransaction) -> Result<BTreeSet<String>, DbErr> {
    let seen = seaql_migrations::Entity::find().all(transaction).await?;
    Ok(seen.into_iter().map(|row| row.version).collect())
}

pub(crate) async fn begin_exclusive(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(LOCK).await?;
    }
    Ok(transaction)
}

async fn mark_seen(transaction: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let row = seaql_migrations::ActiveModel {
        version: Set(name.to_owned()),
        applied_at: Set(i64::try_from(now).unwrap_or(i64::MAX)),
    };
    seaql_migrations::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

pub(crate) async fn compare_by_bytes(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let columns = Statement::from_string(DbBackend::Postgres, NOT_BY_BYTES);
    for row in transaction.query_all_raw(columns).await? {
        let (table, column): (String, String) = (row.try_get("", "table_name")?, row.try_get("", "column_name")?);
        let change = format!(r#"ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE text COLLATE "C""#);
        transaction.execute_unprepared(&change).await?;
    }
    Ok(())
}
