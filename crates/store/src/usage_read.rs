//! Reading what was used: sums by day, and the records one page after another.

use madang_ids::SessionId;
use madang_model::{Owner, Sight, Usage};
use sea_orm::{
    ConnectionTrait, DbErr, ExprTrait, QueryResult,
    sea_query::{Condition, Expr, Order, Query, SelectStatement},
};

use crate::{
    Store, StoreError, UsageRecord,
    error::{corrupt, doing, signed, unsigned},
    owner::owner_read,
    usage::RECORD,
};

const DOING: &str = "summing up what was used";
const LISTING: &str = "reading records of use";
/// Sums of these are taken in two parts, which 64 bits hold however large an installation is.
const PART: u64 = 1_000_000;

/// What sums are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    User,
    Project,
    Organization,
    Day,
    Image,
    Language,
    Node,
}

impl UsageBy {
    fn column(self) -> &'static str {
        match self {
            Self::User => "owner",
            Self::Project => "project",
            Self::Organization => "organization",
            Self::Day => "day",
            Self::Image => "image",
            Self::Language => "language",
            Self::Node => "node",
        }
    }
}

/// Which sums.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    pub by: UsageBy,
    /// Only what the asker may know of.
    pub sight: Sight,
    /// Only these; ids.
    pub user: Option<String>,
    pub project: Option<String>,
    /// Days since 1970, UTC.
    pub from_day: u64,
    /// The first that is not among them.
    pub until_day: u64,
    pub limit: u64,
}

/// The sums of one user, project, day and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageTotal {
    /// An id, a name, or a day since 1970; empty where a record had none.
    pub key: String,
    pub records: u64,
    /// Its memory over time is right as long as 64 bits hold it.
    pub usage: Usage,
    pub memory_kib_ms: u128,
    pub cost_nano: u128,
}

/// Where a page of records begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageAfter {
    pub at_ms: u64,
    pub subject: String,
    pub sequence: u64,
}

/// A page of records, the oldest first.
#[derive(Debug, Clone)]
pub struct UsagePage {
    pub sight: Sight,
    pub from_ms: u64,
    pub until_ms: u64,
    pub after: Option<UsageAfter>,
    pub limit: u64,
}

impl Store {
    /// Sums, days in order, others the dearest first.
    pub async fn usage_totals(&self, query: &UsageQuery) -> Result<Vec<UsageTotal>, StoreError> {
        let column = query.by.column();
        let mut select = Query::select().from("usage_day").to_owned();
        let key = match query.by {
            UsageBy::Day => Expr::cust("CAST(day AS TEXT)"),
            _ => Expr::col(column),
        };
        select.expr_as(key, "name").expr_as(Expr::cust("CAST(SUM(records) AS BIGINT)"), "records");
        select.expr_as(Expr::cust("MAX(memory_peak_bytes)"), "memory_peak_bytes");
        for counter in SUMMED {
            select.expr_as(Expr::cust(format!("CAST(SUM({counter}) AS BIGINT)")), counter);
        }
        for (name, whole, rest) in PARTED {
            parts_of(&mut select, name, (whole, rest));
        }
        select.cond_where(seen(&query.sight));
        select.and_where(Expr::col("day").gte(signed(query.from_day)));
        select.and_where(Expr::col("day").lt(signed(query.until_day)));
        for (column, id) in [("owner", &query.user), ("project", &query.project)] {
            select.and_where_option(id.as_ref().map(|id| Expr::col(column).eq(id.as_str())));
        }
        select.group_by_col(column).limit(query.limit);
        match query.by {
            UsageBy::Day => select.order_by("day", Order::Asc),
            _ => select
                .order_by("cost_whole", Order::Desc)
                .order_by("cpu_user_us", Order::Desc)
                .order_by(column, Order::Asc),
        };
        let rows = self.reader.query_all(&select).await.map_err(doing(DOING))?;
        rows.iter().map(total).collect::<Result<_, _>>().map_err(doing(DOING))
    }

    pub async fn usage_records(&self, page: &UsagePage) -> Result<Vec<UsageRecord>, StoreError> {
        let order = ["at_ms", "subject", "sequence"];
        let mut select = Query::select().columns(RECORD).from("usage_record").to_owned();
        select.cond_where(seen(&page.sight));
        select.and_where(Expr::col("at_ms").gte(signed(page.from_ms)));
        select.and_where(Expr::col("at_ms").lt(signed(page.until_ms)));
        if let Some(after) = &page.after {
            select.and_where(Expr::tuple(order.map(Expr::col)).gt(Expr::tuple([
                Expr::val(signed(after.at_ms)),
                Expr::val(after.subject.clone()),
                Expr::val(signed(after.sequence)),
            ])));
        }
        for column in order {
            select.order_by(column, Order::Asc);
        }
        let rows = self.reader.query_all(select.limit(page.limit)).await.map_err(doing(LISTING))?;
        rows.iter().map(record).collect()
    }

