//! `madang admin reservation`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_ids::{ByteSize, Millis};
use madang_public_api::{Page, ReservationCreate, ReservationView, Resources, Timestamp};

use super::{group::word, noun};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct ReservationArgs {
    #[command(subcommand)]
    command: ReservationCommand,
}

#[derive(Debug, Subcommand)]
enum ReservationCommand {
    /// Have slots ready for a project at a time; refused where that is impossible
    Create(Box<CreateArgs>),
    /// List reservations that are not over
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take a reservation back; sessions that use it stay
    Rm { reservation: String },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// How many
    slots: u32,
    /// Language whose interpreters shall wait
    #[arg(long, value_name = "L")]
    lang: Option<String>,
    /// Image; the nodes' own software where left out
    #[arg(long)]
    image: Option<String>,
    /// Name or id of the project whose sessions use them
    #[arg(long)]
    project: Option<String>,
    /// Resource group
    #[arg(long)]
    group: Option<String>,
    /// From this time on: 2026-01-02T09:00:00Z; now where left out
    #[arg(long, value_parser = word::<Timestamp>, conflicts_with = "after")]
    at: Option<Timestamp>,
    /// From so long after now on
    #[arg(long, value_name = "TIME")]
    after: Option<Millis>,
    /// For so long
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    lasts: Millis,
    /// Memory of each
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    #[command(flatten)]
    json: JsonArgs,
}

pub async fn run(args: ReservationArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = noun::path("reservations", "", "");
    match args.command {
        ReservationCommand::Create(args) => {
            let view: ReservationView = client.post(&path, &request(&args)).await?;
            noun::made(&view, &view.id, &args.json)?;
        }
        ReservationCommand::Ls { json } => {
            let page: Page<ReservationView> = client.get(&path).await?;
            list(&page.items, &json)?;
        }
        ReservationCommand::Rm { reservation } => {
            let _: ReservationView = client.delete(&noun::path("reservations", &reservation, "")).await?;
        }
    }
    Ok(0)
}

fn request(args: &CreateArgs) -> ReservationCreate {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let starts = args.at.map_or(now, |at| at.0.max(now)).saturating_add(args.after.map_or(0, |after| after.0));
    ReservationCreate {
        resource_group: args.group.clone(),
        project: args.project.clone(),
        image: args.image.clone(),
        language: args.lang.clone(),
        resources: Resources { memory_bytes: args.memory.map(|size| size.0), ..Resources::default() },
        slots: args.slots,
        starts_at: Timestamp(starts),
        ends_at: Timestamp(starts.saturating_add(args.lasts.0)),
    }
}

fn list(reservations: &[ReservationView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&reservations);
    }
    let row = |one: &ReservationView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            one.resource_group.clone().into(),
            one.language.clone().unwrap_or_default().into(),
            one.starts_at.to_string().into(),
            one.ends_at.to_string().into(),
            print::judged(format!("{}/{}", one.promised, one.slots), one.promised == one.slots),
            one.used.to_string().into(),
            one.ready.to_string().into(),
        ]
    };
    let rows: Vec<_> = reservations.iter().map(row).collect();
    print::table(&["ID", "GROUP", "LANGUAGE", "FROM", "UNTIL", "PROMISED", "USED", "READY"], &rows)
}
