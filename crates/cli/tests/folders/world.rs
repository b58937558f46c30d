//! A server with folders, what it is asked of them, and all of its processes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use madang_client::{Client, FolderFiles, Place};
use madang_public_api::{
    FolderQuotaView, FolderTicketView, FolderView, MountCreate, Page, RunMode, RunRequest, RunView, SessionCreate,
    SessionState, SessionView,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::process;

pub use madang_testkit::soon;

/// A program may take so long.
const WALL_MS: u64 = 120_000;

pub struct World {
    pub client: Client,
    pub port: u16,
    home: TempDir,
    server: Option<Child>,
}

impl World {
    pub fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test mounts folders into sandboxes and needs root");
        process::adopt_orphans();
        let home = TempDir::with_prefix("madang-folders-").unwrap();
        let client = Client::new(Place::local(home.path()));
        let mut world = Self { client, port: 0, home, server: None };
        world.start();
        world
    }

    /// Over what another one has left.
    pub fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.home().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
        command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(self.home()).env("MADANG_LOG", "warn");
        for name in ["MADANG_HOME", "MADANG_ENDPOINT", "MADANG_TOKEN"] {
            command.env_remove(name);
        }
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap());
        self.server = Some(server);
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let port = first.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("{first:?} {}", self.log()));
        // The rest of what it says must not fill the pipe.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home().join("log")).unwrap_or_default()
    }

    /// Server, spawner, and every sandbox with all that runs in it, at once and without a word.
    pub async fn kill_everything(&mut self) {
        let server = i32::try_from(self.server.take().unwrap().id()).unwrap();
        let ours = beneath(server);
        assert!(ours.iter().any(|process| process.inner == 1), "no sandbox among {ours:?}");
        // What guests' programs began ends with their first process.
        let pids: Vec<_> = ours.iter().map(|process| process.pid).chain([server]).collect();
        pids.iter().for_each(|pid| process::signal(*pid, Signal::KILL));
        soon("all processes are gone", async || {
            // Other tests have children of their own.
            process::reap_if(|pid| pids.contains(&pid));
            let left: Vec<_> = process::descendants().into_iter().filter(|seen| pids.contains(&seen.pid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    /// Ends it as an administrator does.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = kill_process(Pid::from_child(&server), Signal::TERM);
            let _ = server.wait();
        }
    }

    pub async fn folder(&self, asked: serde_json::Value) -> FolderView {
        let made: FolderView = self.client.post("/api/v1/folders", &asked).await.unwrap();
        let path = format!("/api/v1/folders/{}", made.id);
        soon("a folder is ready", async || {
            let seen: FolderView = self.client.get(&path).await.map_err(|error| error.to_string())?;
            if seen.state == "ready" { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
        .await
    }

    /// What can be had of a folder, with every right to it: URL and ticket.
    pub async fn ticket(&self, folder: &FolderView) -> FolderTicketView {
        let asked = json!({ "path": "", "may": "delete" });
        self.client.post(&format!("/api/v1/folders/{}/tickets", folder.id), &asked).await.unwrap()
    }

    pub async fn files(&self, folder: &FolderView) -> FolderFiles {
        let ticket = self.ticket(folder).await;
        self.client.folder_files(&ticket.url, &ticket.ticket).unwrap()
    }

    /// What the API says that a folder holds.
    pub async fn used(&self, folder: &FolderView) -> u64 {
        let path = format!("/api/v1/folders/{}?usage=true", folder.id);
        let seen: FolderView = self.client.get(&path).await.unwrap();
        seen.used_bytes.unwrap_or_else(|| panic!("{seen:?}"))
    }

    /// What the API says of a user's quota.
    pub async fn quota(&self) -> FolderQuotaView {
        let all: Page<FolderQuotaView> = self.client.get("/api/v1/folder-quotas").await.unwrap();
        all.items.into_iter().find(|quota| quota.user.is_some()).unwrap()
    }

    /// A running session of Python that has this folder at `d`.
    pub async fn session(&self, folder: &FolderView) -> SessionView {
        let mount = MountCreate { folder: folder.id.to_string(), at: Some("d".to_owned()), access: None };
        let create =
            SessionCreate { language: Some("python".to_owned()), mounts: vec![mount], ..SessionCreate::default() };
        self.running(&create).await
    }

    pub async fn running(&self, create: &SessionCreate) -> SessionView {
        let id = self.client.session_create(create).await.unwrap().id.to_string();
        soon("a session runs", async || {
            let seen = self.client.session_get(&id).await.map_err(|error| error.to_string())?;
            if seen.state == SessionState::Running { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
        .await
    }

    /// What a program in a session prints; it has to end well.
    pub async fn python(&self, session: &SessionView, code: &str) -> String {
        let view = self.client.session_run(&session.id.to_string(), &program(code)).await.unwrap();
        ended_well(&view)
    }

    pub async fn end(&self, session: &SessionView) {
        self.client.session_end(&session.id.to_string()).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        self.stop();
    }
}

/// All that descends from a process.
fn beneath(top: i32) -> Vec<process::Process> {
    let all = process::descendants();
    let mut pids = vec![top];
    // Generation after generation, as they are listed.
    all.into_iter()
        .filter(|process| {
            let ours = pids.contains(&process.parent);
            pids.extend(ours.then_some(process.pid));
            ours
        })
        .collect()
}

pub fn program(code: &str) -> RunRequest {
    let mut request =
        RunRequest { mode: RunMode::Batch, code: Some(code.to_owned()), wait: true, ..RunRequest::default() };
    request.limits.wall_ms = Some(WALL_MS);
    request
}

#[track_caller]
pub fn ended_well(view: &RunView) -> String {
    let said = view.whole.stdout.lossy().into_owned();
    let verdict = view.whole.verdict.map(|verdict| verdict.name());
    assert_eq!(verdict, Some("ok"), "{said} {}", view.whole.stderr.lossy());
    said
}
