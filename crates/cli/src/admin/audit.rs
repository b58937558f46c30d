//! `madang admin audit`.

use clap::{Args, ValueEnum};
use madang_client::{Client, path_encoded};
use madang_public_api::{AuditEntry, BASE_PATH, Page};

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Id of the user who did it
    #[arg(long)]
    actor: Option<String>,
    /// Id of the operation, as in the API's document
    #[arg(long)]
    operation: Option<String>,
    /// What was changed or made
    #[arg(long)]
    subject: Option<String>,
    /// Where it came from
    #[arg(long)]
    address: Option<String>,
    /// Id of the request
    #[arg(long)]
    request: Option<String>,
    /// Not before this time, as in 2026-01-02T03:04:05Z
    #[arg(long)]
    since: Option<String>,
    /// Before this time
    #[arg(long)]
    until: Option<String>,
    #[arg(long)]
    outcome: Option<Outcome>,
    /// Entries at most
    #[arg(long, default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Outcome {
    Done,
    Refused,
    Failed,
}

pub async fn run(args: AuditArgs) -> Result<u8, Failure> {
    let page: Page<AuditEntry> = Client::discover()?.get(&path(&args)).await?;
    if args.json.json {
        print::json(&page.items)?;
        return Ok(0);
    }
    let row = |entry: &AuditEntry| -> Vec<Cell> {
        let status = print::judged(entry.status.to_string(), entry.status < 400);
        let about = entry.subject.clone().unwrap_or_else(|| entry.path.clone());
        let who = if entry.name.is_empty() { entry.via.clone() } else { entry.name.clone() };
        vec![
            entry.at.to_string().into(),
            who.into(),
            entry.address.clone().into(),
            entry.operation.clone().into(),
            status,
            about.into(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["AT", "WHO", "FROM", "OPERATION", "STATUS", "ABOUT"], &rows)?;
    Ok(0)
}

fn path(args: &AuditArgs) -> String {
    let outcome = args.outcome.map(|outcome| match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused => "refused".to_owned(),
        Outcome::Failed => "failed".to_owned(),
    });
    let pairs = [
        ("actor", &args.actor),
        ("operation", &args.operation),
        ("subject", &args.subject),
        ("address", &args.address),
        ("request_id", &args.request),
        ("since", &args.since),
        ("until", &args.until),
        ("outcome", &outcome),
    ];
    let given = pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let query: String =
        given.map(|(name, value)| format!("&{name}={}", path_encoded(value).replace('/', "%2F"))).collect();
    format!("{BASE_PATH}/audit?limit={}{query}", args.limit)
}
