//! Control processes and nodes as processes: started, asked, killed; nothing is left of them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use madang_client::Client;
use madang_model::LimitsAsked;
use madang_public_api::{
    BASE_PATH, Page, RunMode, RunRequest, SessionCreate, SessionView,
    node::{NodePresence, NodeView},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::{clock::Clock, disk::Disk, network::Place};

pub use madang_testkit::soon;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);
/// Where no cable is cut a node that says nothing waits for its turn.
const PATIENT: &str = "node_silent_ms = 20000\n";

/// What a process stands on.
#[derive(Default)]
pub struct Ground<'a> {
    pub place: Option<&'a Place>,
    /// Lines of its configuration.
    pub settings: String,
    /// The disk that its home is on; none for the machine's.
    pub disk_bytes: Option<u64>,
    pub clock: Option<&'a Clock>,
}

/// A process of our program with a home that outlives it.
pub struct Role {
    // Before the home: it is mounted there.
    pub disk: Option<Disk>,
    home: TempDir,
    /// Its log and configuration, which a full disk does not touch.
    papers: TempDir,
    words: Vec<String>,
    namespace: Option<String>,
    clock: Vec<(&'static str, String)>,
    child: Option<Child>,
    /// The first line that it printed.
    pub first_line: String,
}

impl Role {
    /// Starts it and waits for its first line.
    pub fn start(place: Option<&Place>, words: &[&str]) -> Self {
        Self::start_with(place, words, "")
    }

    /// As [`Role::start`]; the settings are lines of its configuration.
    pub fn start_with(place: Option<&Place>, words: &[&str], settings: &str) -> Self {
        Self::start_on(&Ground { place, settings: settings.to_owned(), ..Ground::default() }, words)
    }

    pub fn start_on(ground: &Ground<'_>, words: &[&str]) -> Self {
        let home = TempDir::with_prefix("madang-nodes-").unwrap();
        let mut role = Self {
            disk: ground.disk_bytes.map(|bytes| Disk::mount(home.path(), bytes)),
            home,
            papers: TempDir::with_prefix("madang-papers-").unwrap(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            namespace: ground.place.map(|place| place.namespace.clone()),
            clock: ground.clock.map(Clock::environment).unwrap_or_default(),
            child: None,
            first_line: String::new(),
        };
        fs::write(role.papers.path().join("config.toml"), &ground.settings).unwrap();
        role.again();
        role
    }

    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_madang");
        let mut command = match &self.namespace {
            // Only the network is another one: control groups must stay in sight.
            Some(namespace) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{namespace}")).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(&self.words).arg("--data").arg(self.home.path());
        for name in ["MADANG_HOME", "MADANG_ENDPOINT", "MADANG_TOKEN", "MADANG_NODE_TOKEN"] {
            command.env_remove(name);
        }
        command.env("MADANG_CONFIG", self.papers.path().join("config.toml"));
        command.envs(self.clock.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts what has ended over what it left.
    pub fn again(&mut self) {
        assert!(self.tried_again(), "{}", self.log());
    }

    /// Tries to; whether it has come up.
    pub fn tried_again(&mut self) -> bool {
        assert!(self.child.is_none());
        let log = fs::OpenOptions::new().create(true).append(true).open(self.papers.path().join("log")).unwrap();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).env("MADANG_LOG", "info");
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        self.first_line.clear();
        lines.read_line(&mut self.first_line).unwrap();
        if self.first_line.is_empty() {
            child.wait().unwrap();
            return false;
        }
        // It prints a few more lines and must not find the pipe closed.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        self.child = Some(child);
        true
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.papers.path().join("log")).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::new(madang_client::Place::local(self.home()))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().id();
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
    }

    /// Ends it at once, without a chance to do anything.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let mut child = self.child.take().unwrap();
        child.wait().unwrap();
        // What libfaketime leaves of one that could not clean up.
        for name in [format!("faketime_shm_{}", child.id()), format!("sem.faketime_sem_{}", child.id())] {
            let _ = fs::remove_file(Path::new("/dev/shm").join(name));
        }
    }

    /// Ends it and all that runs in its sandboxes, as if the machine had lost its power.
    pub fn power_off(&mut self) {
        self.kill();
        self.kill_sandboxes();
    }

