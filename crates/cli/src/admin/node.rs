//! `madang admin node` and `madang admin node-token`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_ids::Millis;
use madang_public_api::{
    Page,
    node::{NodeChange, NodePresence, NodeState, NodeTokenCreate, NodeTokenMade, NodeTokenView, NodeView},
};

use super::{group::name, noun};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// List nodes
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Place nothing new there; what is there stays
    Cordon(Named),
    /// Take placements again
    Uncordon(Named),
    /// Place nothing new there, and let what may start elsewhere do so
    Drain(Named),
    /// Forget a node: it is let in no more, and ends what it runs
    Rm {
        #[command(flatten)]
        node: Named,
        /// Also while sessions are on it: they end as lost, or start elsewhere
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// Its name or id
    node: String,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token by which machines may join; prints it this once
    Create {
        /// So many machines
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// For so long
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        lasts: Millis,
        /// The resource group that they belong to
        #[arg(long, default_value = "default")]
        group: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List tokens that still let somebody in
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Take a token back; who has joined stays
    Rm { token: String },
}

pub async fn run(args: NodeArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let (named, state) = match args.command {
        NodeCommand::Ls { json } => return list(&all(&client).await?, &json),
        NodeCommand::Rm { node, force } => {
            let path = path_of(&client, &node.node).await?;
            let view: NodeView = client.delete(&format!("{path}?force={force}")).await?;
            return list(&[view], &node.json);
        }
        NodeCommand::Cordon(named) => (named, NodeState::Cordoned),
        NodeCommand::Uncordon(named) => (named, NodeState::Schedulable),
        NodeCommand::Drain(named) => (named, NodeState::Draining),
    };
    let path = path_of(&client, &named.node).await?;
    let view: NodeView = client.patch(&path, &NodeChange { state }).await?;
    list(&[view], &named.json)
}

async fn all(client: &Client) -> Result<Vec<NodeView>, Failure> {
    let page: Page<NodeView> = client.get(&noun::path("nodes", "", "")).await?;
    Ok(page.items)
}

async fn path_of(client: &Client, named: &str) -> Result<String, Failure> {
    let nodes = all(client).await?;
    let found = nodes.into_iter().find(|node| node.name == named || node.id.to_string() == named);
    let node =
        found.ok_or_else(|| Failure::usage(format!("there is no node `{named}`; see `madang admin node ls`")))?;
    Ok(noun::path("nodes", &node.id.to_string(), ""))
}

fn list(nodes: &[NodeView], json: &JsonArgs) -> Result<u8, Failure> {
    if json.json {
        print::json(&nodes)?;
        return Ok(0);
    }
    let row = |node: &NodeView| -> Vec<Cell> {
        let presence = match node.silent_since {
            Some(since) => format!("silent since {since}"),
            None => name(&node.presence),
        };
        vec![
            node.name.clone().into(),
            node.id.to_string().into(),
            node.resource_group.clone().into(),
            print::judged(name(&node.state), node.state == NodeState::Schedulable),
            print::judged(presence, node.presence == NodePresence::Here),
            node.sessions.to_string().into(),
            format!("{}", node.cpu_millis / 1_000).into(),
            format!("{} GiB", node.memory_bytes >> 30).into(),
            devices(node).into(),
            node.version.clone().into(),
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    print::table(
        &["NODE", "ID", "GROUP", "STATE", "HEARD", "SESSIONS", "CPUS", "MEMORY", "DEVICES", "VERSION"],
        &rows,
    )?;
    Ok(0)
}

/// How many of each kind, as in `2 cuda, 1 fake`.
fn devices(node: &NodeView) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    node.devices.iter().for_each(|device| *kinds.entry(&device.kind).or_default() += 1);
    kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}

pub async fn token(args: TokenArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = noun::path("node-tokens", "", "");
    match args.command {
        TokenCommand::Create { uses, lasts, group, json } => {
            let request = NodeTokenCreate { uses, ttl_ms: lasts.0, resource_group: group };
            let made: NodeTokenMade = client.post(&path, &request).await?;
            if json.json { print::json(&made)? } else { print::say(&told(&made))? }
        }
        TokenCommand::Ls { json } => {
            let page: Page<NodeTokenView> = client.get(&path).await?;
            list_tokens(&page.items, &json)?;
        }
        TokenCommand::Rm { token } => {
            let _: NodeTokenView = client.delete(&noun::path("node-tokens", &token, "")).await?;
        }
    }
    Ok(0)
}

/// The token for programs, and on the other line what to do with it.
fn told(made: &NodeTokenMade) -> String {
    let join = made.join.as_deref().unwrap_or("HOST:PORT");
    format!("{}\non the machine: madang node --join {join} --token TOKEN\n", made.secret)
}

fn list_tokens(tokens: &[NodeTokenView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&tokens);
    }
    let row = |token: &NodeTokenView| -> Vec<Cell> {
        vec![
            token.id.to_string().into(),
            token.resource_group.clone().into(),
            token.uses_left.to_string().into(),
            token.expires_at.to_string().into(),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    print::table(&["ID", "GROUP", "USES LEFT", "EXPIRES"], &rows)
}
