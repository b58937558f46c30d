//! `madang folder share`, `invite` and what answers them.

use clap::Subcommand;
use madang_client::{Client, path_encoded};
use madang_public_api::{FolderShareSet, FolderShareView, InvitationCreate, InvitationView, Page};
use serde_json::json;

use super::{FOLDERS, args::Permission};
use crate::{
    admin::noun::{self, path},
    args::JsonArgs,
    exit::Failure,
    print,
    print::Cell,
};

#[derive(Debug, Subcommand)]
pub enum ShareCommand {
    /// Share a folder with a project of yours, or a project's folder with a user
    Share {
        folder: String,
        permission: Permission,
        #[arg(long, required_unless_present = "project", conflicts_with = "project")]
        user: Option<String>,
        #[arg(long)]
        project: Option<String>,
    },
    /// End a share
    Unshare {
        folder: String,
        /// Name or id of the user or project
        with: String,
    },
    /// Say whom a folder is shared with
    Shares {
        folder: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Invite a user to a folder of yours
    Invite {
        folder: String,
        user: String,
        permission: Permission,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List invitations that you were sent and have sent
    Invitations {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Accept an invitation
    Accept { invitation: String },
    /// Decline an invitation
    Decline { invitation: String },
    /// Take back an invitation that nobody has answered
    Withdraw { folder: String, invitation: String },
    /// Give up your share of a folder
    Leave { folder: String },
}

pub async fn run(client: &Client, command: ShareCommand) -> Result<(), Failure> {
    match command {
        ShareCommand::Share { folder, permission, user, project } => {
            let request = FolderShareSet { user, project, permission: permission.into() };
            let _: FolderShareView = client.post(&path(FOLDERS, &folder, "/shares"), &request).await?;
        }
        ShareCommand::Unshare { folder, with } => {
            let rest = path_encoded(&with).replace('/', "%2F");
            let _: FolderShareView = client.delete(&path(FOLDERS, &folder, &format!("/shares/{rest}"))).await?;
        }
        ShareCommand::Shares { folder, json } => shares(client, &folder, &json).await?,
        ShareCommand::Invite { folder, user, permission, json } => {
            let request = InvitationCreate { user, permission: permission.into(), expires_in_ms: None };
            let view: InvitationView = client.post(&path(FOLDERS, &folder, "/invitations"), &request).await?;
            noun::made(&view, &view.id, &json)?;
        }
        ShareCommand::Invitations { json } => invitations(client, &json).await?,
        ShareCommand::Accept { invitation } => answer(client, &invitation, "/accept").await?,
        ShareCommand::Decline { invitation } => answer(client, &invitation, "/decline").await?,
        ShareCommand::Withdraw { folder, invitation } => {
            let rest = path_encoded(&invitation).replace('/', "%2F");
            let _: InvitationView = client.delete(&path(FOLDERS, &folder, &format!("/invitations/{rest}"))).await?;
        }
        ShareCommand::Leave { folder } => {
            let _: FolderShareView = client.post(&path(FOLDERS, &folder, "/leave"), &json!({})).await?;
        }
    }
    Ok(())
}

async fn answer(client: &Client, invitation: &str, verb: &str) -> Result<(), Failure> {
    let view: InvitationView = client.post(&path("invitations", invitation, verb), &json!({})).await?;
    if view.state == "accepted" { print::say(&format!("{}\n", view.folder)) } else { Ok(()) }
}

async fn shares(client: &Client, folder: &str, json: &JsonArgs) -> Result<(), Failure> {
    let page: Page<FolderShareView> = client.get(&path(FOLDERS, folder, "/shares")).await?;
    if json.json {
        return print::json(&page.items);
    }
    let row = |view: &FolderShareView| -> Vec<Cell> {
        let kind = if view.user.is_some() { "user" } else { "project" };
        vec![view.name.clone().into(), kind.into(), view.permission.name().into(), view.created_at.to_string().into()]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["WITH", "KIND", "MAY", "SINCE"], &rows)
}

async fn invitations(client: &Client, json: &JsonArgs) -> Result<(), Failure> {
    let page: Page<InvitationView> = client.get(&path("invitations", "", "")).await?;
    if json.json {
        return print::json(&page.items);
    }
    let row = |view: &InvitationView| -> Vec<Cell> {
        vec![
            view.id.to_string().into(),
            view.folder_name.clone().into(),
            view.created_by_name.clone().into(),
            view.user_name.clone().into(),
            view.permission.name().into(),
            view.state.clone().into(),
            view.expires_at.to_string().into(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["ID", "FOLDER", "FROM", "TO", "MAY", "STATE", "EXPIRES"], &rows)
}
