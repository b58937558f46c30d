//! nginx with WebDAV, as Debian has it: whom we compare large files with.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::wire::Wire;
use crate::BenchError;

const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];
/// From its start to its first answer.
const START_WAIT: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A server that goes away with this.
#[derive(Debug)]
pub struct Nginx {
    pub wire: Wire,
    child: Child,
    _home: TempDir,
}

impl Nginx {
    /// On the disk where `beside` is.
    pub fn start(beside: Option<&Path>) -> Result<Self, BenchError> {
        let parent = beside.and_then(Path::parent).map_or_else(std::env::temp_dir, Path::to_owned);
        let home =
            TempDir::with_prefix_in("madang-nginx-", parent).map_err(BenchError::io("making a home for nginx"))?;
        let port = free_port().map_err(BenchError::io("finding a port for nginx"))?;
        let config = configure(home.path(), port).map_err(BenchError::io("writing nginx's configuration"))?;
        let mut child = spawn(&config)?;
        let until = Instant::now() + START_WAIT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().map_err(BenchError::io("waiting for nginx"))?;
            if ended.is_some() || Instant::now() >= until {
                let _ = child.kill().and_then(|()| child.wait());
                let said = fs::read_to_string(home.path().join("error.log")).unwrap_or_default();
                return Err(BenchError::Wrong(format!("nginx did not start: {}", said.trim())));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let wire = Wire { authority: format!("127.0.0.1:{port}"), base: String::new(), ticket: None };
        Ok(Self { wire, child, _home: home })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // In the foreground and with one process: nobody is left behind.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn spawn(config: &Path) -> Result<Child, BenchError> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.arg("-c").arg(config).arg("-e").arg("stderr");
        match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            spawned => return spawned.map_err(BenchError::io("starting nginx")),
        }
    }
    Err(BenchError::Wrong("not installed".to_owned()))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// One process, without a log of requests; uploads become files by a rename, as ours do.
fn configure(home: &Path, port: u16) -> std::io::Result<PathBuf> {
    for directory in ["root/files", "temp"] {
        fs::create_dir_all(home.join(directory))?;
    }
    let path = home.display();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;\n\
         client_body_temp_path {path}/temp; proxy_temp_path {path}/temp; fastcgi_temp_path {path}/temp;\n\
         uwsgi_temp_path {path}/temp; scgi_temp_path {path}/temp;\n\
         client_max_body_size 0; client_body_buffer_size 1m;\n\
         server {{ listen 127.0.0.1:{port}; root {path}/root; dav_methods PUT DELETE; create_full_put_path on; }} }}\n"
    );
    let config = home.join("nginx.conf");
    fs::write(&config, text)?;
    Ok(config)
}
