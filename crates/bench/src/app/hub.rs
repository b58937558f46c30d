//! JupyterHub on this machine, as `scripts/install-jupyterhub` puts it there: the same JupyterLab, started by its spawner of processes.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use super::site::Site;
use crate::BenchError;

const PROGRAM: &str = "/opt/jupyterhub/bin/jupyterhub";
const CONFIG: &str = include_str!("../../jupyterhub/config.py");
const USER: &str = "bench";
/// From its start to its first answer, and from asking for a server to its page.
const WAIT: Duration = Duration::from_secs(120);
/// From the polite signal to the end of it and its servers.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Between two looks at a page that is not there yet.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

pub struct Hub {
    pub site: Site,
    child: Child,
    /// Goes away after it.
    _home: TempDir,
}

impl Hub {
    /// Or why not.
    pub async fn start() -> Result<Self, BenchError> {
        if !Path::new(PROGRAM).exists() {
            return Err(BenchError::Wrong("not installed (scripts/install-jupyterhub)".to_owned()));
        }
        let home =
            TempDir::with_prefix("madang-jupyterhub-").map_err(BenchError::io("making a home for JupyterHub"))?;
        let (child, port, token) = spawn(home.path()).map_err(BenchError::io("starting JupyterHub"))?;
        let mut site = Site::at(format!("127.0.0.1:{port}"));
        site.authorization = Some(format!("token {token}"));
        let mut hub = Self { site, child, _home: home };
        let answered = hub.until("JupyterHub answers", "GET", "/hub/api/", 200).await;
        if answered.is_err() {
            let said = fs::read_to_string(hub._home.path().join("log")).unwrap_or_default();
            let last = said.lines().last().unwrap_or("nothing").to_owned();
            return Err(BenchError::Wrong(format!("it does not answer; it said: {last}")));
        }
        hub.until("a user is there", "POST", &format!("/hub/api/users/{USER}"), 201).await?;
        Ok(hub)
    }

    /// What stands before its server's own paths.
    pub fn base() -> String {
        format!("/user/{USER}/")
    }

    /// A server, from asking for it to its page.
    pub async fn open(&mut self) -> Result<Duration, BenchError> {
        let started = Instant::now();
        let asked = self.site.ask("POST", &format!("/hub/api/users/{USER}/server"), None).await?;
        if !(200..300).contains(&asked.status) {
            return Err(BenchError::Wrong(format!("JupyterHub answers {} to asking for a server", asked.status)));
        }
        self.until("the server's page", "GET", &format!("/user/{USER}/lab"), 200).await?;
        Ok(started.elapsed())
    }

    /// Ends the server and waits until it has.
    pub async fn close(&mut self) -> Result<(), BenchError> {
        self.site.ask("DELETE", &format!("/hub/api/users/{USER}/server"), None).await?;
        let until = Instant::now() + WAIT;
        while Instant::now() < until {
            let seen = self.site.ask("GET", &format!("/hub/api/users/{USER}"), None).await?.json()?;
            if seen["server"].is_null() && seen["pending"].is_null() {
                return Ok(());
            }
            sleep(LOOK_INTERVAL).await;
        }
        Err(BenchError::Wrong("JupyterHub does not end a server".to_owned()))
    }

    async fn until(&mut self, what: &str, method: &str, path: &str, status: u16) -> Result<(), BenchError> {
        let until = Instant::now() + WAIT;
        loop {
            let last = match self.site.ask(method, path, None).await {
                Ok(answer) if answer.status == status => return Ok(()),
                Ok(answer) => answer.status.to_string(),
                Err(error) => error.to_string(),
            };
            let ended = self.child.try_wait().map_err(BenchError::io("waiting for JupyterHub"))?;
            if ended.is_some() || Instant::now() >= until {
                return Err(BenchError::Wrong(format!("waiting in vain until {what}: {last}")));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

fn spawn(home: &Path) -> std::io::Result<(Child, u16, String)> {
    let config = home.join("config.py");
    fs::write(&config, CONFIG)?;
    fs::create_dir_all(home.join("home").join(USER))?;
    // Closed again at once: it takes them, unless somebody is quicker.
    let free = || TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port());
    let (port, hub, api) = (free()?, free()?, free()?);
    let mut random = [0; 32];
    std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut random)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let log = File::create(home.join("log"))?;
    let child = Command::new(PROGRAM)
        .arg("--config")
        .arg(&config)
        .current_dir(home)
        .env("MADANG_BENCH_HUB_HOME", home)
        .env("MADANG_BENCH_HUB_PORT", port.to_string())
        .env("MADANG_BENCH_HUB_HUB_PORT", hub.to_string())
        .env("MADANG_BENCH_HUB_API_PORT", api.to_string())
        .env("MADANG_BENCH_HUB_TOKEN", &token)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok((child, port, token))
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Politely first, so that its proxy and its servers go with it.
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + STOP_WAIT;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
