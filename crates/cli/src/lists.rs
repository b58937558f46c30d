//! Short commands that ask one thing and print it: languages, logs, versions.

use std::io::Write as _;

use madang_client::{Client, ClientError};
use serde_json::json;

use crate::{
    args::{JsonArgs, LangArgs, LangCommand, LogsArgs},
    exit::Failure,
    print,
    print::Cell,
};

pub async fn languages(args: LangArgs) -> Result<u8, Failure> {
    let LangCommand::Ls { json } = args.command;
    let languages = Client::discover()?.languages().await?;
    if json.json {
        print::json(&languages)?;
        return Ok(0);
    }
    let rows: Vec<Vec<Cell>> = languages
        .iter()
        .map(|language| {
            let note = language.unavailable.clone().unwrap_or_else(|| language.modes.join(", "));
            vec![
                language.id.clone().into(),
                language.name.clone().into(),
                language.version.clone().unwrap_or_default().into(),
                print::judged(if language.available { "available" } else { "unavailable" }, language.available),
                note.into(),
            ]
        })
        .collect();
    print::table(&["ID", "NAME", "VERSION", "STATE", "MODES, OR WHY NOT"], &rows)?;
    Ok(0)
}

pub async fn logs(args: LogsArgs) -> Result<u8, Failure> {
    let entries = Client::discover()?.session_logs(&args.session).await?;
    if args.json.json {
        print::json(&entries)?;
        return Ok(0);
    }
    for entry in entries {
        match entry.kind.as_str() {
            "stdout" => print::say(&entry.data.lossy())?,
            // Nobody is left to tell where stderr is gone.
            _ => drop(std::io::stderr().write_all(&entry.data.0)),
        }
    }
    Ok(0)
}

/// Ours always; the server's where one answers.
pub async fn version(args: JsonArgs) -> Result<u8, Failure> {
    let ours = env!("CARGO_PKG_VERSION");
    let client = Client::discover()?;
    let server = client.version().await;
    if args.json {
        print::json(&json!({ "client": ours, "server": server.as_ref().ok() }))?;
        return Ok(0);
    }
    print::say(&format!("madang {ours}\n"))?;
    match server {
        Ok(version) => print::say(&format!("server {} at {}\n", version.version, client.endpoint()))?,
        Err(ClientError::Unreachable { endpoint, .. }) => print::say(&format!("server: none at {endpoint}\n"))?,
        Err(error) => return Err(error.into()),
    }
    Ok(0)
}
