//! `madang admin link`.

use clap::{Args, ValueEnum};
use madang_client::Client;
use madang_public_api::{BASE_PATH, LinkCreate, LinkKind, LinkMade};

use crate::{args::JsonArgs, exit::Failure, print};

#[derive(Debug, Args)]
pub struct LinkArgs {
    /// Id or name
    user: String,
    /// What it is for: an invitation is good for a week, a reset for an hour
    #[arg(long, default_value = "reset")]
    kind: Kind,
    /// Also sign the user out everywhere, revoke all tokens and suspend all access keys, now
    #[arg(long)]
    revoke_all: bool,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Invitation,
    Reset,
}

pub async fn run(args: LinkArgs) -> Result<u8, Failure> {
    let kind = match args.kind {
        Kind::Invitation => LinkKind::Invitation,
        Kind::Reset => LinkKind::Reset,
    };
    let request = LinkCreate { user: args.user, kind, revoke_all: args.revoke_all };
    let made: LinkMade = Client::discover()?.post(&format!("{BASE_PATH}/links"), &request).await?;
    if args.json.json {
        print::json(&made)?;
    } else {
        print::say(&format!("{}\n", made.url))?;
    }
    Ok(0)
}
