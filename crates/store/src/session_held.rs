//! What sessions that have ended held of a resource group, by their owners: the history that fair share is weighed by.

use madang_ids::UserId;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

const DOING: &str = "summing up what sessions held";
const HOUR_MS: u64 = 3_600_000;
/// What is older than so many half-lives counts less than a hundredth.
const HALF_LIVES_MAX: u64 = 7;
/// The newest so many sessions are summed up.
const SESSIONS_MAX: u64 = 200_000;
/// The most sums: an owner has one for each size of sessions.
const SUMS_MAX: u64 = 100_000;

/// Whose sessions, weighed how.
#[derive(Debug, Clone, Copy)]
pub struct HeldQuery<'a> {
    pub resource_group: &'a str,
    pub now_ms: u64,
    /// What ended so long ago counts half. Hours, in effect.
    pub half_life_ms: u64,
}

/// What an owner's sessions of one size held.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionsHeld {
    pub owner: UserId,
    /// Of one session, with all its sandboxes.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub accelerator_millis: u64,
    /// All of them together, from their start to their end, each weighed by how long ago that was.
    pub held_ms: f64,
}

impl Store {
    /// Of sessions that have ended, the largest sums first.
    pub async fn sessions_held(&self, query: HeldQuery<'_>) -> Result<Vec<SessionsHeld>, StoreError> {
        let values = [
            query.resource_group.into(),
            signed(query.now_ms.saturating_sub(query.half_life_ms.saturating_mul(HALF_LIVES_MAX))).into(),
            signed(query.now_ms).into(),
        ];
        let sql = held_sql(query.half_life_ms);
        let statement = Statement::from_sql_and_values(self.reader.get_database_backend(), sql, values);
        let rows = self.reader.query_all_raw(statement).await.map_err(doing(DOING))?;
        rows.iter().map(read).collect()
    }
}

/// Neither database can be relied on for powers: the weights of hours are a table of its own.
fn held_sql(half_life_ms: u64) -> String {
    let hours = 0..=half_life_ms.saturating_mul(HALF_LIVES_MAX) / HOUR_MS;
    // As of the middle of each hour.
    let age = |hour: u64| (hour * HOUR_MS + HOUR_MS / 2) as f64 / half_life_ms.max(1) as f64;
    let weights: Vec<_> = hours.map(|hour| format!("({hour},{:.9})", (-age(hour)).exp2())).collect();
    format!(
        "WITH weight AS (SELECT column1 AS hour, CAST(column2 AS DOUBLE PRECISION) AS weight FROM (VALUES {}) AS hours), \
        ended AS (SELECT owner, cpu_millis, memory_bytes, disk_bytes, accelerator_millis, ended_ms, started_ms \
        FROM session WHERE resource_group = $1 AND ended_ms >= $2 ORDER BY ended_ms DESC LIMIT {SESSIONS_MAX}) \
        SELECT owner, cpu_millis, memory_bytes, disk_bytes, accelerator_millis, \
        SUM((ended_ms - started_ms) * weight) AS held_ms \
        FROM ended JOIN weight ON hour = ($3 - ended_ms) / {HOUR_MS} \
        WHERE started_ms < ended_ms GROUP BY owner, cpu_millis, memory_bytes, disk_bytes, accelerator_millis \
        ORDER BY held_ms DESC LIMIT {SUMS_MAX}",
        weights.join(",")
    )
}

fn read(row: &QueryResult) -> Result<SessionsHeld, StoreError> {
    let owner: String = row.try_get("", "owner").map_err(doing(DOING))?;
    let count = |column: &str| -> Result<u64, DbErr> { Ok(unsigned(row.try_get::<i64>("", column)?)) };
    let sizes = || -> Result<_, DbErr> {
        Ok([count("cpu_millis")?, count("memory_bytes")?, count("disk_bytes")?, count("accelerator_millis")?])
    };
    let [cpu_millis, memory_bytes, disk_bytes, accelerator_millis] = sizes().map_err(doing(DOING))?;
    Ok(SessionsHeld {
        owner: owner.parse().map_err(corrupt("reading whose sessions held something"))?,
        cpu_millis,
        memory_bytes,
        disk_bytes,
        accelerator_millis,
        held_ms: row.try_get("", "held_ms").map_err(doing(DOING))?,
    })
}
