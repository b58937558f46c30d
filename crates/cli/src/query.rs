//! `madang query`: code in a session's interpreter.

use madang_client::Client;
use madang_public_api::{RunMode, RunRequest};

use crate::{args::QueryArgs, exec, exit::Failure, print, run, stdin, stdin::Own};

pub async fn run(args: QueryArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let (code, own) = match args.code {
        Some(code) if code != "-" => (code, stdin::own()?),
        _ => {
            let bytes = stdin::all()?;
            let code =
                String::from_utf8(bytes).map_err(|_| Failure::usage("the code on standard input is not UTF-8"))?;
            (code, Own::Whole(Vec::new()))
        }
    };
    let request = RunRequest {
        mode: RunMode::Query,
        sandbox: args.at.sandbox,
        code: Some(code),
        limits: args.limits.asked(),
        ..RunRequest::default()
    };
    if args.json {
        let view = client.session_run(&args.session, &request).await?;
        print::json(&view)?;
        return Ok(run::code(&view));
    }
    exec::follow(&client, &args.session, request, own).await
}
