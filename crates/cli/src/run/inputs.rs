//! One program against many inputs: one table of outcomes.

use madang_client::Client;
use madang_ids::ByteSize;
use madang_model::{Blob, Verdict};
use madang_public_api::{OneShotRequest, run::PartView};

use crate::{args::RunArgs, exit, exit::Failure, print, print::Cell, stdin};

/// How much of an output the table shows.
const OUTPUT_CHARS_MAX: usize = 40;

pub async fn run(client: &Client, mut request: OneShotRequest, args: &RunArgs) -> Result<u8, Failure> {
    for path in &args.input {
        request.inputs.push(Blob(stdin::file(path)?));
    }
    let view = client.run(&request).await?;
    let code = super::code(&view);
    if args.json {
        print::json(&view)?;
        return Ok(code);
    }
    let outputs = view.outputs.as_deref().unwrap_or_default();
    if let Some(build) = &view.build {
        eprint!("{}{}", build.stdout.lossy(), build.stderr.lossy());
    }
    if outputs.is_empty() {
        print::complain(&super::explained(&view).unwrap_or_else(|| "no input was run".to_owned()));
        return Ok(if code == 0 { exit::INTERNAL } else { code });
    }
    let rows: Vec<Vec<Cell>> =
        args.input.iter().zip(outputs).map(|(path, part)| row(path.display().to_string(), part)).collect();
    print::table(&["INPUT", "VERDICT", "EXIT", "WALL ms", "CPU ms", "MEMORY", "OUTPUT"], &rows)?;
    let worst = outputs.iter().map(part_code).find(|code| *code != 0);
    Ok(worst.unwrap_or(code))
}

fn row(name: String, part: &PartView) -> Vec<Cell> {
    let verdict = part.verdict.unwrap_or(Verdict::InternalError);
    let usage = &part.usage;
    vec![
        name.into(),
        print::judged(verdict.name(), verdict == Verdict::Ok),
        part.exit_code.map(|code| code.to_string()).unwrap_or_default().into(),
        print::millis(usage.wall_us).into(),
        print::millis(usage.cpu_user_us + usage.cpu_system_us).into(),
        ByteSize(usage.memory_peak_bytes).to_string().into(),
        print::first_line(&part.stdout.lossy(), OUTPUT_CHARS_MAX).into(),
    ]
}

fn part_code(part: &PartView) -> u8 {
    exit::of_verdict(part.verdict.unwrap_or(Verdict::InternalError), part.exit_code, part.signal)
}
