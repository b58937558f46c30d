//! `madang admin state`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_model::ServiceState;
use madang_public_api::{BASE_PATH, ServiceStateChange, ServiceStateView};

use super::{group::word, noun};
use crate::{args::JsonArgs, exit::Failure, print};

#[derive(Debug, Args)]
pub struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Say what the service takes, and why
    Show {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Have it take everything, nothing new, or nothing at all
    Set {
        /// running, frozen, draining
        #[arg(value_parser = word::<ServiceState>)]
        state: ServiceState,
        /// Stands in every refusal that follows from it
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub async fn run(args: StateArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = format!("{BASE_PATH}/service/state");
    let (view, json): (ServiceStateView, JsonArgs) = match args.command {
        StateCommand::Show { json } => (client.get(&path).await?, json),
        StateCommand::Set { state, reason, json } => {
            (client.put(&path, &ServiceStateChange { state, reason }).await?, json)
        }
    };
    if json.json {
        print::json(&view)?;
    } else {
        let running = view.state == ServiceState::Running;
        let by = view.changed_by.unwrap_or_default();
        let row = vec![
            print::judged(view.state.name(), running),
            view.reason.into(),
            by.into(),
            noun::when(view.changed_at).into(),
        ];
        print::table(&["STATE", "REASON", "CHANGED BY", "CHANGED"], &[row])?;
    }
    Ok(0)
}
