//! Admission: what holders have is summed up from the sessions that live, compared with their policies and added to, in one transaction.
//!
//! Holders are locked in one order, so that two admissions never wait for each other. SQLite has one writer, who is the lock.

use madang_model::{
    SessionState,
    policy::{Bound, Held, Holder, Refusal, Wish},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QuerySelect, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sea_query::{Alias, CaseStatement, Expr},
};

use crate::{
    Fence, SessionRecord, Store, StoreError,
    error::{doing, inserting, unsigned},
    lease,
    session::{row, to_row},
};

const DOING: &str = "admitting a session";
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Whether a session that passes is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit<'a> {
    /// For a leader: as long as it leads.
    Keep(Option<&'a Fence>),
    /// Only to say what would happen.
    Try,
}

#[derive(Debug, FromQueryResult)]
struct Sum {
    sessions: i64,
    pending: Option<i64>,
    cpu_millis: Option<i64>,
    memory_bytes: Option<i64>,
    disk_bytes: Option<i64>,
    accelerator_millis: Option<i64>,
}

impl Store {
    /// Keeps the session if every bound holds; else everything that does not. Refuses a name that a live session of the same owner has.
    pub async fn session_admit(
        &self,
        record: &SessionRecord,
        bounds: &[Bound],
        admit: Admit<'_>,
    ) -> Result<Vec<Refusal>, StoreError> {
        let mut bounds: Vec<&Bound> = bounds.iter().collect();
        bounds.sort_by(|a, b| a.holder.cmp(&b.holder));
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(immediate).await.map_err(doing(DOING))?;
        let wish = wish(record);
        for bound in &bounds {
            lock(&transaction, &bound.holder).await?;
        }
        let mut refusals = Vec::new();
        for bound in bounds {
            refusals.extend(bound.refusals(&held(&transaction, &bound.holder).await?, &wish));
        }
        let Admit::Keep(fence) = admit else { return refused(transaction, refusals).await };
        if !refusals.is_empty() {
            return refused(transaction, refusals).await;
        }
        let fences = fence.into_iter().collect();
        if fence.is_some() && !lease::fences_stale(&transaction, fences).await.map_err(doing(DOING))?.is_empty() {
            return Err(StoreError::Fenced { subject: format!("session {}", record.id) });
        }
        let taken = inserting(DOING, format!("a live session named `{}`", record.name));
        row::Entity::insert(to_row(record)?).exec_without_returning(&transaction).await.map_err(taken)?;
        transaction.commit().await.map_err(doing(DOING))?;
        Ok(refusals)
    }
}

async fn refused(transaction: DatabaseTransaction, refusals: Vec<Refusal>) -> Result<Vec<Refusal>, StoreError> {
    transaction.rollback().await.map_err(doing(DOING))?;
    Ok(refusals)
}

fn wish(record: &SessionRecord) -> Wish<'_> {
    let limits = record.spec.whole();
    Wish {
        held: Held {
            sessions: 1,
            pending: u64::from(is_pending(&record.life.state)),
            cpu_millis: limits.cpu_millis,
            memory_bytes: limits.memory_bytes,
            disk_bytes: limits.disk_bytes,
            accelerator_millis: record.spec.accelerator_millis(),
        },
        sandboxes: u64::from(record.spec.cluster.size),
        image: &record.spec.image,
        timeout_ms: record.spec.timeout_ms,
        idle_timeout_ms: record.spec.idle_timeout_ms,
        wait_ms: record.spec.queueing.wait_ms_max,
        resource_group: &record.spec.queueing.resource_group,
        priority: record.spec.queueing.priority,
        network: record.spec.network.word(),
    }
}

fn is_pending(state: &SessionState) -> bool {
    matches!(state, SessionState::Requested | SessionState::Queued)
}

async fn lock(transaction: &DatabaseTransaction, holder: &Holder) -> Result<(), StoreError> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let name = format!("madang quota {}", holder.id());
    let lock = Statement::from_sql_and_values(DbBackend::Postgres, LOCK, [name.into()]);
    transaction.execute_raw(lock).await.map_err(doing(DOING))?;
    Ok(())
}

async fn held(transaction: &DatabaseTransaction, holder: &Holder) -> Result<Held, StoreError> {
    let theirs = match holder {
        Holder::Organization(_) => row::Column::Organization,
        Holder::Project(_) => row::Column::Project,
        Holder::User(_) => row::Column::Owner,
        Holder::Key(_) => row::Column::AccessKey,
    };
    let sum = |column: row::Column| column.sum().cast_as(Alias::new("bigint"));
    let pending = CaseStatement::new().case(row::Column::State.is_in(["requested", "queued"]), 1).finally(0);
    let found = row::Entity::find()
        .select_only()
        .column_as(row::Column::Id.count(), "sessions")
        .column_as(Expr::Case(Box::new(pending)).sum().cast_as(Alias::new("bigint")), "pending")
        .column_as(sum(row::Column::CpuMillis), "cpu_millis")
        .column_as(sum(row::Column::MemoryBytes), "memory_bytes")
        .column_as(sum(row::Column::DiskBytes), "disk_bytes")
        .column_as(sum(row::Column::AcceleratorMillis), "accelerator_millis")
        .filter(theirs.eq(holder.id()))
        .filter(row::Column::EndedMs.is_null())
        .into_model::<Sum>()
        .one(transaction)
        .await
        .map_err(doing(DOING))?;
    let number = |value: Option<i64>| unsigned(value.unwrap_or(0));
    Ok(found.map_or_else(Held::default, |sum| Held {
        sessions: unsigned(sum.sessions),
        pending: number(sum.pending),
        cpu_millis: number(sum.cpu_millis),
        memory_bytes: number(sum.memory_bytes),
        disk_bytes: number(sum.disk_bytes),
        accelerator_millis: number(sum.accelerator_millis),
    }))
}
