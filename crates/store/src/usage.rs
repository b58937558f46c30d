//! What was used: records that only ever come to be, and their sums by day.
//!
//! Of a sandbox of a session every reading that counted is a record; a one-shot run is one ([`run_writer`](crate::run_writer)). A record and what it
//! adds to its day are one transaction, and a record that is there already adds nothing: whatever is said twice counts once.

use std::collections::BTreeMap;

use madang_ids::{NodeId, SessionId};
use madang_model::{Owner, Usage};
use sea_orm::{
    ConnectionTrait, DbErr, ExprTrait as _,
    sea_query::{Expr, OnConflict, Query},
};

use crate::{
    Store, StoreError,
    error::{doing, signed},
};

const DAY_MS: u64 = 86_400_000;

/// What was used between two looks at a sandbox, or by a whole one-shot run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The sandbox of a session, or a one-shot run.
    pub subject: String,
    /// Within the subject.
    pub sequence: u64,
    /// When, Unix time, milliseconds.
    pub at_ms: u64,
    pub owner: Owner,
    /// None for a one-shot run.
    pub session: Option<SessionId>,
    pub image: String,
    pub language: Option<String>,
    /// None where nobody knows any more.
    pub node: Option<NodeId>,
    /// What was new; its peak is the highest so far.
    pub usage: Usage,
    /// By the prices of its time, in thousandths of a millionth.
    pub cost_nano: u64,
}

/// The sums of what share these are one row.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DayKey {
    day: u64,
    organization: String,
    project: String,
    owner: String,
    image: String,
    language: String,
    node: String,
}

#[derive(Debug, Default)]
struct Sum {
    records: u64,
    usage: Usage,
    cost_nano: u64,
}

pub(crate) const RECORD: [&str; 21] = [
    "subject",
    "sequence",
    "at_ms",
    "owner",
    "project",
    "organization",
    "session",
    "image",
    "language",
    "node",
    "memory_peak_bytes",
    "wall_us",
    "cpu_user_us",
    "cpu_system_us",
    "memory_kib_ms",
    "read_bytes",
    "written_bytes",
    "received_bytes",
    "sent_bytes",
    "accelerator_us",
    "cost_nano",
];
const DAY: [&str; 19] = [
    "day",
    "organization",
    "project",
    "owner",
    "image",
    "language",
    "node",
    "records",
    "memory_peak_bytes",
    "wall_us",
    "cpu_user_us",
    "cpu_system_us",
    "memory_kib_ms",
    "read_bytes",
    "written_bytes",
    "received_bytes",
    "sent_bytes",
    "accelerator_us",
    "cost_nano",
];
/// Of [`DAY`], what names a row.
const DAY_KEYS: usize = 7;

impl Store {
    /// Forgets records from before a time; the sums of days stay. How far a sandbox was counted is forgotten some time after its last reading,
    /// else as long after as records are. Returns how many records.
    pub async fn usage_prune(&self, records_before_ms: u64, ended_before_ms: u64) -> Result<u64, StoreError> {
        const DOING: &str = "forgetting old records of use";
        let before = |before_ms| Expr::col("at_ms").lt(signed(before_ms));
        let ended = before(ended_before_ms).and(Expr::col("last").eq(true));
        let rows = [
            ("usage_meter", ended),
            ("usage_meter", before(records_before_ms)),
            ("usage_record", before(records_before_ms)),
        ];
        let mut forgotten = 0;
        for (table, old) in rows {
            let delete = Query::delete().from_table(table).and_where(old).to_owned();
            forgotten = self.writer.execute(&delete).await.map_err(doing(DOING))?.rows_affected();
        }
        Ok(forgotten)
    }
}

