//! `madang admin task`.

use clap::{Args, Subcommand};
use madang_client::Client;
use madang_ids::Millis;
use madang_public_api::{Page, TaskResult, TaskView};
use serde_json::json;

use super::noun;
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const TASKS: &str = "tasks";

#[derive(Debug, Args)]
pub struct TaskArgs {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    /// List what the server does by itself: last run, result, next run
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Run a task now, and wait a while for its end
    Run {
        task: String,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub async fn run(args: TaskArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        TaskCommand::Ls { json } => {
            list(&client.get::<Page<TaskView>>(&noun::path(TASKS, "", "")).await?.items, &json)?;
        }
        TaskCommand::Run { task, json } => {
            let ran: TaskView = client.post(&noun::path(TASKS, &task, "/run"), &json!({})).await?;
            if json.json { print::json(&ran)? } else { table(&[ran])? }
        }
    }
    Ok(0)
}

fn list(tasks: &[TaskView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json { print::json(&tasks) } else { table(tasks) }
}

fn table(tasks: &[TaskView]) -> Result<(), Failure> {
    let rows: Vec<_> = tasks.iter().map(row).collect();
    print::table(&["TASK", "EVERY", "RUNS", "LAST", "TOOK", "RESULT", "NEXT", "NOTE"], &rows)
}

fn row(task: &TaskView) -> Vec<Cell> {
    let last = task.last.as_ref();
    let result = match (task.running_since, last) {
        (Some(_), _) => "running".into(),
        (None, Some(last)) => print::judged(last.result.name(), last.result == TaskResult::Done),
        (None, None) => "".into(),
    };
    vec![
        task.name.clone().into(),
        Millis(task.period_ms).to_string().into(),
        task.runs.to_string().into(),
        noun::when(last.map(|last| last.at)).into(),
        last.map(|last| format!("{} ms", last.took_ms)).unwrap_or_default().into(),
        result,
        noun::when(task.next_at).into(),
        last.map(|last| last.note.clone()).unwrap_or_default().into(),
    ]
}
