//! `madang image build`: a session, its files and commands, a commit. Whatever comes of it, the session ends.

use std::{
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use madang_client::Client;
use madang_ids::ByteSize;
use madang_model::{LimitsAsked, Outcome, RunEventBody, Verdict};
use madang_public_api::{ImageView, RunMode, RunRequest, SessionCommit, SessionCommitted, SessionState, SessionView};
use tokio::signal::unix::{SignalKind, signal};

use super::recipe::{Content, Recipe, RecipeStep};
use crate::{exit, exit::Failure, print, session, watch};

/// Between looks at a session that waits to start.
const LOOK: Duration = Duration::from_millis(500);
/// Of a command, where it is only mentioned.
const SHOWN_CHARS: usize = 100;

pub async fn build(path: &Path, json: bool) -> Result<(), Failure> {
    let recipe = Recipe::read(path)?;
    let client = Client::discover()?;
    let deaf = |error: io::Error| Failure::internal(format!("listening for signals: {error}"));
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(deaf)?, signal(SignalKind::terminate()).map_err(deaf)?);
    let began = client.session_create(&recipe.session()).await?;
    let id = began.id.to_string();
    let cut = || Err(Failure { code: exit::STOPPED, line: "cancelled; no image was made".to_owned() });
    let filled = tokio::select! {
        filled = fill(&client, &recipe, path, began) => filled,
        _ = interrupt.recv() => cut(),
        _ = terminate.recv() => cut(),
    };
    // Not to be cut: the server makes it whole or not at all, and we want to say which.
    let made = match filled {
        Ok(()) => commit(&client, &recipe, &id).await,
        Err(failure) => Err(failure),
    };
    let ended = client.session_end(&id).await;
    let made = made?;
    ended?;
    session::committed(&made, json)
}

/// Everything up to what is to be committed.
async fn fill(client: &Client, recipe: &Recipe, path: &Path, began: SessionView) -> Result<(), Failure> {
    let session = running(client, began).await?;
    if let Some(known) = named(client, recipe, &session).await? {
        let line = format!(
            "you have an image called `{}`, {}; remove or rename it first",
            recipe.name,
            ByteSize(known.size_bytes)
        );
        return Err(Failure { code: exit::REFUSED, line });
    }
    let id = session.id.to_string();
    for file in &recipe.files {
        let bytes = match &file.content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::From(from) => {
                let from = path.parent().unwrap_or(Path::new("")).join(from);
                std::fs::read(&from).map_err(|error| Failure::usage(format!("{}: {error}", from.display())))?
            }
        };
        client.file_write(id.as_str(), &file.to, io::Cursor::new(bytes)).await.map_err(|error| {
            let Failure { code, line } = error.into();
            Failure { code, line: format!("the file {:?}: {line}", file.to) }
        })?;
    }
    let of = recipe.steps.len();
    for (at, step) in recipe.steps.iter().enumerate() {
        let shown = print::first_line(step.run.trim(), SHOWN_CHARS);
        print::complain(&format!("step {} of {of}: {shown}", at + 1));
        let outcome = run(client, recipe, &id, step).await?;
        if outcome.verdict != Verdict::Ok {
            let why = match (watch::explain(&outcome), outcome.exit_code) {
                (Some(why), _) => why,
                (None, code) => format!("exit code {}", code.unwrap_or_default()),
            };
            let line = format!("step {} of {of} failed ({why}): {shown}; no image was made", at + 1);
            return Err(Failure { code: exit::BUILD, line });
        }
    }
    Ok(())
}

/// One's own image that has the name already: known before the work is done, not after it.
async fn named(client: &Client, recipe: &Recipe, session: &SessionView) -> Result<Option<ImageView>, Failure> {
    let own = |image: &ImageView| image.committed.as_ref().is_some_and(|made| made.owner == session.owner);
    Ok(client.images().await?.into_iter().find(|image| image.name == recipe.name && own(image)))
}

async fn running(client: &Client, mut session: SessionView) -> Result<SessionView, Failure> {
    let mut told = false;
    loop {
        match session.state {
            SessionState::Running => return Ok(session),
            SessionState::Draining | SessionState::Ended | SessionState::Refused => {
                let why = session.why.unwrap_or_else(|| "it ended".to_owned());
                return Err(Failure { code: exit::REFUSED, line: format!("no session to build in: {why}") });
            }
            _ => {}
        }
        if let Some(queue) = session.queue.as_ref().filter(|_| !told) {
            print::complain(&format!("queued: {}", queue.waits_for));
            told = true;
        }
        tokio::time::sleep(LOOK).await;
        session = client.session_get(&session.id.to_string()).await?;
    }
}

/// What it prints goes to standard error as it comes: standard output is for the image.
async fn run(client: &Client, recipe: &Recipe, id: &str, step: &RecipeStep) -> Result<Outcome, Failure> {
    let wall_ms = step.wall_ms();
    let limits = LimitsAsked { wall_ms: Some(wall_ms), cpu_ms: Some(recipe.cpu_ms(wall_ms)), ..LimitsAsked::default() };
    let argv = ["sh", "-c", step.run.as_str()].map(str::to_owned).to_vec();
    let request = RunRequest { mode: RunMode::Command, argv, limits, ..RunRequest::default() };
    let mut events = client.session_run_stream(id, &request).await?;
    while let Some(event) = events.next().await? {
        match event.body {
            RunEventBody::Stdout { data } | RunEventBody::Stderr { data } => {
                // If stderr is gone there is nobody left to tell.
                let _ = io::stderr().write_all(&data.0);
            }
            RunEventBody::Log { text } => print::complain(&text),
            RunEventBody::Finished { outcome } => return Ok(outcome),
            _ => {}
        }
    }
    Err(Failure { code: exit::UNREACHABLE, line: "the server hung up before the step was over".to_owned() })
}

async fn commit(client: &Client, recipe: &Recipe, id: &str) -> Result<SessionCommitted, Failure> {
    let wanted = SessionCommit { name: recipe.name.clone(), allow_secrets: recipe.allow_secrets };
    client.session_commit(id, &wanted).await.map_err(Failure::from)
}