/// Keeps records, and adds those that are new to their days. Part of a transaction of whoever calls.
pub(crate) async fn keep(connection: &impl ConnectionTrait, records: &[UsageRecord]) -> Result<(), DbErr> {
    if records.is_empty() {
        return Ok(());
    }
    let known = OnConflict::columns(["subject", "sequence"]).do_nothing().to_owned();
    let mut insert = Query::insert().into_table("usage_record").columns(RECORD).on_conflict(known).to_owned();
    for record in records {
        insert.values_panic(values(record));
    }
    insert.returning(Query::returning().columns(["subject", "sequence"]));
    let mut new = Vec::with_capacity(records.len());
    for row in connection.query_all(&insert).await? {
        new.push((row.try_get::<String>("", "subject")?, row.try_get::<i64>("", "sequence")?));
    }
    new.sort_unstable();
    let is_new = |record: &&UsageRecord| {
        new.binary_search_by(|(subject, sequence)| {
            (subject.as_str(), *sequence).cmp(&(record.subject.as_str(), signed(record.sequence)))
        })
        .is_ok()
    };
    add_to_days(connection, records.iter().filter(is_new)).await
}

/// In one order, so that two who do so never wait for each other.
async fn add_to_days<'a>(
    connection: &impl ConnectionTrait,
    records: impl Iterator<Item = &'a UsageRecord>,
) -> Result<(), DbErr> {
    let mut sums: BTreeMap<DayKey, Sum> = BTreeMap::new();
    for record in records {
        let sum = sums.entry(day_key(record)).or_default();
        sum.records += 1;
        sum.usage = sum.usage.then(&record.usage);
        sum.cost_nano = sum.cost_nano.saturating_add(record.cost_nano);
    }
    if sums.is_empty() {
        return Ok(());
    }
    let mut add = OnConflict::columns(DAY[..DAY_KEYS].iter().copied());
    for column in &DAY[DAY_KEYS..] {
        let (here, new) = (Expr::col(("usage_day", *column)), Expr::col(("excluded", *column)));
        let sum: Expr = if *column == "memory_peak_bytes" {
            Expr::case(here.clone().gt(new.clone()), here).finally(new).into()
        } else {
            here.add(new)
        };
        add.value(*column, sum);
    }
    let mut insert = Query::insert().into_table("usage_day").columns(DAY).on_conflict(add).to_owned();
    for (key, sum) in sums {
        insert.values_panic(day_values(key, &sum));
    }
    connection.execute(&insert).await?;
    Ok(())
}

fn day_key(record: &UsageRecord) -> DayKey {
    DayKey {
        day: record.at_ms / DAY_MS,
        organization: record.owner.organization.to_string(),
        project: record.owner.project.to_string(),
        owner: record.owner.user.to_string(),
        image: record.image.clone(),
        language: record.language.clone().unwrap_or_default(),
        node: node(record),
    }
}

fn node(record: &UsageRecord) -> String {
    record.node.map(|node| node.to_string()).unwrap_or_default()
}

fn values(record: &UsageRecord) -> Vec<Expr> {
    let mut values: Vec<Expr> = vec![
        record.subject.clone().into(),
        signed(record.sequence).into(),
        signed(record.at_ms).into(),
        record.owner.user.to_string().into(),
        record.owner.project.to_string().into(),
        record.owner.organization.to_string().into(),
        record.session.map(|session| session.to_string()).into(),
        record.image.clone().into(),
        record.language.clone().unwrap_or_default().into(),
        node(record).into(),
    ];
    values.extend(counters(&record.usage, record.cost_nano));
    values
}

fn day_values(key: DayKey, sum: &Sum) -> Vec<Expr> {
    let mut values: Vec<Expr> = vec![signed(key.day).into()];
    let texts = [key.organization, key.project, key.owner, key.image, key.language, key.node];
    values.extend(texts.into_iter().map(Expr::from));
    values.push(signed(sum.records).into());
    values.extend(counters(&sum.usage, sum.cost_nano));
    values
}

/// In the order of both lists of columns.
fn counters(usage: &Usage, cost_nano: u64) -> [Expr; 11] {
    [
        usage.memory_peak_bytes,
        usage.wall_us,
        usage.cpu_user_us,
        usage.cpu_system_us,
        usage.memory_kib_ms,
        usage.read_bytes,
        usage.written_bytes,
        usage.received_bytes,
        usage.sent_bytes,
        usage.accelerator_us,
        cost_nano,
    ]
    .map(|count| signed(count).into())
}
