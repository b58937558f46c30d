//! A session as tests use it.

use std::sync::Arc;

use madang_client::Client;
use madang_model::{LimitsAsked, Verdict};
use madang_public_api::{AppCreate, AppView, RunMode, RunRequest, RunView, SessionCreate, SessionView};

use crate::server::{Server, shared, soon};

/// A live session of the shared server, which it keeps running.
pub struct Session {
    /// Held so that it stays up.
    pub server: Arc<Server>,
    pub client: Client,
    pub view: SessionView,
}

impl Session {
    pub async fn of(language: &str) -> Self {
        Self::made(SessionCreate { language: Some(language.to_owned()), ..SessionCreate::default() }).await
    }

    pub async fn made(request: SessionCreate) -> Self {
        let server = shared();
        let client = server.client();
        let view = client.session_create(&request).await.unwrap();
        Self { server, client, view }
    }

    pub fn id(&self) -> String {
        self.view.id.to_string()
    }

    pub async fn run(&self, request: RunRequest) -> RunView {
        self.client.session_run(&self.id(), &request).await.unwrap()
    }

    pub async fn query(&self, code: &str) -> RunView {
        self.run(query(code)).await
    }

    /// What a query shows; it must end well.
    pub async fn shown(&self, code: &str) -> String {
        let run = self.query(code).await;
        assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{code}: {}", told(&run));
        run.whole.stdout.lossy().into_owned()
    }
}

/// An app that answers, however late its program listens.
pub async fn app_opened(client: &Client, session: &str, create: &AppCreate) -> AppView {
    let opened = async || client.app_create(session, create).await.map_err(|error| error.to_string());
    soon("the app answers", opened).await
}

/// Nothing that a test does not stop takes as much, however long the machine has something else to do.
const WALL_MS: u64 = 120_000;
const CPU_MS: u64 = 60_000;

pub fn query(code: &str) -> RunRequest {
    RunRequest { code: Some(code.to_owned()), ..request(RunMode::Query) }
}

pub fn batch() -> RunRequest {
    request(RunMode::Batch)
}

pub fn command(argv: &[&str]) -> RunRequest {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    RunRequest { argv, ..request(RunMode::Command) }
}

fn request(mode: RunMode) -> RunRequest {
    RunRequest { mode, limits: wall(WALL_MS), ..RunRequest::default() }
}

/// No limits but this one and a CPU time that is no concern.
pub fn wall(wall_ms: u64) -> LimitsAsked {
    LimitsAsked { wall_ms: Some(wall_ms), cpu_ms: Some(CPU_MS), ..LimitsAsked::default() }
}

/// The limits of a test that has another one in mind.
pub fn patient() -> LimitsAsked {
    wall(WALL_MS)
}

/// All of a run, for a message.
pub fn told(run: &RunView) -> String {
    let whole = &run.whole;
    format!(
        "{:?} {:?} {:?} {:?}\nout: {}\nerr: {}",
        whole.verdict,
        whole.exit_code,
        whole.signal,
        whole.detail,
        whole.stdout.lossy(),
        whole.stderr.lossy()
    )
}
