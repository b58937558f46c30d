//! A server of our own to be hostile to: the real binary, a home of its own, a free port.

#![allow(dead_code, reason = "each test that shares this uses its own part")]

pub mod app;
pub mod planted;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use madang_client::{Client, Place};
use madang_model::{Blob, File, LimitsAsked};
use madang_public_api::{OneShotRequest, RunMode, RunRequest, RunView, SessionCreate, SessionState, SessionView};

/// A session starts within so long, however busy the machine; how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a one-shot run may take unless it says otherwise.
const WALL_MS: u64 = 120_000;
const LOOK: Duration = Duration::from_millis(20);

/// A server, ended with the test.
pub struct Ground {
    pub server: Child,
    pub port: u16,
    home: tempfile::TempDir,
}

impl Ground {
    /// Starts a server and waits until it says where it listens. Needs root.
    pub fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test makes sandboxes with all their walls and needs root");
        let home = tempfile::tempdir().unwrap();
        let mut server = Command::new(env!("CARGO_BIN_EXE_madang"))
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(home.path())
            .env("MADANG_LOG", "warn")
            .stdout(Stdio::piped())
            // Inits of sessions outlive the server and would hold a pipe of the test open.
            .stderr(std::fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the server says where it listens").unwrap();
        let port = first.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{first}"));
        // The rest of what it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { server, port, home }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.home().join("madang.sock")
    }

    pub fn client(&self) -> Client {
        Client::new(Place::local(self.home()))
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.server.wait();
    }
}

/// A one-shot request for `code` that answers when it has ended.
pub fn one_shot(language: &str, code: &str) -> OneShotRequest {
    OneShotRequest {
        language: Some(language.to_owned()),
        code: Some(code.to_owned()),
        wait: true,
        limits: LimitsAsked { wall_ms: Some(WALL_MS), ..LimitsAsked::default() },
        ..OneShotRequest::default()
    }
}

pub fn file(path: &str, content: impl Into<Vec<u8>>) -> File {
    File { path: path.to_owned(), content: Blob(content.into()) }
}

/// A running session of `language`.
pub async fn session(client: &Client, language: &str) -> SessionView {
    let create = SessionCreate { language: Some(language.to_owned()), ..SessionCreate::default() };
    let mut session = client.session_create(&create).await.unwrap();
    let until = Instant::now() + PATIENCE;
    while session.state != SessionState::Running {
        assert!(Instant::now() < until, "the session does not start: {session:?}");
        tokio::time::sleep(LOOK).await;
        session = client.session_get(&session.id.to_string()).await.unwrap();
    }
    session
}

/// One query in a session, waited for.
pub async fn query(client: &Client, session: &SessionView, code: &str, wall_ms: u64) -> RunView {
    let mut request =
        RunRequest { mode: RunMode::Query, code: Some(code.to_owned()), wait: true, ..RunRequest::default() };
    request.limits.wall_ms = Some(wall_ms);
    client.session_run(&session.id.to_string(), &request).await.unwrap()
}

pub fn stdout(view: &RunView) -> String {
    view.whole.stdout.lossy().into_owned()
}

pub fn verdict(view: &RunView) -> &'static str {
    view.whole.verdict.map_or("unfinished", |verdict| verdict.name())
}
