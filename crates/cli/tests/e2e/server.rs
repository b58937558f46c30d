//! A real `madang up` with a home of its own, shared by the tests that run at the same time. Needs root and the languages.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use madang_client::{Client, Place};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use madang_testkit::{soon, timed};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Sessions that are made run already, however long the machine has something else to do.
const START_WAIT: &str = "session_start_wait_ms = 120000\n";
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until `found` finds something; says what it last saw when that never happens.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match found() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < until, "{what}: {seen}"),
        }
        std::thread::park_timeout(LOOK);
    }
}

/// A running server. The last one to let go of it stops it, and sees that nothing is left.
pub struct Server {
    home: Arc<TempDir>,
    url: String,
    ssh_port: String,
    apps: String,
    child: Mutex<Child>,
    _stdout: BufReader<ChildStdout>,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// The server that tests share.
pub fn shared() -> Arc<Server> {
    let mut held = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *held = Arc::downgrade(&server);
        server
    })
}

impl Server {
    pub fn start() -> Self {
        Self::start_in(Arc::new(TempDir::with_prefix("madang-e2e-").unwrap()))
    }

    /// A server over what another one left in `home`.
    pub fn start_in(home: Arc<TempDir>) -> Self {
        Self::start_with(home, "")
    }

    /// The same, with what is in a configuration file.
    pub fn start_with(home: Arc<TempDir>, config: &str) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_madang")), home, config)
    }

    /// A server that may have no more open files than this.
    pub fn start_with_descriptors(most: u32) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={most}:{most}")).arg(env!("CARGO_BIN_EXE_madang"));
        Self::start_by(command, Arc::new(TempDir::with_prefix("madang-e2e-").unwrap()), "")
    }

    fn start_by(mut command: Command, home: Arc<TempDir>, config: &str) -> Self {
        let file = home.path().join("test.toml");
        fs::write(&file, format!("{START_WAIT}{config}")).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(home.path().join("log")).unwrap();
        let mut child = command
            .args(["up", "--listen", "127.0.0.1:0", "--ssh-listen", "127.0.0.1:0", "--data"])
            .arg(home.path())
            .env("MADANG_CONFIG", file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let log = || fs::read_to_string(home.path().join("log")).unwrap_or_default();
        let url = line.trim_end().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?} {}", log()));
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        let url = url.to_owned();
        let mut apps = String::new();
        let ssh_port = loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "{}", log());
            if let Some(rest) = line.trim_end().strip_prefix("apps of sessions open at http://") {
                apps = rest.trim_end_matches('/').to_owned();
            }
            if let Some(rest) = line.strip_prefix("SSH on 127.0.0.1:") {
                break rest.split(':').next().unwrap().to_owned();
            }
        };
        Self { url, ssh_port, apps, home, child: Mutex::new(child), _stdout: stdout }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn ssh_port(&self) -> String {
        self.ssh_port.clone()
    }

    /// `host:port` where apps open.
    pub fn apps(&self) -> &str {
        &self.apps
    }

    pub fn client(&self) -> Client {
        Client::new(Place::local(self.home()))
    }

    /// A file beside the server's own, for programs.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.home().join("programs").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
        command.args(timed(words)).env("MADANG_HOME", self.home());
        for name in ["MADANG_ENDPOINT", "MADANG_TOKEN"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn madang(&self, words: &[&str]) -> (i32, String, String) {
        ended(self.command(words).output().unwrap())
    }

    /// An image goes, once the sessions that were made of it are gone.
    pub async fn image_removed(&self, image: &str) {
        soon("the image is removed", async || match self.madang(&["image", "rm", image]) {
            (0, ..) => Ok(()),
            (code, _, err) => Err(format!("{image}: {code} {err}")),
        })
        .await;
    }

    pub fn slots(&self) -> Vec<String> {
        names(&self.home().join("slots"))
    }

    /// Control groups named after this server, in every hierarchy.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let canonical = self.home().canonicalize().unwrap();
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let roots: Vec<PathBuf> = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .filter(|fields| fields[2].starts_with("cgroup"))
            .map(|fields| PathBuf::from(fields[1]))
            .collect();
        let group = group(&canonical);
        roots.iter().flat_map(|root| below(root, 3)).filter(|path| path.ends_with(&group)).collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap(), signal).unwrap();
    }

    fn ended(&self) -> ExitStatus {
        eventually("the server ends", || {
            let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().unwrap();
            status.ok_or_else(|| "it still runs".to_owned())
        })
    }

    /// Ends it at once, without a chance to do anything; its home stays.
    pub fn kill(self) -> Arc<TempDir> {
        self.signal(Signal::KILL);
        self.ended();
        Arc::clone(&self.home)
    }

    /// Asks it to end and waits; its home stays.
    pub fn terminate(self) -> Arc<TempDir> {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", fs::read_to_string(self.home().join("log")).unwrap());
        Arc::clone(&self.home)
    }

    /// Waits for one that was asked to end; its home stays.
    pub fn ended_well(self) -> Arc<TempDir> {
        let status = self.ended();
        assert!(status.success(), "{status}");
        Arc::clone(&self.home)
    }

    fn nothing_is_left(&self) {
        eventually("nothing is left of the slots", || {
            let left = (self.slots(), slots_of(&self.cgroups()));
            if left.0.is_empty() && left.1.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().unwrap().is_none();
        if !running {
            return;
        }
        // Sessions outlive their server, so they are ended first.
        let (_, sessions, _) = self.madang(&["session", "ls", "--json"]);
        let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap_or_default();
        let sessions = sessions.as_array().or_else(|| sessions["items"].as_array()).cloned().unwrap_or_default();
        for session in sessions {
            self.madang(&["session", "rm", session["id"].as_str().unwrap_or_default()]);
        }
        self.signal(Signal::TERM);
        let status = self.ended();
        if !std::thread::panicking() {
            assert!(status.success(), "{status}");
            self.nothing_is_left();
        }
    }
}

/// What the node calls its control groups: FNV-1a of its home tells instances apart.
fn group(home: &Path) -> String {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = home.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fold);
    format!("madang-{:08x}", hash >> 32)
}

pub fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let folders = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    if depth > 1 {
        let deeper: Vec<_> = all.iter().flat_map(|path| below(path, depth - 1)).collect();
        all.extend(deeper);
    }
    all
}

/// Groups of slots below those of a server.
fn slots_of(cgroups: &[PathBuf]) -> Vec<PathBuf> {
    cgroups.iter().flat_map(|cgroup| below(cgroup, 1)).collect()
}
