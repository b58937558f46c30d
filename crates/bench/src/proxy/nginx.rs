//! nginx as the proxy of our upstream, set up as for speed: connections kept, bodies streamed, nothing logged.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// From its start to its first connection.
const READY_WAIT: Duration = Duration::from_secs(10);

pub struct Nginx {
    pub address: SocketAddr,
    child: Child,
    /// Goes away after it.
    _home: TempDir,
}

impl Nginx {
    /// Or why not.
    pub fn start(upstream: SocketAddr) -> Result<Self, String> {
        let home = TempDir::with_prefix("madang-nginx-").map_err(|error| error.to_string())?;
        // Closed again at once: nginx takes it, unless somebody is quicker.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let config = home.path().join("nginx.conf");
        fs::write(&config, text(home.path(), address, upstream)).map_err(|error| error.to_string())?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(home.path())
            .arg("-c")
            .arg(&config)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "not installed".to_owned(),
            _ => error.to_string(),
        })?;
        let mut nginx = Self { address, child, _home: home };
        let until = Instant::now() + READY_WAIT;
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = nginx.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() >= until {
                return Err(format!("nothing within {} s", READY_WAIT.as_secs()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it: a quick shutdown by its own signal, and by ours if it does not hear.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let until = Instant::now() + READY_WAIT;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn text(home: &std::path::Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let home = home.display();
    format!(
        "daemon off;\nworker_processes auto;\nworker_rlimit_nofile 16384;\npid {home}/pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n access_log off;\n keepalive_requests 100000000;\n client_max_body_size 0;\n client_body_temp_path {home}/body;\n \
         proxy_temp_path {home}/proxy;\n fastcgi_temp_path {home}/fastcgi;\n uwsgi_temp_path {home}/uwsgi;\n scgi_temp_path {home}/scgi;\n \
         upstream app {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}\n \
         server {{\n  listen {address};\n  location / {{\n   proxy_pass http://app;\n   proxy_http_version 1.1;\n   \
         proxy_set_header Connection \"\";\n   proxy_set_header X-Forwarded-For $remote_addr;\n   proxy_request_buffering off;\n   \
         proxy_max_temp_file_size 0;\n  }}\n }}\n}}\n"
    )
}
