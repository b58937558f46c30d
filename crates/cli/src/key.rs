//! `madang key ssh`: public keys to sign in with over SSH.

use std::{io::Read as _, path::PathBuf};

use clap::{Args, Subcommand};
use madang_client::{Client, path_encoded};
use madang_public_api::{BASE_PATH, Page, SshKeyCreate, SshKeyView};

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

/// More is no public key.
const FILE_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Public keys to sign in with over SSH
    Ssh {
        #[command(subcommand)]
        command: SshKeyCommand,
    },
}

#[derive(Debug, Subcommand)]
enum SshKeyCommand {
    /// Sign in with this key from now on: `ssh SESSION@HOST`
    Add {
        /// The public part, as in ~/.ssh/id_ed25519.pub; `-` reads it from standard input
        file: PathBuf,
        /// For people; what stands behind the key where left out
        #[arg(long)]
        name: Option<String>,
        /// Id or name of the user whose it will be; yours where left out
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List keys
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Forget a key; whoever is connected by it is cut off
    Rm {
        /// Id or fingerprint
        key: String,
    },
}

pub async fn run(args: KeyArgs) -> Result<u8, Failure> {
    let KeyCommand::Ssh { command } = args.command;
    let client = Client::discover()?;
    match command {
        SshKeyCommand::Add { file, name, user, json } => {
            let asked = SshKeyCreate { public_key: read(&file)?, name, user };
            let made: SshKeyView = client.post(&path(""), &asked).await?;
            if json.json { print::json(&made)? } else { print::say(&format!("{} {}\n", made.id, made.fingerprint))? }
        }
        SshKeyCommand::Ls { json } => list(&client.get::<Page<SshKeyView>>(&path("")).await?, &json)?,
        SshKeyCommand::Rm { key } => {
            let id = match key.starts_with("SHA256:") {
                false => key,
                true => {
                    let page: Page<SshKeyView> = client.get(&path("")).await?;
                    let found =
                        page.items.iter().find(|known| known.fingerprint == key).map(|known| known.id.to_string());
                    found.unwrap_or(key)
                }
            };
            let _: SshKeyView = client.delete(&path(&id)).await?;
        }
    }
    Ok(0)
}

fn read(file: &std::path::Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    Ok(text)
}

fn path(key: &str) -> String {
    let of_key = if key.is_empty() { String::new() } else { format!("/{}", path_encoded(key).replace('/', "%2F")) };
    format!("{BASE_PATH}/ssh-keys{of_key}")
}

fn list(page: &Page<SshKeyView>, json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&page.items);
    }
    let row = |key: &SshKeyView| -> Vec<Cell> {
        let kind = key.public_key.split(' ').next().unwrap_or_default().to_owned();
        vec![
            key.id.to_string().into(),
            key.name.clone().into(),
            key.user.to_string().into(),
            kind.into(),
            key.fingerprint.clone().into(),
        ]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["ID", "NAME", "USER", "KIND", "FINGERPRINT"], &rows)
}
