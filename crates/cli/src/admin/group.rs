//! `madang admin group` and `madang admin queue`.

use clap::{Args, Subcommand};
use madang_client::{Client, ClientError, path_encoded};
use madang_public_api::{
    BASE_PATH, Page, Placement, Preference, ProblemKind, QueueOrder, ResourceGroupSettings, ResourceGroupView,
    SessionView,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// List resource groups
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a resource group, or change how it schedules; what is left out stays
    Set(Box<SetArgs>),
}

#[derive(Debug, Args)]
struct SetArgs {
    group: String,
    /// Who is next: fifo, lifo, drf, fair-share
    #[arg(long, value_parser = word::<QueueOrder>)]
    order: Option<QueueOrder>,
    /// Which node: pack, spread, round-robin
    #[arg(long, value_parser = word::<Placement>)]
    placement: Option<Placement>,
    /// Nodes asked first: nothing, image, warm
    #[arg(long, value_parser = word::<Preference>)]
    prefer: Option<Preference>,
    /// Tries after which others may pass the first of the queue
    #[arg(long, value_name = "N")]
    head_tries: Option<u32>,
    /// Time after which they may
    #[arg(long, value_name = "MS")]
    head_wait_ms: Option<u64>,
    /// How much waiting one step of priority is worth
    #[arg(long, value_name = "MS")]
    priority_step_ms: Option<u64>,
    /// How much of its processors a node promises; 100 is all, 0 is without bound
    #[arg(long, value_name = "PERCENT")]
    cpu_percent: Option<u64>,
    /// The same of its memory
    #[arg(long, value_name = "PERCENT")]
    memory_percent: Option<u64>,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
pub struct QueueArgs {
    /// The resource group
    #[arg(long, default_value = "default")]
    group: String,
    #[command(flatten)]
    json: JsonArgs,
}

/// A value by its name on the wire.
pub fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// The name of a value on the wire.
pub fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub async fn run(args: GroupArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        GroupCommand::Ls { json } => {
            let page: Page<ResourceGroupView> = client.get(&format!("{BASE_PATH}/resource-groups")).await?;
            list(&page.items, &json)
        }
        GroupCommand::Set(args) => set(&client, &args).await,
    }
}

async fn set(client: &Client, args: &SetArgs) -> Result<u8, Failure> {
    let path = format!("{BASE_PATH}/resource-groups/{}", path_encoded(&args.group).replace('/', "%2F"));
    let before = match client.get::<ResourceGroupView>(&path).await {
        Ok(view) => view.settings,
        Err(ClientError::Refused(problem)) if problem.code == ProblemKind::NotFound.row().1 => {
            ResourceGroupSettings::default()
        }
        Err(error) => return Err(error.into()),
    };
    let percent = |asked: Option<u64>, before: Option<u64>| match asked {
        Some(0) => None,
        asked => asked.or(before),
    };
    let settings = ResourceGroupSettings {
        order: args.order.unwrap_or(before.order),
        placement: args.placement.unwrap_or(before.placement),
        prefer: args.prefer.unwrap_or(before.prefer),
        head_tries: args.head_tries.unwrap_or(before.head_tries),
        head_wait_ms: args.head_wait_ms.unwrap_or(before.head_wait_ms),
        priority_step_ms: args.priority_step_ms.unwrap_or(before.priority_step_ms),
        cpu_percent: percent(args.cpu_percent, before.cpu_percent),
        memory_percent: percent(args.memory_percent, before.memory_percent),
    };
    let view: ResourceGroupView = client.put(&path, &settings).await?;
    list(&[view], &args.json)
}

fn list(groups: &[ResourceGroupView], json: &JsonArgs) -> Result<u8, Failure> {
    if json.json {
        print::json(&groups)?;
        return Ok(0);
    }
    let bound = |percent: Option<u64>| percent.map_or_else(|| "any".to_owned(), |percent| format!("{percent} %"));
    let row = |group: &ResourceGroupView| -> Vec<Cell> {
        let settings = &group.settings;
        vec![
            group.name.clone().into(),
            name(&settings.order).into(),
            name(&settings.placement).into(),
            bound(settings.cpu_percent).into(),
            bound(settings.memory_percent).into(),
            format!("{}/{}", group.nodes_open, group.nodes).into(),
            group.waiting.to_string().into(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    print::table(&["GROUP", "ORDER", "PLACEMENT", "CPU", "MEMORY", "NODES OPEN", "WAITING"], &rows)?;
    Ok(0)
}

pub async fn queue(args: QueueArgs) -> Result<u8, Failure> {
    let group = path_encoded(&args.group).replace('/', "%2F");
    let page: Page<SessionView> = Client::discover()?.get(&format!("{BASE_PATH}/queue?resource_group={group}")).await?;
    if args.json.json {
        print::json(&page.items)?;
        return Ok(0);
    }
    let row = |session: &SessionView| -> Vec<Cell> {
        let wait = session.queue.as_ref();
        vec![
            wait.and_then(|wait| wait.position).map(|position| position.to_string()).unwrap_or_default().into(),
            session.id.to_string().into(),
            session.name.clone().into(),
            session.priority.to_string().into(),
            wait.and_then(|wait| wait.may_start_at).map(|at| at.to_string()).unwrap_or_default().into(),
            wait.map(|wait| wait.waits_for.clone()).unwrap_or_default().into(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["PLACE", "ID", "NAME", "PRIORITY", "MAY START", "WAITS FOR"], &rows)?;
    Ok(0)
}
