//! Leases: of several control processes one holds each, for as long as it takes it again in time.
//!
//! Time is the database's own, so that the clocks of processes may differ. A lease has a term that only grows: whoever was paused for
//! longer than its lease finds another term, and [`Fence`] keeps what it still wanted to write out.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, LockType},
};

use crate::{
    ControlProcess, Store, StoreError,
    control_process::row as process,
    error::{corrupt, doing, signed, unsigned},
};
use madang_ids::ControlId;

/// Milliseconds since 1970 by the database's clock.
pub(crate) const NOW_SQLITE: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";
pub(crate) const NOW_POSTGRES: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub holder: ControlId,
    /// Grows whenever the lease is taken anew, by whomever.
    pub term: u64,
}

/// A lease as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    pub lease: Lease,
    /// Zero: it has run out, and whoever comes first takes it.
    pub left_ms: u64,
    /// The holder, if it is known still.
    pub process: Option<ControlProcess>,
}

/// What a write of a leader carries: it is done only while its lease has this term.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    pub lease: String,
    pub term: u64,
}

impl Lease {
    pub fn fence(&self) -> Fence {
        Fence { lease: self.name.clone(), term: self.term }
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "lease")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub holder: String,
        pub term: i64,
        pub until_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Those of the fences that do not stand any more. On PostgreSQL the others cannot fall before the transaction's end.
pub(crate) async fn fences_stale(
    transaction: &DatabaseTransaction,
    fences: BTreeSet<&Fence>,
) -> Result<BTreeSet<Fence>, DbErr> {
    let names = fences.iter().map(|fence| fence.lease.clone());
    let mut leases = row::Entity::find().filter(row::Column::Name.is_in(names)).order_by_asc(row::Column::Name);
    if transaction.get_database_backend() == DbBackend::Postgres {
        leases = leases.lock(LockType::Share);
    }
    let leases = leases.all(transaction).await?;
    let stands =
        |fence: &Fence| leases.iter().any(|lease| lease.name == fence.lease && lease.term == signed(fence.term));
    Ok(fences.into_iter().filter(|fence| !stands(fence)).cloned().collect())
}

impl Store {
    /// Takes a lease or takes it again, for `ms` from now; None if another process has it. Count the time from before the call.
    pub async fn lease_take(&self, name: &str, holder: ControlId, ms: u64) -> Result<Option<Lease>, StoreError> {
        Ok(self.leases_take(&BTreeSet::from([name.to_owned()]), holder, ms).await?.pop())
    }

    /// [`Store::lease_take`] for many at once; returns those that were taken.
    pub async fn leases_take(
        &self,
        names: &BTreeSet<String>,
        holder: ControlId,
        ms: u64,
    ) -> Result<Vec<Lease>, StoreError> {
        const DOING: &str = "taking leases";
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now_sql();
        let rows: Vec<_> = (3..names.len() + 3).map(|mark| format!("(${mark}, $1, 1, {now} + $2)")).collect();
        // In the order of their names, so that two processes that take the same ones do not wait for one another. A holder that comes
        // back in time keeps its term; one that comes too late has lost it, even if nobody else came.
        let take = format!(
            "INSERT INTO lease (name, holder, term, until_ms) VALUES {} \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms, \
             term = CASE WHEN lease.holder = excluded.holder AND lease.until_ms > {now} THEN lease.term ELSE lease.term + 1 END \
             WHERE lease.holder = excluded.holder OR lease.until_ms <= {now} RETURNING name, term",
            rows.join(", ")
        );
        let values: [sea_orm::Value; 2] = [holder.to_string().into(), signed(ms).into()];
        let values = values.into_iter().chain(names.iter().map(|name| name.clone().into()));
        let rows = self.writer.query_all_raw(self.statement(take, values)).await.map_err(doing(DOING))?;
        let lease = |row: &sea_orm::QueryResult| {
            let (name, term): (String, i64) = (row.try_get("", "name")?, row.try_get("", "term")?);
            Ok(Lease { name, holder, term: unsigned(term) })
        };
        rows.iter().map(lease).collect::<Result<_, DbErr>>().map_err(doing(DOING))
    }

