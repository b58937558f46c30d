//! `madang admin task`.

use clap::{Args, Subcommand};
use madang_client::{Client, path_encoded};
use madang_ids::Millis;
use madang_public_api::{Page, ProcessView, TaskResult, TaskView};
use serde_json::json;

use super::noun;
use crate::{args::JsonArgs, exit::Failure, print, print::Cell};

const TASKS: &str = "tasks";
const PROCESSES: &str = "processes";
const HEADINGS: [&str; 9] = ["PROCESS", "TASK", "EVERY", "RUNS", "LAST", "TOOK", "RESULT", "NEXT", "NOTE"];

#[derive(Debug, Args)]
pub struct TaskArgs {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    /// List what each control process does by itself: last run, result, next run
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Run a task now, and wait a while for its end
    Run {
        task: String,
        /// Id of a control process; the one that answers where left out
        #[arg(long)]
        process: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub async fn run(args: TaskArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match args.command {
        TaskCommand::Ls { json } => {
            list(&client.get::<Page<ProcessView>>(&noun::path(PROCESSES, "", "")).await?.items, &json)?;
        }
        TaskCommand::Run { task, process, json } => {
            let which = process.as_deref().map(|id| format!("?process={}", path_encoded(id).replace('/', "%2F")));
            let path = format!("{}{}", noun::path(TASKS, &task, "/run"), which.unwrap_or_default());
            let ran: TaskView = client.post(&path, &json!({})).await?;
            if json.json { print::json(&ran)? } else { print::table(&HEADINGS[1..], &[row(&ran)])? }
        }
    }
    Ok(0)
}

fn list(processes: &[ProcessView], json: &JsonArgs) -> Result<(), Failure> {
    if json.json {
        return print::json(&processes);
    }
    let mut rows = Vec::new();
    for process in processes {
        let name = || Cell::from(process.id.to_string());
        rows.extend(process.tasks.iter().map(|task| [vec![name()], row(task)].concat()));
        if let Some(why) = &process.unknown {
            let dead = print::judged("unknown", false);
            rows.push(vec![
                name(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                dead,
                "".into(),
                why.clone().into(),
            ]);
        }
    }
    print::table(&HEADINGS, &rows)
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
