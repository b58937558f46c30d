//! `madang exec` and `madang attach`: commands and terminals in a session.

use madang_client::Client;
use madang_model::Blob;
use madang_public_api::{RunMode, RunRequest};

use crate::{
    args::{AttachArgs, ExecArgs},
    exit::Failure,
    print, run, stdin,
    stdin::Own,
    terminal, watch,
};

pub async fn exec(args: ExecArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let mut request = RunRequest {
        mode: RunMode::Command,
        argv: args.argv,
        sandbox: args.at.sandbox,
        limits: args.limits.asked(),
        ..RunRequest::default()
    };
    if args.terminal {
        request.terminal = Some(terminal::size());
        request.stdin_live = true;
        let id = client.session_run_begin(&args.session, &request).await?.id;
        return terminal::lend(client.run_attach(id).await?).await;
    }
    if args.json {
        let view = client.session_run(&args.session, &request).await?;
        print::json(&view)?;
        return Ok(run::code(&view));
    }
    follow(&client, &args.session, request, stdin::own()?).await
}

pub async fn attach(args: AttachArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    terminal::lend(client.session_terminal(args.at.of(&args.session), terminal::size()).await?).await
}

/// Runs `request` in a session with `own` as its input, and shows what happens.
pub async fn follow(client: &Client, session: &str, mut request: RunRequest, own: Own) -> Result<u8, Failure> {
    match own {
        Own::Whole(bytes) => {
            request.stdin = Some(Blob(bytes)).filter(|bytes| !bytes.0.is_empty());
            let events = client.session_run_stream(session, &request).await?;
            watch::stream(client, events).await
        }
        Own::Live => {
            request.stdin_live = true;
            let id = client.session_run_begin(session, &request).await?.id;
            let attachment = client.run_attach(id).await?;
            watch::live(client, id, attachment).await
        }
    }
}
