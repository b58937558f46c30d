//! `madang admin token`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_ids::Millis;
use madang_model::{Scope, Scopes};
use madang_public_api::{Page, TokenCreate, TokenMade, TokenView};

use super::noun::{self, USERS};
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const TOKENS: &str = "tokens";

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// List tokens
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Make a token of your own; its secret is shown this once
    #[command(alias = "add")]
    Create {
        name: String,
        /// What it may do: read, run, manage, secret; read and run where left out
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', value_parser = scope)]
        scope: Vec<Scope>,
        /// Until it is good no more; 90 days where left out
        #[arg(long, value_name = "TIME")]
        expires: Option<Millis>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Revoke a token
    Rm {
        /// Id
        token: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::from_name(text).ok_or_else(|| "a scope is read, run, manage or secret".to_owned())
}

pub async fn run(args: TokenArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        TokenCommand::Ls { json } => {
            list(&client, &client.get::<Page<TokenView>>(&noun::path(TOKENS, "", "")).await?.items, &json).await?;
        }
        TokenCommand::Create { name, scope, expires, json } => {
            let scopes = (!scope.is_empty()).then(|| scope.into_iter().collect::<Scopes>());
            let asked = TokenCreate { name, scopes, expires_in_ms: expires.map(|expires| expires.0) };
            let made: TokenMade = client.post(&noun::path(TOKENS, "", ""), &asked).await?;
            // In the form in which a shell takes it.
            if json.json { print::json(&made)? } else { print::say(&format!("MADANG_TOKEN={}\n", made.secret))? }
        }
        TokenCommand::Rm { token } => {
            let _: TokenView = client.delete(&noun::path(TOKENS, &token, "")).await?;
        }
    }
    Ok(0)
}

async fn list(client: &Client, tokens: &[TokenView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&tokens);
    }
    let users = noun::names(client, USERS).await?;
    let row = |one: &TokenView| -> Vec<Cell> {
        vec![
            one.id.to_string().into(),
            one.name.clone().into(),
            noun::named(&users, &one.owner).into(),
            one.scopes.to_string().into(),
            one.expires_at.map_or_else(|| "for ever".to_owned(), |at| at.to_string()).into(),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    print::table(&["ID", "NAME", "USER", "SCOPES", "GOOD UNTIL"], &rows)
}
