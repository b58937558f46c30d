//! What was used: records that only ever come to be, and their sums by day.
//!
//! Of a sandbox of a session every reading that counted is a record; a one-shot run is one ([`run_writer`](crate::run_writer)). A record and what it
//! adds to its day are one transaction, and a record that is there already adds nothing: whatever is said twice counts once.

use std::{collections::BTreeMap, sync::LazyLock};

use madang_ids::{NodeId, SessionId};
use madang_model::{Owner, Usage};
use sea_orm::{
    ConnectionTrait, DbErr, ExprTrait as _, Statement, Value,
    sea_query::{Expr, Query},
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

/// Keeps records, and adds those that are new to their days. Part of a transaction of whoever calls. It is in the path of every one-shot
/// run: its statements are put together by hand, and one record asks for nothing back.
pub(crate) async fn keep(connection: &impl ConnectionTrait, records: &[UsageRecord]) -> Result<(), DbErr> {
    const KNOWN: &str = "ON CONFLICT (subject, sequence) DO NOTHING";
    let backend = connection.get_database_backend();
    let insert = |tail: &str| {
        let sql = insert_sql("usage_record", &RECORD, records.len(), tail);
        Statement::from_sql_and_values(backend, sql, records.iter().flat_map(values))
    };
    if let [record] = records {
        return match connection.execute_raw(insert(KNOWN)).await?.rows_affected() {
            0 => Ok(()),
            _ => add_to_days(connection, std::iter::once(record)).await,
        };
    }
    if records.is_empty() {
        return Ok(());
    }
    let mut new = Vec::with_capacity(records.len());
    for row in connection.query_all_raw(insert(&format!("{KNOWN} RETURNING subject, sequence"))).await? {
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

/// `INSERT INTO table (…) VALUES ($1, …), (…) tail`.
fn insert_sql(table: &str, columns: &[&str], rows: usize, tail: &str) -> String {
    let row = |row: usize| {
        let marks: Vec<_> = (1..=columns.len()).map(|column| format!("${}", row * columns.len() + column)).collect();
        format!("({})", marks.join(","))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!("INSERT INTO {table} ({}) VALUES {} {tail}", columns.join(","), rows.join(","))
}

/// Counters add up, peaks take the higher.
static ADD: LazyLock<String> = LazyLock::new(|| {
    let sum = |column: &&str| match *column {
        "memory_peak_bytes" => format!(
            "{column} = CASE WHEN usage_day.{column} > excluded.{column} THEN usage_day.{column} ELSE excluded.{column} END"
        ),
        _ => format!("{column} = usage_day.{column} + excluded.{column}"),
    };
    let sums: Vec<_> = DAY[DAY_KEYS..].iter().map(sum).collect();
    format!("ON CONFLICT ({}) DO UPDATE SET {}", DAY[..DAY_KEYS].join(","), sums.join(","))
});

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
    let sql = insert_sql("usage_day", &DAY, sums.len(), &ADD);
    let values = sums.into_iter().flat_map(|(key, sum)| day_values(key, &sum));
    connection.execute_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values)).await?;
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

fn values(record: &UsageRecord) -> Vec<Value> {
    let mut values: Vec<Value> = vec![
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

fn day_values(key: DayKey, sum: &Sum) -> Vec<Value> {
    let mut values: Vec<Value> = vec![signed(key.day).into()];
    let texts = [key.organization, key.project, key.owner, key.image, key.language, key.node];
    values.extend(texts.into_iter().map(Value::from));
    values.push(signed(sum.records).into());
    values.extend(counters(&sum.usage, sum.cost_nano));
    values
}

/// In the order of both lists of columns.
fn counters(usage: &Usage, cost_nano: u64) -> [Value; 11] {
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
