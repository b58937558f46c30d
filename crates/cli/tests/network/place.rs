//! A server in the node's namespace of a world.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use madang_client::{Client, Place};
use madang_testkit::internet::{NODE, OTHER, World};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use madang_testkit::soon;

/// Where apps are served, on every address of the node's own namespace.
pub const APPS_PORT: u16 = 8_688;

pub struct Server {
    home: TempDir,
    child: Option<Child>,
    port: u16,
}

impl Server {
    pub fn start(world: &World) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test makes networks and needs root");
        let home = TempDir::with_prefix("madang-network-").unwrap();
        fs::write(home.path().join("config.toml"), format!("[network]\nresolvers = [\"{OTHER}\"]\n")).unwrap();
        let mut server = Self { home, child: None, port: 0 };
        server.again(world);
        server
    }

    /// Over what another one has left.
    pub fn again(&mut self, world: &World) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.home.path().join("log")).unwrap();
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", world.node())).arg(env!("CARGO_BIN_EXE_madang"));
        let (apps, url) = (format!("0.0.0.0:{APPS_PORT}"), format!("http://{NODE}:{APPS_PORT}"));
        command.args(["up", "--listen", "127.0.0.1:0", "--apps-listen", &apps, "--apps-url", &url, "--data"]);
        command.arg(self.home.path());
        for name in ["MADANG_HOME", "MADANG_ENDPOINT", "MADANG_TOKEN"] {
            command.env_remove(name);
        }
        command.env("MADANG_CONFIG", self.home.path().join("config.toml"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let port = first.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("{first:?} {}", self.log()));
        // The rest of what it says must not fill the pipe.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::new(Place::local(self.home.path()))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Ends it as an administrator does, and whatever it has left.
    pub fn stop(mut self) {
        self.end(Signal::TERM);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), signal);
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            eprintln!("{}", self.log());
        }
        self.end(Signal::TERM);
    }
}