    /// Lets go of a lease, so that another process need not wait for its end. Does nothing if it was lost.
    pub async fn lease_release(&self, lease: &Lease) -> Result<(), StoreError> {
        row::Entity::update_many()
            .set(row::ActiveModel { until_ms: Set(0), ..Default::default() })
            .filter(row::Column::Name.eq(&lease.name))
            .filter(row::Column::Holder.eq(lease.holder.to_string()))
            .filter(row::Column::Term.eq(signed(lease.term)))
            .exec(&self.writer)
            .await
            .map_err(doing("letting go of a lease"))?;
        Ok(())
    }

    /// Every lease there has been, with whoever had it last.
    pub async fn lease_list(&self) -> Result<Vec<LeaseView>, StoreError> {
        const DOING: &str = "listing leases";
        let now = self.now_ms().await?;
        let rows = row::Entity::find().all(&self.reader).await.map_err(doing(DOING))?;
        let holders = rows.iter().map(|row| row.holder.clone());
        let processes = process::Entity::find().filter(process::Column::Id.is_in(holders));
        let processes = processes.all(&self.reader).await.map_err(doing(DOING))?;
        let view = |row: row::Model| {
            let process = processes.iter().find(|process| process.id == row.holder).cloned();
            Ok(LeaseView {
                left_ms: unsigned(row.until_ms).saturating_sub(now),
                process: process.map(|process| process.try_into()).transpose()?,
                lease: Lease {
                    name: row.name,
                    holder: row.holder.parse().map_err(corrupt("reading a lease's holder"))?,
                    term: unsigned(row.term),
                },
            })
        };
        rows.into_iter().map(view).collect()
    }

    /// The condition that a fence still stands. On PostgreSQL the lease cannot be taken between the look and the write.
    pub(crate) fn fence_holds(&self, fence: &Fence) -> Condition {
        let lock = if self.is_postgres() { " FOR SHARE" } else { "" };
        let mark = if self.is_postgres() { ["$1", "$2"] } else { ["?", "?"] };
        let holds = format!("EXISTS (SELECT 1 FROM lease WHERE name = {} AND term = {}{lock})", mark[0], mark[1]);
        let values = [sea_orm::Value::from(fence.lease.clone()), signed(fence.term).into()];
        Condition::all().add(Expr::cust_with_values(holds, values))
    }

    pub(crate) async fn fence_stands(&self, fence: &Fence) -> Result<bool, StoreError> {
        let lease = row::Entity::find_by_id(fence.lease.clone()).one(&self.writer).await;
        let lease = lease.map_err(doing("comparing a lease's term"))?;
        Ok(lease.is_some_and(|lease| lease.term == signed(fence.term)))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }

    /// The database's own time.
    pub async fn now_ms(&self) -> Result<u64, StoreError> {
        const DOING: &str = "asking the database for the time";
        let asked = self.statement(format!("SELECT {}", self.now_sql()), []);
        let row = self.reader.query_one_raw(asked).await.map_err(doing(DOING))?;
        let now: i64 = row.ok_or(StoreError::Closed { doing: DOING })?.try_get_by_index(0).map_err(doing(DOING))?;
        Ok(unsigned(now))
    }

    pub(crate) fn now_sql(&self) -> &'static str {
        match self.writer.get_database_backend() {
            DbBackend::Sqlite => NOW_SQLITE,
            _ => NOW_POSTGRES,
        }
    }

    /// A statement in the words of this database; `$1` works on both.
    pub(crate) fn statement(&self, sql: String, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
        Statement::from_sql_and_values(self.writer.get_database_backend(), sql, values)
    }
}
