//! A server of our own: the real binary on a free port, with a home that goes away.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use madang_client::{Client, Endpoint, Place};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{BenchError, Settings};

/// From start to ready, self-test and full pools included.
const READY_WAIT: Duration = Duration::from_secs(120);
/// From the polite signal to the end.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The part of a failed server's complaint that is worth showing.
const COMPLAINT_BYTES_MAX: u64 = 4_096;
/// What the first line of `madang up` begins with.
const LISTENING: &str = "listening on ";

/// Whether sandboxes are kept started ahead of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pools {
    On,
    Off,
}

/// A server that runs, ours or somebody's.
#[derive(Debug)]
pub struct Server {
    pub client: Client,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    child: Child,
    home: TempDir,
}

impl Server {
    /// The server that `settings` name, or one of our own.
    pub async fn for_bench(settings: &Settings) -> Result<Self, BenchError> {
        match &settings.endpoint {
            Some(endpoint) => {
                let place = Place::tcp(endpoint.clone(), &madang_client::data_home());
                let place = Place { token: std::env::var("MADANG_TOKEN").ok().or(place.token), ..place };
                Ok(Self { client: Client::new(place), own: None })
            }
            None => Self::start(&settings.madang, Pools::On).await,
        }
    }

    pub async fn start(madang: &Path, pools: Pools) -> Result<Self, BenchError> {
        let pools = if pools == Pools::On { "on" } else { "off" };
        Self::launch(madang, &["up", "--listen", "127.0.0.1:0", "--pools", pools]).await
    }

    /// This program in a role that prints where it listens, with a home of its own.
    pub async fn launch(madang: &Path, role: &[&str]) -> Result<Self, BenchError> {
        let home = TempDir::with_prefix("madang-bench-").map_err(BenchError::io("making a home for a server"))?;
        let mut child = Command::new(madang)
            .args(role)
            .arg("--data")
            .arg(home.path())
            .env("MADANG_HOME", home.path())
            .env_remove("MADANG_ENDPOINT")
            .env_remove("MADANG_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(BenchError::io(format!("starting {}", madang.display())))?;
        let endpoint = listening(&mut child)?;
        let client = Client::new(Place::tcp(endpoint, home.path()));
        let server = Self { client, own: Some(Own { child, home }) };
        server.ready().await?;
        Ok(server)
    }

    /// The home of a server of ours.
    pub fn home(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.home.path())
    }

    /// The process of a server of ours.
    pub fn process(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.child.id())
    }

    async fn ready(&self) -> Result<(), BenchError> {
        let until = Instant::now() + READY_WAIT;
        loop {
            let late = Instant::now() >= until;
            match self.client.ready().await {
                Ok(health) if health.status == "ok" => return Ok(()),
                Ok(health) if late => {
                    return Err(BenchError::Server(format!("{}: {}", health.status, health.notes.join("; "))));
                }
                Ok(health) if health.status == "frozen" => {
                    return Err(BenchError::Server(format!("the service is frozen: {}", health.notes.join("; "))));
                }
                Err(error) if late => return Err(error.into()),
                _ => sleep(LOOK_INTERVAL).await,
            }
        }
    }

    /// Asks a server of ours to stop and waits for it; gives its home, which goes away when that is dropped.
    pub async fn stop(mut self) -> Result<Option<TempDir>, BenchError> {
        let Some(mut own) = self.own.take() else { return Ok(None) };
        signal(&own.child, Signal::TERM);
        let until = Instant::now() + STOP_WAIT;
        loop {
            let ended = own.child.try_wait().map_err(BenchError::io("waiting for the server to stop"))?;
            if ended.is_some() {
                return Ok(Some(own.home));
            }
            if Instant::now() >= until {
                // Reaped so that nothing of it is left when the next measurement starts.
                let _ = own.child.kill().and_then(|()| own.child.wait());
                return Err(BenchError::Wrong(format!("the server did not stop within {} s", STOP_WAIT.as_secs())));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(own) = &mut self.own else { return };
        // On a way out through an error: politely first, so that its sandboxes go with it.
        signal(&own.child, Signal::TERM);
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if !matches!(own.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let _ = own.child.kill().and_then(|()| own.child.wait());
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended already; then there is nobody to tell.
        let _ = kill_process(pid, signal);
    }
}

/// The address in the first line it prints; its later output is read and dropped so that it never blocks.
fn listening(child: &mut Child) -> Result<Endpoint, BenchError> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(BenchError::Server("its output is not ours to read".to_owned()));
    };
    let (told, first) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if told.send(line).is_err() {
                continue;
            }
        }
    });
    let complaint = thread::spawn(move || {
        let mut text = String::new();
        let mut stderr = BufReader::new(stderr);
        let _ = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_string(&mut text);
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        text
    });
    let until = Instant::now() + READY_WAIT;
    loop {
        match first.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(address) = line.split_once(LISTENING).map(|(_, address)| address) {
                    let address = address.split_whitespace().next().unwrap_or_default();
                    return address.parse().map_err(|error| BenchError::Server(format!("{line}: {error}")));
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(BenchError::Server(format!("nothing within {} s", READY_WAIT.as_secs())));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let _ = child.wait();
                let said = complaint.join().unwrap_or_default();
                return Err(BenchError::Server(said.trim().to_owned()));
            }
        }
    }
}
