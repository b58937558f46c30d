//! A real `madang up` with a home of its own, and the command line pointed at it. Needs root and the languages.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use madang_testkit::timed;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const STOP_WAIT: Duration = Duration::from_secs(180);
/// Sessions that are made run already, however long the machine has something else to do.
const CONFIG: &str = "session_start_wait_ms = 120000\n";

pub struct Server {
    home: TempDir,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one and waits until it says where it listens.
    pub fn start(pools: &str) -> Self {
        let home = TempDir::with_prefix("madang-test-").unwrap();
        let config = home.path().join("test.toml");
        fs::write(&config, CONFIG).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_madang"))
            .env("MADANG_CONFIG", config)
            .args(["up", "--listen", "127.0.0.1:0", "--pools", pools, "--data"])
            .arg(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on http://127.0.0.1:"), "{line:?}");
        Self { home, child, _stdout: stdout }
    }

    /// A file beside the server's own, for programs.
    pub fn file(&self, path: &str, content: &str) -> String {
        let path: PathBuf = self.home.path().join("programs").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
        command
            .args(timed(words))
            .env("MADANG_HOME", self.home.path())
            .env_remove("MADANG_ENDPOINT")
            .env_remove("MADANG_TOKEN");
        command.stdin(Stdio::null());
        command
    }

    pub fn madang(&self, words: &[&str]) -> (i32, String, String) {
        ended(self.command(words).output().unwrap())
    }

    /// With `input` through a pipe, all at once.
    pub fn madang_fed(&self, words: &[&str], input: &str) -> (i32, String, String) {
        let given = self.file("input", input);
        // cat keeps it a pipe: a file would travel with the request.
        let mut cat = Command::new("cat").arg(given).stdout(Stdio::piped()).spawn().unwrap();
        let output = self.command(words).stdin(cat.stdout.take().unwrap()).output().unwrap();
        cat.wait().unwrap();
        ended(output)
    }

    /// Stops it gracefully; nothing of its slots may stay.
    pub fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let until = Instant::now() + STOP_WAIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
        let left: Vec<_> = fs::read_dir(self.home.path().join("slots")).unwrap().flatten().collect();
        assert!(left.is_empty(), "slots are left: {left:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only after a failed test; a stopped server is gone already.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
