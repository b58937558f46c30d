//! Counting readings: what is new in them becomes records, and how far each sandbox was counted is kept, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{NodeId, SandboxId, SessionId};
use madang_model::{Limits, Meter, Owner, Reading, ReadingFault, Tariff};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
    sea_query::{Expr, OnConflict, Query},
};

use crate::{
    Store, StoreError, UsageRecord,
    error::{corrupt, doing, signed, unsigned},
    usage,
};

const DOING: &str = "counting what was used";
/// Two processes may hear the same readings while one takes over from the other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// What is known of the session that a reading is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSource {
    pub owner: Owner,
    pub image: String,
    pub language: Option<String>,
    pub limits: Limits,
    /// Nothing was used before.
    pub created_ms: u64,
}

/// What became of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    New(Box<UsageRecord>),
    /// It, or a newer one, had counted before.
    Before,
    /// It cannot be true.
    Refused(ReadingFault),
    /// The sandbox was read by another node before.
    Elsewhere,
}

impl Counted {
    pub fn name(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Before => "before",
            Self::Refused(_) => "refused",
            Self::Elsewhere => "elsewhere",
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    session: SessionId,
    node: NodeId,
    at_ms: u64,
    last: bool,
    meter: Meter,
    cost_nano: u64,
}

impl Store {
    /// Counts readings of a node that came at `now_ms`, each once however often it comes; answers in their order.
    pub async fn usage_count(
        &self,
        node: NodeId,
        readings: &[(Reading, UsageSource)],
        tariff: &Tariff,
        now_ms: u64,
    ) -> Result<Vec<Counted>, StoreError> {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(immediate).await.map_err(doing(DOING))?;
        lock(&transaction, node).await.map_err(doing(DOING))?;
        let mut rows = read(&transaction, readings).await?;
        let counted: Vec<Counted> = readings
            .iter()
            .map(|(reading, source)| count(&mut rows, (node, now_ms), (reading, source), tariff))
            .collect();
        let new = |counted: &Counted| match counted {
            Counted::New(record) => Some(UsageRecord::clone(record)),
            _ => None,
        };
        let records: Vec<UsageRecord> = counted.iter().filter_map(new).collect();
        usage::keep(&transaction, &records).await.map_err(doing(DOING))?;
        let changed: BTreeSet<&str> = records.iter().map(|record| record.subject.as_str()).collect();
        rows.retain(|sandbox, _| changed.contains(sandbox.to_string().as_str()));
        write(&transaction, &rows).await?;
        transaction.commit().await.map_err(doing(DOING))?;
        Ok(counted)
    }
}

fn count(
    rows: &mut BTreeMap<SandboxId, Row>,
    (node, now_ms): (NodeId, u64),
    (reading, source): (&Reading, &UsageSource),
    tariff: &Tariff,
) -> Counted {
    let first = Row { session: reading.session, node, at_ms: 0, last: false, meter: Meter::default(), cost_nano: 0 };
    let row = rows.entry(reading.sandbox).or_insert(first);
    if row.node != node {
        return Counted::Elsewhere;
    }
    let life_ms = now_ms.saturating_sub(source.created_ms);
    let new = match row.meter.count(reading, &source.limits, life_ms) {
        Ok(Some(new)) => new,
        Ok(None) => return Counted::Before,
        Err(fault) => return Counted::Refused(fault),
    };
    // A node's clock may be wrong; nothing is used before its session was made, or later than now.
    let at_ms = reading.at_ms.clamp(source.created_ms.min(now_ms), now_ms);
    let cost_nano = tariff.cost_nano(&new, at_ms);
    row.at_ms = row.at_ms.max(at_ms);
    row.last |= reading.last;
    row.cost_nano = row.cost_nano.saturating_add(cost_nano);
    Counted::New(Box::new(UsageRecord {
        subject: reading.sandbox.to_string(),
        sequence: reading.sequence,
        at_ms,
        owner: source.owner,
        session: Some(reading.session),
        image: source.image.clone(),
        language: source.language.clone(),
        node: Some(node),
        usage: new,
        cost_nano,
    }))
}

async fn lock(transaction: &DatabaseTransaction, node: NodeId) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let name = format!("madang usage {node}");
        transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, LOCK, [name.into()])).await?;
    }
    Ok(())
}

async fn read(
    transaction: &DatabaseTransaction,
    readings: &[(Reading, UsageSource)],
) -> Result<BTreeMap<SandboxId, Row>, StoreError> {
    // Not for the whole file: it has a `min` and a `max` for numbers too.
    use sea_orm::ExprTrait as _;
    let sandboxes = readings.iter().map(|(reading, _)| reading.sandbox.to_string());
    let known = Query::select()
        .columns(COLUMNS)
        .from("usage_meter")
        .and_where(Expr::col("sandbox").is_in(sandboxes))
        .to_owned();
    let mut rows = BTreeMap::new();
    for row in transaction.query_all(&known).await.map_err(doing(DOING))? {
        let text = |column: &str| row.try_get::<String>("", column).map_err(doing(DOING));
        let number = |column: &str| row.try_get::<i64>("", column).map(unsigned).map_err(doing(DOING));
        let usage = serde_json::from_str(&text("usage")?).map_err(corrupt(DOING))?;
        let known = Row {
            session: text("session")?.parse().map_err(corrupt(DOING))?,
            node: text("node")?.parse().map_err(corrupt(DOING))?,
            at_ms: number("at_ms")?,
            last: row.try_get("", "last").map_err(doing(DOING))?,
            meter: Meter { sequence: number("sequence")?, usage },
            cost_nano: number("cost_nano")?,
        };
        rows.insert(text("sandbox")?.parse().map_err(corrupt(DOING))?, known);
    }
    Ok(rows)
}

const COLUMNS: [&str; 8] = ["sandbox", "session", "node", "sequence", "at_ms", "last", "usage", "cost_nano"];

async fn write(transaction: &DatabaseTransaction, rows: &BTreeMap<SandboxId, Row>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let replace = OnConflict::column("sandbox").update_columns(COLUMNS[3..].iter().copied()).to_owned();
    let mut insert = Query::insert().into_table("usage_meter").columns(COLUMNS).on_conflict(replace).to_owned();
    for (sandbox, row) in rows {
        insert.values_panic([
            sandbox.to_string().into(),
            row.session.to_string().into(),
            row.node.to_string().into(),
            signed(row.meter.sequence).into(),
            signed(row.at_ms).into(),
            row.last.into(),
            serde_json::to_string(&row.meter.usage).map_err(corrupt(DOING))?.into(),
            signed(row.cost_nano).into(),
        ]);
    }
    transaction.execute(&insert).await.map_err(doing(DOING))?;
    Ok(())
}
