//! `madang admin user`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_public_api::{Page, UserChange, UserCreate, UserView};

use super::noun::{self, ORGANIZATIONS, PROJECTS, USERS};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List users
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one
    Show {
        /// Id or name
        user: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make one; `madang admin link` gives it a password, `madang admin key` a key
    #[command(alias = "add")]
    Create(Box<CreateArgs>),
    /// Change one; what is left out stays
    Set(Box<SetArgs>),
    /// Have one do nothing until it is resumed; its work ends
    Suspend {
        user: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Let a suspended one work again
    Resume {
        user: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Archive one: it may do nothing any more, what is known of it stays
    Rm { user: String },
}

#[derive(Debug, Args)]
struct CreateArgs {
    name: String,
    /// Id or name; yours where left out
    #[arg(long)]
    organization: Option<String>,
    #[arg(long)]
    email: Option<String>,
    /// member, organization-administrator, system-administrator
    #[arg(long)]
    role: Option<String>,
    /// A project that it becomes a member of, and where its work belongs
    #[arg(long)]
    project: Option<String>,
    /// The resource policy that bounds it
    #[arg(long)]
    policy: Option<String>,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Id or name
    user: String,
    #[arg(long)]
    name: Option<String>,
    /// Empty: none
    #[arg(long)]
    email: Option<String>,
    /// member, organization-administrator, system-administrator
    #[arg(long)]
    role: Option<String>,
    /// Where its work belongs, of the projects that it is a member of
    #[arg(long)]
    project: Option<String>,
    /// Empty: none
    #[arg(long)]
    policy: Option<String>,
    #[command(flatten)]
    json: JsonArgs,
}

pub async fn run(args: UserArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        UserCommand::Ls { json } => {
            let page: Page<UserView> = client.get(&noun::path(USERS, "", "")).await?;
            list(&client, &page.items, &json).await?;
        }
        UserCommand::Show { user, json } => {
            one(&client, &client.get(&noun::path(USERS, &user, "")).await?, &json).await?;
        }
        UserCommand::Create(args) => {
            let CreateArgs { name, organization, email, role, project, policy, json } = *args;
            let asked = UserCreate { name, organization, email, role, project, policy };
            let made: UserView = client.post(&noun::path(USERS, "", ""), &asked).await?;
            noun::made(&made, &made.id, &json)?;
        }
        UserCommand::Set(args) => {
            let SetArgs { user, name, email, role, project, policy, json } = *args;
            let change = UserChange { name, email, role, project, policy, suspended: None };
            set(&client, &user, &change, &json).await?;
        }
        UserCommand::Suspend { user, json } => set(&client, &user, &suspended(true), &json).await?,
        UserCommand::Resume { user, json } => set(&client, &user, &suspended(false), &json).await?,
        UserCommand::Rm { user } => {
            let _: UserView = client.delete(&noun::path(USERS, &user, "")).await?;
        }
    }
    Ok(0)
}

fn suspended(suspended: bool) -> UserChange {
    UserChange { suspended: Some(suspended), ..UserChange::default() }
}

async fn set(client: &Client, user: &str, change: &UserChange, json: &JsonArgs) -> Result<(), Failure> {
    let changed: UserView = client.patch(&noun::path(USERS, user, ""), change).await?;
    one(client, &changed, json).await
}

async fn list(client: &Client, users: &[UserView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(&users) } else { table(client, users).await }
}

async fn one(client: &Client, user: &UserView, json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(user) } else { table(client, std::slice::from_ref(user)).await }
}

async fn table(client: &Client, users: &[UserView]) -> Result<(), Failure> {
    let organizations = noun::names(client, ORGANIZATIONS).await?;
    let projects = noun::names(client, PROJECTS).await?;
    let row = |one: &UserView| -> Vec<Cell> {
        let works_in = one.memberships.iter().map(|membership| noun::named(&projects, &membership.project));
        vec![
            one.id.to_string().into(),
            one.name.clone().into(),
            noun::named(&organizations, &one.organization).into(),
            one.role.clone().into(),
            works_in.collect::<Vec<_>>().join(",").into(),
            one.policy.clone().unwrap_or_default().into(),
            noun::state(one.suspended_at, one.archived_at),
        ]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    print::table(&["ID", "NAME", "ORGANIZATION", "ROLE", "PROJECTS", "POLICY", "STATE"], &rows)
}
