//! `madang run`: a program in a fresh sandbox.

mod inputs;
mod plan;

use madang_client::Client;
use madang_model::{Blob, Outcome, Verdict};
use madang_public_api::{OneShotRequest, RunView};

use crate::{args::RunArgs, exit, exit::Failure, print, stdin, stdin::Own, watch};

pub async fn run(args: RunArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let mut request = plan::request(&client, &args).await?;
    if !args.input.is_empty() {
        return inputs::run(&client, request, &args).await;
    }
    let code_came_from_stdin = args.files.iter().any(|file| file.as_os_str() == "-");
    let own = match &args.stdin {
        Some(path) => Own::Whole(stdin::file(path)?),
        None if code_came_from_stdin => Own::Whole(Vec::new()),
        None => stdin::own()?,
    };
    if args.json {
        return finished(&client, request, own).await;
    }
    match own {
        Own::Whole(bytes) => {
            request.stdin = Some(Blob(bytes)).filter(|bytes| !bytes.0.is_empty());
            let events = client.run_stream(&request).await?;
            watch::stream(&client, events).await
        }
        Own::Live => {
            request.stdin_live = true;
            let id = client.run_begin(&request).await?.id;
            let attachment = client.run_attach(id).await?;
            watch::live(&client, id, attachment).await
        }
    }
}

/// The whole result as JSON, once there is one.
async fn finished(client: &Client, mut request: OneShotRequest, own: Own) -> Result<u8, Failure> {
    let bytes = match own {
        Own::Whole(bytes) => bytes,
        Own::Live if std::io::IsTerminal::is_terminal(&std::io::stdin()) => Vec::new(),
        Own::Live => stdin::all()?,
    };
    request.stdin = Some(Blob(bytes)).filter(|bytes| !bytes.0.is_empty());
    let view = client.run(&request).await?;
    print::json(&view)?;
    Ok(code(&view))
}

/// The exit code that a finished run stands for.
pub fn code(view: &RunView) -> u8 {
    let whole = &view.whole;
    exit::of_verdict(whole.verdict.unwrap_or(Verdict::InternalError), whole.exit_code, whole.signal)
}

/// Why a finished run did not end by itself.
pub fn explained(view: &RunView) -> Option<String> {
    let whole = &view.whole;
    watch::explain(&Outcome {
        verdict: whole.verdict.unwrap_or(Verdict::InternalError),
        exit_code: whole.exit_code,
        signal: whole.signal,
        usage: whole.usage,
        detail: whole.detail.clone(),
    })
}
