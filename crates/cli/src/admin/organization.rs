//! `madang admin organization`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_public_api::{NamedChange, OrganizationCreate, OrganizationView, Page};

use super::noun::{self, ORGANIZATIONS};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct OrganizationArgs {
    #[command(subcommand)]
    command: OrganizationCommand,
}

#[derive(Debug, Subcommand)]
enum OrganizationCommand {
    /// List organizations
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one
    Show {
        /// Id or name
        organization: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make one
    #[command(alias = "add")]
    Create {
        name: String,
        /// The resource policy that bounds all of it together
        #[arg(long)]
        policy: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change one; what is left out stays
    Set {
        /// Id or name
        organization: String,
        #[arg(long)]
        name: Option<String>,
        /// Empty: none
        #[arg(long)]
        policy: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Archive one: nobody in it may do anything any more, what is known of it stays
    Rm {
        /// Id or name
        organization: String,
    },
}

pub async fn run(args: OrganizationArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = |organization: &str| noun::path(ORGANIZATIONS, organization, "");
    match args.command {
        OrganizationCommand::Ls { json } => {
            list(&client.get::<Page<OrganizationView>>(&noun::path(ORGANIZATIONS, "", "")).await?.items, &json)?;
        }
        OrganizationCommand::Show { organization, json } => one(&client.get(&path(&organization)).await?, &json)?,
        OrganizationCommand::Create { name, policy, json } => {
            let asked = OrganizationCreate { name, policy };
            let made: OrganizationView = client.post(&noun::path(ORGANIZATIONS, "", ""), &asked).await?;
            noun::made(&made, &made.id, &json)?;
        }
        OrganizationCommand::Set { organization, name, policy, json } => {
            let change = NamedChange { name, policy };
            one(&client.patch(&path(&organization), &change).await?, &json)?;
        }
        OrganizationCommand::Rm { organization } => {
            let _: OrganizationView = client.delete(&path(&organization)).await?;
        }
    }
    Ok(0)
}

fn list(organizations: &[OrganizationView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(&organizations) } else { table(organizations) }
}

fn one(organization: &OrganizationView, json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(organization) } else { table(std::slice::from_ref(organization)) }
}

fn table(organizations: &[OrganizationView]) -> Result<(), Failure> {
    let row = |one: &OrganizationView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            one.name.clone().into(),
            one.policy.clone().unwrap_or_default().into(),
            one.created_at.to_string().into(),
            noun::state(None, one.archived_at),
        ]
    };
    let rows: Vec<_> = organizations.iter().map(row).collect();
    print::table(&["ID", "NAME", "POLICY", "MADE", "STATE"], &rows)
}
