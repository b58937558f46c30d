//! `madang folder files`, `mkdir`, `mv` and `del`: names in a folder, by a ticket. Bytes go by `madang cp`.

use clap::Subcommand;
use madang_client::{Client, FolderEntry, FolderEntryKind, FolderFiles};
use madang_ids::ByteSize;
use madang_model::FolderPermission;
use madang_public_api::{FolderTicketCreate, FolderTicketView, Timestamp};

use super::FOLDERS;
use crate::{admin::noun::path, args::JsonArgs, exit::Failure, print, print::Cell};

/// Entries that are shown of one directory.
const SHOWN_MAX: usize = 100_000;

#[derive(Debug, Subcommand)]
pub enum FilesCommand {
    /// List files of a folder
    Files {
        /// FOLDER or FOLDER/PATH
        at: String,
        /// Look beneath it for this: a part of a name, or a pattern with `*` and `?`
        #[arg(long, value_name = "NAME")]
        find: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a directory in a folder, and those above it
    Mkdir {
        /// FOLDER/PATH
        at: String,
    },
    /// Move or rename a file or directory in a folder
    Mv {
        /// FOLDER/PATH
        from: String,
        /// The new path in the same folder
        to: String,
    },
    /// Remove a file or directory of a folder
    Del {
        /// FOLDER/PATH
        at: String,
        /// A directory with all in it
        #[arg(long, short)]
        recursive: bool,
    },
}

pub async fn run(client: &Client, command: FilesCommand) -> Result<(), Failure> {
    match command {
        FilesCommand::Files { at, find, json } => {
            let (folder, inside) = split(&at);
            let files = open(client, folder, FolderPermission::Read).await?;
            let entries = match find {
                Some(name) => found(&files, inside, &name).await?,
                None => listed(&files, inside).await?,
            };
            show(&entries, &json)?;
        }
        FilesCommand::Mkdir { at } => {
            let (folder, inside) = inside(&at)?;
            open(client, folder, FolderPermission::Write).await?.make_directory(inside).await?;
        }
        FilesCommand::Mv { from, to } => {
            let (folder, inside) = inside(&from)?;
            open(client, folder, FolderPermission::Delete).await?.rename(inside, to.trim_matches('/')).await?;
        }
        FilesCommand::Del { at, recursive } => {
            let (folder, inside) = inside(&at)?;
            let files = open(client, folder, FolderPermission::Delete).await?;
            if recursive { files.remove_all(inside).await? } else { files.remove(inside).await? }
        }
    }
    Ok(())
}

/// A folder's files, as far as a ticket opens them.
pub async fn open(client: &Client, folder: &str, may: FolderPermission) -> Result<FolderFiles, Failure> {
    let request = FolderTicketCreate { path: String::new(), may, ttl_ms: None };
    let made: FolderTicketView = client.post(&path(FOLDERS, folder, "/tickets"), &request).await?;
    Ok(client.folder_files(&made.url, &made.ticket)?)
}

/// `FOLDER/PATH`.
pub fn split(text: &str) -> (&str, &str) {
    let (folder, path) = text.split_once('/').unwrap_or((text, ""));
    (folder, path.trim_matches('/'))
}

/// The same where the folder itself is not meant.
fn inside(text: &str) -> Result<(&str, &str), Failure> {
    match split(text) {
        (folder, path) if !folder.is_empty() && !path.is_empty() => Ok((folder, path)),
        _ => Err(Failure::usage(format!("{text}: write FOLDER/PATH"))),
    }
}

async fn found(files: &FolderFiles, beneath: &str, name: &str) -> Result<Vec<FolderEntry>, Failure> {
    let found = files.search(beneath, name).await?;
    if !found.complete {
        print::complain("there is more to find than is shown");
    }
    Ok(found.entries)
}

/// Every entry of a directory, page after page.
pub async fn listed(files: &FolderFiles, at: &str) -> Result<Vec<FolderEntry>, Failure> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = files.list(at, after.as_deref()).await?;
        entries.extend(page.entries);
        after = page.more_after;
        if after.is_none() {
            return Ok(entries);
        }
        if entries.len() >= SHOWN_MAX {
            print::complain(&format!("only the first {SHOWN_MAX} entries of the directory are looked at"));
            return Ok(entries);
        }
    }
}

fn show(entries: &[FolderEntry], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&entries);
    }
    let row = |entry: &FolderEntry| -> Vec<Cell> {
        let mark = if entry.kind == FolderEntryKind::Directory { "/" } else { "" };
        let modified = u64::try_from(entry.modified_ms).unwrap_or(0);
        vec![
            // A guest may have chosen it.
            format!("{}{mark}", print::first_line(&entry.path, 4_096)).into(),
            ByteSize(entry.size_bytes).to_string().into(),
            Timestamp(modified).to_string().into(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    print::table(&["PATH", "SIZE", "CHANGED"], &rows)
}
