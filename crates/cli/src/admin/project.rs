//! `madang admin project`.

use clap::{Args, Subcommand};
use madang_client::{Client, path_encoded};
use madang_public_api::{MembershipSet, MembershipView, NamedChange, Page, ProjectCreate, ProjectView};

use super::noun::{self, ORGANIZATIONS, PROJECTS};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

/// The role of whoever says who works in a project.
const MANAGER: &str = "project-manager";

#[derive(Debug, Args)]
pub struct ProjectArgs {
    #[command(subcommand)]
    command: ProjectCommand,
}

#[derive(Debug, Subcommand)]
enum ProjectCommand {
    /// List projects
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one
    Show {
        /// Id, or name in your organization
        project: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make one
    #[command(alias = "add")]
    Create {
        name: String,
        /// Id or name; yours where left out
        #[arg(long)]
        organization: Option<String>,
        /// The resource policy that bounds all of it together
        #[arg(long)]
        policy: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change one; what is left out stays
    Set {
        project: String,
        #[arg(long)]
        name: Option<String>,
        /// Empty: none
        #[arg(long)]
        policy: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Archive one: nothing new starts in it, what is known of it stays
    Rm { project: String },
    /// List who works in a project
    Members {
        project: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a user a member, or give a member another role
    Join {
        project: String,
        /// Id or name
        user: String,
        /// May say who works in it, see its sessions and end them
        #[arg(long)]
        manager: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Have a user be a member no more
    Leave { project: String, user: String },
}

pub async fn run(args: ProjectArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = |project: &str| noun::path(PROJECTS, project, "");
    match args.command {
        ProjectCommand::Ls { json } => {
            let page: Page<ProjectView> = client.get(&noun::path(PROJECTS, "", "")).await?;
            list(&client, &page.items, &json).await?;
        }
        ProjectCommand::Show { project, json } => one(&client, &client.get(&path(&project)).await?, &json).await?,
        ProjectCommand::Create { name, organization, policy, json } => {
            let asked = ProjectCreate { name, organization, policy };
            let made: ProjectView = client.post(&noun::path(PROJECTS, "", ""), &asked).await?;
            noun::made(&made, &made.id, &json)?;
        }
        ProjectCommand::Set { project, name, policy, json } => {
            let changed = client.patch(&path(&project), &NamedChange { name, policy }).await?;
            one(&client, &changed, &json).await?;
        }
        ProjectCommand::Rm { project } => {
            let _: ProjectView = client.delete(&path(&project)).await?;
        }
        ProjectCommand::Members { project, json } => {
            let page: Page<MembershipView> = client.get(&noun::path(PROJECTS, &project, "/members")).await?;
            members(&page.items, &json)?;
        }
        ProjectCommand::Join { project, user, manager, json } => {
            let asked = MembershipSet { role: manager.then(|| MANAGER.to_owned()) };
            members(&[client.put(&member(&project, &user), &asked).await?], &json)?;
        }
        ProjectCommand::Leave { project, user } => {
            let _: serde_json::Value = client.delete(&member(&project, &user)).await?;
        }
    }
    Ok(0)
}

fn member(project: &str, user: &str) -> String {
    noun::path(PROJECTS, project, &format!("/members/{}", path_encoded(user).replace('/', "%2F")))
}

async fn list(client: &Client, projects: &[ProjectView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(&projects) } else { table(client, projects).await }
}

async fn one(client: &Client, project: &ProjectView, json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(project) } else { table(client, std::slice::from_ref(project)).await }
}

async fn table(client: &Client, projects: &[ProjectView]) -> Result<(), Failure> {
    let organizations = noun::names(client, ORGANIZATIONS).await?;
    let row = |one: &ProjectView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            one.name.clone().into(),
            noun::named(&organizations, &one.organization).into(),
            one.policy.clone().unwrap_or_default().into(),
            noun::state(None, one.archived_at),
        ]
    };
    let rows: Vec<_> = projects.iter().map(row).collect();
    print::table(&["ID", "NAME", "ORGANIZATION", "POLICY", "STATE"], &rows)
}

fn members(members: &[MembershipView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&members);
    }
    let row = |one: &MembershipView| -> Vec<Cell> {
        vec![one.user.to_string().into(), one.name.clone().into(), one.role.clone().into()]
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    print::table(&["USER", "NAME", "ROLE"], &rows)
}