    /// What all sandboxes of a session have used so far, as it was counted, and what that cost; none before the first reading.
    pub async fn usage_of_session(&self, session: SessionId) -> Result<Option<(Usage, u64)>, StoreError> {
        let meters = of_session(session);
        let mut sum = None;
        for row in self.reader.query_all(&meters).await.map_err(doing(DOING))? {
            let text: String = row.try_get("", "usage").map_err(doing(DOING))?;
            let usage: Usage = serde_json::from_str(&text).map_err(corrupt(DOING))?;
            let cost = unsigned(row.try_get("", "cost_nano").map_err(doing(DOING))?);
            let (before, spent): (Usage, u64) = sum.unwrap_or_default();
            sum = Some((before.then(&usage), spent.saturating_add(cost)));
        }
        Ok(sum)
    }
}

/// Counters whose sums fit.
const SUMMED: [&str; 8] = [
    "wall_us",
    "cpu_user_us",
    "cpu_system_us",
    "read_bytes",
    "written_bytes",
    "received_bytes",
    "sent_bytes",
    "accelerator_us",
];
/// Those whose sums might not, and their parts.
const PARTED: [(&str, &str, &str); 2] =
    [("memory_kib_ms", "memory_whole", "memory_rest"), ("cost_nano", "cost_whole", "cost_rest")];

fn of_session(session: SessionId) -> SelectStatement {
    Query::select()
        .columns(["usage", "cost_nano"])
        .from("usage_meter")
        .and_where(Expr::col("session").eq(session.to_string()))
        .to_owned()
}

fn seen(sight: &Sight) -> Condition {
    match sight {
        Sight::All => Condition::all(),
        Sight::Organization(id) => Condition::all().add(Expr::col("organization").eq(id.to_string())),
        Sight::Own { user, managed } => {
            let managed = managed.iter().map(ToString::to_string);
            Condition::any().add(Expr::col("owner").eq(user.to_string())).add(Expr::col("project").is_in(managed))
        }
    }
}

/// Asks for a sum in two parts.
pub(crate) fn parts_of(select: &mut SelectStatement, counter: &str, (whole, rest): (&'static str, &'static str)) {
    select.expr_as(Expr::cust(format!("CAST(SUM({counter} / {PART}) AS BIGINT)")), whole);
    select.expr_as(Expr::cust(format!("CAST(SUM({counter} % {PART}) AS BIGINT)")), rest);
}

/// Such a sum.
pub(crate) fn parted(row: &QueryResult, whole: &str, rest: &str) -> Result<u128, DbErr> {
    Ok(u128::from(number(row, whole)?) * u128::from(PART) + u128::from(number(row, rest)?))
}

fn number(row: &QueryResult, column: &str) -> Result<u64, DbErr> {
    row.try_get::<i64>("", column).map(unsigned)
}

fn total(row: &QueryResult) -> Result<UsageTotal, DbErr> {
    let [memory_kib_ms, cost_nano] = PARTED.map(|(_, whole, rest)| parted(row, whole, rest));
    let (memory_kib_ms, cost_nano) = (memory_kib_ms?, cost_nano?);
    Ok(UsageTotal {
        key: row.try_get("", "name")?,
        records: number(row, "records")?,
        usage: usage(row, u64::try_from(memory_kib_ms).unwrap_or(u64::MAX))?,
        memory_kib_ms,
        cost_nano,
    })
}

fn usage(row: &QueryResult, memory_kib_ms: u64) -> Result<Usage, DbErr> {
    Ok(Usage {
        wall_us: number(row, "wall_us")?,
        cpu_user_us: number(row, "cpu_user_us")?,
        cpu_system_us: number(row, "cpu_system_us")?,
        memory_peak_bytes: number(row, "memory_peak_bytes")?,
        memory_kib_ms,
        read_bytes: number(row, "read_bytes")?,
        written_bytes: number(row, "written_bytes")?,
        received_bytes: number(row, "received_bytes")?,
        sent_bytes: number(row, "sent_bytes")?,
        accelerator_us: number(row, "accelerator_us")?,
    })
}

fn record(row: &QueryResult) -> Result<UsageRecord, StoreError> {
    let text = |column: &str| row.try_get::<String>("", column).map_err(doing(LISTING));
    let owner: Owner = owner_read(&text("owner")?, &text("project")?, &text("organization")?)?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let session: Option<String> = row.try_get("", "session").map_err(doing(LISTING))?;
    let numbers = |column: &str| number(row, column).map_err(doing(LISTING));
    Ok(UsageRecord {
        subject: text("subject")?,
        sequence: numbers("sequence")?,
        at_ms: numbers("at_ms")?,
        owner,
        session: session.map(|id| id.parse()).transpose().map_err(corrupt(LISTING))?,
        image: text("image")?,
        language: some(text("language")?),
        node: some(text("node")?).map(|id| id.parse()).transpose().map_err(corrupt(LISTING))?,
        usage: usage(row, numbers("memory_kib_ms")?).map_err(doing(LISTING))?,
        cost_nano: numbers("cost_nano")?,
    })
}