    /// Waits for it to end by itself; its exit code and what it logged.
    pub fn ended(&mut self) -> (i32, String) {
        let until = Instant::now() + PATIENCE;
        let mut child = self.child.take().unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), self.log());
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            std::thread::park_timeout(LOOK);
        }
    }

    pub fn madang(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
        command.args(words).env("MADANG_HOME", self.home()).stdin(Stdio::null());
        for name in ["MADANG_ENDPOINT", "MADANG_TOKEN"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Processes in the control groups of this node's slots.
    pub fn sandbox_processes(&self) -> Vec<i32> {
        let groups = self.groups();
        let mut pids: Vec<i32> = groups.iter().flat_map(|group| pids_below(group)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn kill_sandboxes(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let pids = self.sandbox_processes();
            if pids.is_empty() {
                return;
            }
            for pid in pids {
                // It may have ended since.
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
            assert!(Instant::now() < until, "processes stay in the slots");
            std::thread::park_timeout(LOOK);
        }
    }

    /// Control groups of this node: one of each kind.
    pub fn groups(&self) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let roots = fields.filter(|fields| fields[2].starts_with("cgroup")).map(|fields| PathBuf::from(fields[1]));
        let name = group(&self.home.path().canonicalize().unwrap());
        roots.map(|root| root.join(&name)).filter(|path| path.exists()).collect()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A second one hurries it; both may find it gone.
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = kill_process(pid, Signal::TERM);
            let until = Instant::now() + PATIENCE;
            while child.try_wait().unwrap().is_none() {
                if Instant::now() > until {
                    let _ = child.kill();
                }
                std::thread::park_timeout(LOOK);
            }
        }
        self.kill_sandboxes();
        if std::thread::panicking() {
            eprintln!("{:?}:\n{}", self.words, self.log());
        }
    }
}

/// What the node calls its control groups: FNV-1a of its home tells instances apart.
fn group(home: &Path) -> String {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = home.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold);
    format!("madang-{:08x}", hash >> 32)
}

fn pids_below(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for entry in fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
        pids.extend(pids_below(&entry.path()));
    }
    pids
}

/// A control process; the settings are lines of its configuration.
pub fn control(place: Option<&Place>, settings: &str) -> Role {
    let patience = if place.is_none() { PATIENT } else { "" };
    control_on(&Ground { place, settings: format!("{patience}{settings}"), ..Ground::default() })
}

pub fn control_on(ground: &Ground<'_>) -> Role {
    let listen = ground.place.map_or_else(|| "127.0.0.1:0".to_owned(), |place| format!("{}:8687", place.address));
    Role::start_on(ground, &["control", "--listen", "127.0.0.1:0", "--nodes-listen", &listen])
}

/// An address that nobody else is given, between two listeners neither: it is bound as long as this is held, and not listened at.
pub struct Address(TcpSocket);

impl Address {
    pub fn new() -> Self {
        let held = TcpSocket::new_v4().unwrap();
        // Who names it may bind it, too; who wants any port does not get this one.
        held.set_reuseaddr(true).unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(held)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.local_addr().unwrap().fmt(f)
    }
}

/// As [`control`], at an address of the test's own, where it is found again by those that dial it.
pub fn control_at(nodes: &Address) -> Role {
    let words = ["control", "--listen", "127.0.0.1:0", "--nodes-listen", &nodes.to_string()];
    Role::start_with(None, &words, PATIENT)
}

/// A token for a node, and where it dials.
pub fn token(control: &Role) -> (String, String) {
    let (code, made, complaint) = control.madang(&["admin", "node-token", "create", "--json"]);
    assert_eq!(code, 0, "{complaint}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("secret"), text("join"))
}

/// A node that has joined.
pub fn node(place: Option<&Place>, control: &Role, name: &str) -> Role {
    let (token, join) = token(control);
    Role::start(place, &["node", "--join", &join, "--token", &token, "--name", name])
}

pub async fn nodes(client: &Client) -> Result<Vec<NodeView>, String> {
    let page: Page<NodeView> = client.get(&format!("{BASE_PATH}/nodes")).await.map_err(|error| error.to_string())?;
    Ok(page.items)
}

/// Waits until so many nodes are heard.
pub async fn here(client: &Client, count: usize) -> Vec<NodeView> {
    soon("nodes are heard", async || {
        let nodes = nodes(client).await?;
        let here = nodes.iter().filter(|node| node.presence == NodePresence::Here && node.cpu_millis > 0).count();
        if here == count { Ok(nodes) } else { Err(format!("{nodes:?}")) }
    })
    .await
}

/// A Python session that runs.
pub async fn session(client: &Client) -> SessionView {
    let request = SessionCreate { language: Some("python".into()), ..SessionCreate::default() };
    let made = client.session_create(&request).await.unwrap();
    running(client, &made.id.to_string()).await
}

pub async fn running(client: &Client, id: &str) -> SessionView {
    soon("the session runs", async || {
        let view = client.session_get(id).await.map_err(|error| error.to_string())?;
        if view.state == madang_public_api::SessionState::Running { Ok(view) } else { Err(format!("{view:?}")) }
    })
    .await
}

/// Nothing takes as long, on however busy a machine.
pub fn patient() -> LimitsAsked {
    LimitsAsked { wall_ms: Some(120_000), cpu_ms: Some(60_000), ..LimitsAsked::default() }
}

/// What code prints in a session's interpreter; asks again while the node or the server is away.
pub async fn says(client: &Client, id: &str, code: &str) -> String {
    let (code, limits) = (Some(code.to_owned()), patient());
    let request = RunRequest { mode: RunMode::Query, code, limits, ..RunRequest::default() };
    soon("the interpreter answers", async || {
        let run = client.session_run(id, &request).await.map_err(|error| error.to_string())?;
        if run.whole.verdict == Some(madang_model::Verdict::Ok) {
            Ok(text(&run.whole.stdout))
        } else {
            Err(format!("{run:?}"))
        }
    })
    .await
}

pub fn text(bytes: &madang_model::Blob) -> String {
    String::from_utf8(bytes.0.to_vec()).unwrap()
}
