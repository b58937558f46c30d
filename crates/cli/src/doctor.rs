//! `madang doctor`: what works here, what is missing, what that costs.

use madang_client::Client;
use serde_json::json;

use crate::{args::JsonArgs, exit, exit::Failure, print};

/// What a server that can work says of itself.
const READY: &str = "ok";

pub async fn run(args: JsonArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let health = client.ready().await?;
    let languages = client.languages().await?;
    let missing: Vec<_> = languages.iter().filter(|language| !language.available).collect();
    let ready = health.status == READY;
    if args.json {
        print::json(
            &json!({ "server": client.endpoint().to_string(), "health": health, "languages_unavailable": missing }),
        )?;
    } else {
        print::say(&format!("server      {} at {}\n", health.status, client.endpoint()))?;
        for note in &health.notes {
            print::say(&format!("note        {note}\n"))?;
        }
        print::say(&format!("languages   {} of {} available\n", languages.len() - missing.len(), languages.len()))?;
        for language in missing {
            let why = language.unavailable.as_deref().unwrap_or("no reason given");
            print::say(&format!("  missing   {}: {why}\n", language.name))?;
        }
    }
    Ok(if ready { 0 } else { exit::UNREACHABLE })
}
