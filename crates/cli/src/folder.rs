//! `madang folder`: storage that outlives sessions, and who may reach it.

mod args;
mod files;
mod share;

use madang_client::{Client, Trash};
use madang_ids::ByteSize;
use madang_public_api::{
    FolderChange, FolderClone, FolderCreate, FolderOwnerChange, FolderQuotaView, FolderView, Page,
};
use serde_json::json;

pub use args::FolderArgs;
use args::{FolderCommand, NewArgs};
pub use files::{listed, open, split};

use crate::{
    admin::noun::{self, path},
    args::{JsonArgs, OnOff},
    exit::Failure,
    print,
    print::Cell,
};

const FOLDERS: &str = "folders";

pub async fn run(args: FolderArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        FolderCommand::Create(args) => create(&client, args).await?,
        FolderCommand::Ls { owner, trashed, json } => list(&client, owner, trashed, &json).await?,
        FolderCommand::Info { folder, json } => {
            let view: FolderView = client.get(&path(FOLDERS, &folder, "?usage=true")).await?;
            if json.json { print::json(&view)? } else { show(&view)? }
        }
        FolderCommand::Rename { folder, name } => {
            change(&client, &folder, FolderChange { name: Some(name), ..FolderChange::default() }).await?;
        }
        FolderCommand::Set { folder, mode, members, cloneable } => {
            let cloneable = cloneable.map(|side| side == OnOff::On);
            let permission = members.map(Into::into);
            let wanted = FolderChange { name: None, mode: mode.map(Into::into), permission, cloneable };
            change(&client, &folder, wanted).await?;
        }
        FolderCommand::Rm { folders } => {
            for folder in folders {
                let _: FolderView = client.delete(&path(FOLDERS, &folder, "")).await?;
            }
        }
        FolderCommand::Restore { folder } => drop(act(&client, &folder, "/restore").await?),
        FolderCommand::Purge { folder } => drop(act(&client, &folder, "/purge").await?),
        FolderCommand::Clone { folder, name, project, json } => {
            let request = FolderClone { name, project };
            let view: FolderView = client.post(&path(FOLDERS, &folder, "/clone"), &request).await?;
            told(&view, &json)?;
        }
        FolderCommand::Give { folder, user, project } => {
            let request = FolderOwnerChange { user, project };
            let view: FolderView = client.post(&path(FOLDERS, &folder, "/owner"), &request).await?;
            told(&view, &JsonArgs { json: false })?;
        }
        FolderCommand::Usage { json } => usage(&client, &json).await?,
        FolderCommand::Share(command) => share::run(&client, command).await?,
        FolderCommand::Files(command) => files::run(&client, command).await?,
    }
    Ok(0)
}

async fn create(client: &Client, args: NewArgs) -> Result<(), Failure> {
    let request = FolderCreate {
        name: args.name,
        project: args.project,
        mode: args.mode.map(Into::into).unwrap_or_default(),
        permission: args.members.map(Into::into),
        cloneable: args.cloneable,
    };
    let view: FolderView = client.post(&path(FOLDERS, "", ""), &request).await?;
    told(&view, &args.json)
}

async fn change(client: &Client, folder: &str, wanted: FolderChange) -> Result<(), Failure> {
    let _: FolderView = client.patch(&path(FOLDERS, folder, ""), &wanted).await?;
    Ok(())
}

async fn act(client: &Client, folder: &str, verb: &str) -> Result<FolderView, Failure> {
    Ok(client.post(&path(FOLDERS, folder, verb), &json!({})).await?)
}

/// Says the id of what was made, and what of it is still under way.
fn told(view: &FolderView, json: &JsonArgs) -> Result<(), Failure> {
    if let Some(why) = &view.why {
        return Err(Failure::usage(format!("the folder `{}` could not be made: {why}", view.name)));
    }
    if view.state != "ready" {
        print::complain(&format!("the folder `{}` is {}: see `madang folder info`", view.name, view.state));
    }
    noun::made(view, &view.id, json)
}

async fn list(client: &Client, owner: Option<String>, trashed: bool, json: &JsonArgs) -> Result<(), Failure> {
    let trash = if trashed { Trash::Only } else { Trash::LeftOut };
    let folders = client.folders(owner.as_deref(), trash).await?;
    if json.json {
        return print::json(&folders);
    }
    let row = |view: &FolderView| -> Vec<Cell> {
        vec![
            view.id.to_string().into(),
            view.name.clone().into(),
            view.owner_name.clone().into(),
            view.may.map_or("-", |may| may.name()).into(),
            view.mode.name().into(),
            print::judged(view.state.clone(), view.state != "failed"),
            view.created_at.to_string().into(),
        ]
    };
    let rows: Vec<_> = folders.iter().map(row).collect();
    print::table(&["ID", "NAME", "OWNER", "MAY", "MODE", "STATE", "CREATED"], &rows)
}

fn show(view: &FolderView) -> Result<(), Failure> {
    let mut rows: Vec<(&str, String)> = vec![
        ("id", view.id.to_string()),
        ("name", view.name.clone()),
        ("owner", view.owner_name.clone()),
        ("state", view.state.clone()),
        ("mode", view.mode.name().to_owned()),
        ("you may", view.may.map_or("-", |may| may.name()).to_owned()),
        ("created", view.created_at.to_string()),
    ];
    rows.extend(view.project.map(|_| ("members", view.permission.name().to_owned())));
    rows.extend(view.why.clone().map(|why| ("why", why)));
    rows.extend(view.trashed_at.map(|at| ("trashed", at.to_string())));
    rows.extend(view.used_bytes.map(|bytes| ("holds", ByteSize(bytes).to_string())));
    rows.extend(view.used_files.map(|files| ("files", files.to_string())));
    let lines: String = rows.iter().map(|(name, value)| format!("{name:10}{value}\n")).collect();
    print::say(&lines)
}

async fn usage(client: &Client, json: &JsonArgs) -> Result<(), Failure> {
    let page: Page<FolderQuotaView> = client.get(&path("folder-quotas", "", "")).await?;
    if json.json {
        return print::json(&page.items);
    }
    let of = |used: Option<String>, max: String| format!("{} of {max}", used.unwrap_or_else(|| "-".to_owned()));
    let row = |view: &FolderQuotaView| -> Vec<Cell> {
        let folders = view.folders_max.map_or_else(|| "any".to_owned(), |max| max.to_string());
        let bytes = view.used_bytes.map(|bytes| ByteSize(bytes).to_string());
        vec![
            view.name.clone().into(),
            of(Some(view.folders.to_string()), folders).into(),
            of(bytes, ByteSize(view.max_bytes).to_string()).into(),
            of(view.used_files.map(|files| files.to_string()), view.max_files.to_string()).into(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["OWNER", "FOLDERS", "SIZE", "FILES"], &rows)
}
