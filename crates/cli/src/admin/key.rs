//! `madang admin key`.

use clap::{Args, Subcommand};
use madang_client::{Client, path_encoded};
use madang_public_api::{AccessKeyCreate, AccessKeyMade, AccessKeyView, BASE_PATH, KeySigning, Page};
use serde_json::json;

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key; its secret is shown this once
    Create {
        /// For people; need not be unique
        name: String,
        /// Id or name of the user whose it will be; yours where left out
        #[arg(long)]
        user: Option<String>,
        /// Take only signatures that cover the body and are good once; stock clients cannot make them
        #[arg(long)]
        covered: bool,
        /// Days until it is good no more
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List keys
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Give a key another secret; the old one is good no more
    Rotate {
        key: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Have a key refused until it is resumed
    Suspend { key: String },
    /// Have a suspended key taken again
    Resume { key: String },
    /// Forget a key
    Rm { key: String },
}

pub async fn run(args: KeyArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        KeyCommand::Create { name, user, covered, expires, json } => {
            let signing = if covered { KeySigning::Request } else { KeySigning::Any };
            let request = AccessKeyCreate { name, user, signing, expires_days: expires };
            show(&client.post::<AccessKeyMade>(&path("", ""), &request).await?, &json)
        }
        KeyCommand::Rotate { key, json } => {
            show(&client.post::<AccessKeyMade>(&path(&key, "/rotate"), &json!({})).await?, &json)
        }
        KeyCommand::Ls { json } => list(&client.get::<Page<AccessKeyView>>(&path("", "")).await?, &json),
        KeyCommand::Suspend { key } => {
            let _: AccessKeyView = client.post(&path(&key, "/suspend"), &json!({})).await?;
            Ok(0)
        }
        KeyCommand::Resume { key } => {
            let _: AccessKeyView = client.post(&path(&key, "/resume"), &json!({})).await?;
            Ok(0)
        }
        KeyCommand::Rm { key } => {
            let _: AccessKeyView = client.delete(&path(&key, "")).await?;
            Ok(0)
        }
    }
}

fn path(key: &str, rest: &str) -> String {
    let of_key = if key.is_empty() { String::new() } else { format!("/{}", path_encoded(key).replace('/', "%2F")) };
    format!("{BASE_PATH}/access-keys{of_key}{rest}")
}

/// In the form in which a shell takes it.
fn show(made: &AccessKeyMade, json: &JsonArgs) -> Result<u8, Failure> {
    if json.json {
        print::json(made)?;
    } else {
        let (key, secret) = (&made.key.access_key, &made.secret_key);
        print::say(&format!("MADANG_ACCESS_KEY={key}\nMADANG_SECRET_KEY={secret}\n"))?;
    }
    Ok(0)
}

fn list(page: &Page<AccessKeyView>, json: &JsonArgs) -> Result<u8, Failure> {
    if json.json {
        print::json(&page.items)?;
        return Ok(0);
    }
    let row = |key: &AccessKeyView| -> Vec<Cell> {
        let good = key.suspended_at.is_none();
        let until = key.expires_at.map_or_else(|| "for ever".to_owned(), |at| at.to_string());
        let state = print::judged(if good { "active" } else { "suspended" }, good);
        vec![key.access_key.clone().into(), key.name.clone().into(), key.user.to_string().into(), state, until.into()]
    };
    let rows: Vec<_> = page.items.iter().map(row).collect();
    print::table(&["KEY", "NAME", "USER", "STATE", "GOOD UNTIL"], &rows)?;
    Ok(0)
}
