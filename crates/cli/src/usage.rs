//! `madang usage` and `madang admin usage`.

use clap::{Args, ValueEnum};
use madang_client::{Client, path_encoded};
use madang_public_api::{BASE_PATH, Day, MeView, UsageSum, UsageSums};
use tokio::io::AsyncWriteExt;

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const HOUR_US: u64 = 3_600_000_000;

#[derive(Debug, Args)]
pub struct UsageArgs {
    #[command(flatten)]
    days: DayArgs,
    /// What to sum up for
    #[arg(long, value_enum, default_value = "day")]
    by: By,
    /// Only of this project
    #[arg(long)]
    project: Option<String>,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
pub struct AdminUsageArgs {
    #[command(flatten)]
    days: DayArgs,
    /// What to sum up for
    #[arg(long, value_enum, default_value = "user")]
    by: By,
    /// Only of this user
    #[arg(long)]
    user: Option<String>,
    /// Only of this project
    #[arg(long)]
    project: Option<String>,
    /// Write every record instead, to standard output
    #[arg(long, value_enum, conflicts_with_all = ["by", "user", "project", "json"])]
    export: Option<Export>,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
struct DayArgs {
    /// The first day, as in 2026-01-31; 30 days before the last where left out
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// The last day; today where left out
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    User,
    Project,
    Organization,
    Day,
    Image,
    Language,
    Node,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Export {
    Csv,
    Ndjson,
}

impl DayArgs {
    fn query(&self) -> String {
        let pair = |name: &str, day: Option<Day>| day.map(|day| format!("&{name}={day}")).unwrap_or_default();
        format!("{}{}", pair("from", self.from), pair("to", self.to))
    }
}

/// One's own, whatever else one may see.
pub async fn run(args: UsageArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let me: MeView = client.get(&format!("{BASE_PATH}/me")).await?;
    let query = format!("{}{}", args.days.query(), only("user", Some(&me.user.id.to_string())));
    let query = format!("{query}{}", only("project", args.project.as_deref()));
    sums(&client, args.by, &query, &args.json).await
}

pub async fn run_admin(args: AdminUsageArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    if let Some(export) = args.export {
        return copy(&client, &format!("format={}{}", named(export), args.days.query())).await;
    }
    let user = only("user", args.user.as_deref());
    let query = format!("{}{user}{}", args.days.query(), only("project", args.project.as_deref()));
    sums(&client, args.by, &query, &args.json).await
}

fn named(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn only(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!("&{name}={}", path_encoded(value).replace('/', "%2F"))).unwrap_or_default()
}

async fn copy(client: &Client, query: &str) -> Result<u8, Failure> {
    let mut records = client.usage_records(query).await?;
    let mut stdout = tokio::io::stdout();
    while let Some(bytes) = records.next().await? {
        let written = stdout.write_all(&bytes).await;
        written.map_err(|error| Failure::internal(format!("writing to standard output: {error}")))?;
    }
    let flushed = stdout.flush().await;
    flushed.map_err(|error| Failure::internal(format!("writing to standard output: {error}")))?;
    Ok(0)
}

async fn sums(client: &Client, by: By, query: &str, json: &JsonArgs) -> Result<u8, Failure> {
    let sums: UsageSums = client.get(&format!("{BASE_PATH}/usage?by={}{query}", named(by))).await?;
    if json.json {
        print::json(&sums)?;
        return Ok(0);
    }
    let heading = named(by).to_uppercase();
    let cost = sums.currency.clone().unwrap_or_else(|| "COST".to_owned());
    let rows: Vec<_> = sums.items.iter().map(row).collect();
    let headings =
        [&heading, "RECORDS", "TIME", "CPU", "MEMORY", "READ", "WRITTEN", "IN", "OUT", "ACCELERATORS", &cost];
    print::table(&headings, &rows)?;
    if sums.truncated {
        print::complain("there is more; ask for fewer days");
    }
    Ok(0)
}

fn row(sum: &UsageSum) -> Vec<Cell> {
    let name = sum.name.clone().unwrap_or_else(|| sum.key.clone());
    let size = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    vec![
        name.into(),
        sum.records.to_string().into(),
        time(sum.wall_us).into(),
        time(sum.cpu_user_us.saturating_add(sum.cpu_system_us)).into(),
        format!("{:.4} GiB h", sum.memory_mib_s as f64 / 1_024.0 / 3_600.0).into(),
        size(sum.read_bytes).into(),
        size(sum.written_bytes).into(),
        size(sum.received_bytes).into(),
        size(sum.sent_bytes).into(),
        time(sum.accelerator_us).into(),
        money(sum.cost_micro).into(),
    ]
}

/// Seconds while they are few, hours later.
fn time(us: u64) -> String {
    if us < HOUR_US { format!("{:.3} s", us as f64 / 1e6) } else { format!("{:.2} h", us as f64 / HOUR_US as f64) }
}

/// Millionths as people write money.
pub fn money(micro: u64) -> String {
    format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}
