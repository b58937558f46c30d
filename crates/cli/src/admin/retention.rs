//! `madang admin retention`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_model::retention::Retention;
use madang_public_api::{BASE_PATH, RetentionView};

use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

#[derive(Debug, Args)]
pub struct RetentionArgs {
    #[command(subcommand)]
    command: RetentionCommand,
}

#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// Say how long things are kept
    Show {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Change how long things are kept; what is left out stays, 0 is as the server's configuration says
    Set(SetArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Finished runs and ended sessions
    #[arg(long, value_name = "DAYS")]
    runs: Option<u64>,
    /// Batch sessions that have ended, with what their runs wrote
    #[arg(long, value_name = "DAYS")]
    batch: Option<u64>,
    /// Entries of the audit log, 30 days at least
    #[arg(long, value_name = "DAYS")]
    audit: Option<u64>,
    /// The newest runs that are kept
    #[arg(long, value_name = "N")]
    runs_max: Option<u64>,
    #[command(flatten)]
    json: JsonArgs,
}

pub async fn run(args: RetentionArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let path = format!("{BASE_PATH}/service/retention");
    let before: RetentionView = client.get(&path).await?;
    match args.command {
        RetentionCommand::Show { json } => show(&before, &json)?,
        RetentionCommand::Set(args) => {
            let set = |said: Option<u64>, before: Option<u64>| said.or(before).filter(|value| *value > 0);
            let settings = Retention {
                runs_days: set(args.runs, before.settings.runs_days),
                batch_days: set(args.batch, before.settings.batch_days),
                audit_days: set(args.audit, before.settings.audit_days),
                runs_max: set(args.runs_max, before.settings.runs_max),
            };
            show(&client.put(&path, &settings).await?, &args.json)?;
        }
    }
    Ok(0)
}

fn show(view: &RetentionView, json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(view);
    }
    let (holds, set) = (view.holds, view.settings);
    let rows = [
        ("runs", holds.runs_days, set.runs_days, " days"),
        ("batch", holds.batch_days, set.batch_days, " days"),
        ("audit", holds.audit_days, set.audit_days, " days"),
        ("runs-max", holds.runs_max, set.runs_max, ""),
    ];
    let row = |(what, holds, set, unit): (&str, Option<u64>, Option<u64>, &str)| -> Vec<Cell> {
        let holds = holds.map(|value| format!("{value}{unit}")).unwrap_or_default();
        let whose = if set.is_some() { view.changed_by.clone().unwrap_or_default() } else { "configuration".into() };
        vec![what.into(), holds.into(), whose.into()]
    };
    print::table(&["WHAT", "KEPT", "SET BY"], &rows.map(row))
}
