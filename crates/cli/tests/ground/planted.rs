//! What the host plants for guests to find, and how it sees afterwards that nobody did.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::Ground;

/// Settings of the kernel that guests try to change, and lists that they try to lengthen.
const WATCHED: [&str; 14] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/kernel/sysrq",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/swaps",
    "/proc/modules",
    "/proc/self/mountinfo",
    "/proc/sysvipc/shm",
    "/proc/sysvipc/sem",
];

/// What the directory with the secret is called, before a part of its own.
const PREFIX: &str = "madang-planted-";

/// A secret in a file and in a process, and services that count who knocks.
pub struct Planted {
    pub secret: String,
    canary: PathBuf,
    process: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    socket: UnixListener,
    socket_path: PathBuf,
    abstract_socket: UnixListener,
    abstract_name: String,
    watched: BTreeMap<&'static str, String>,
    directory: tempfile::TempDir,
}

impl Planted {
    pub fn new() -> Self {
        // World-readable on purpose: not the file's mode is to keep guests out.
        let directory = tempfile::Builder::new().prefix(PREFIX).permissions(world()).tempdir().unwrap();
        let secret = format!("secret-of-the-host-{:x}", std::process::id() as u64 * 0x9e37_79b9);
        let canary = directory.path().join("canary");
        fs::write(&canary, &secret).unwrap();
        let process = Command::new("/bin/sleep")
            .arg("1000")
            .env("MADANG_SECRET", &secret)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (tcp, udp) = (TcpListener::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap());
        let socket_path = directory.path().join("service");
        let abstract_name = format!("madang-planted-{}", process.id());
        let mut planted = Self {
            secret,
            canary,
            process,
            tcp,
            udp,
            socket: UnixListener::bind(&socket_path).unwrap(),
            socket_path,
            abstract_socket: UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap(),
            abstract_name,
            watched: BTreeMap::new(),
            directory,
        };
        planted.tcp.set_nonblocking(true).unwrap();
        planted.udp.set_nonblocking(true).unwrap();
        planted.socket.set_nonblocking(true).unwrap();
        planted.abstract_socket.set_nonblocking(true).unwrap();
        planted.watched = watched(None);
        planted
    }

    /// What an attempt is told on its standard input.
    pub fn facts(&self, ground: &Ground) -> String {
        let has = |name: &str| {
            let feature = madang_sandbox::features::look().into_iter().find(|feature| feature.name == name).unwrap();
            feature.state == madang_sandbox::features::FeatureState::InUse
        };
        let landlock = has("Landlock");
        let rows = [
            ("canary_file", self.canary.display().to_string()),
            ("secret", self.secret.clone()),
            ("process", self.process.id().to_string()),
            ("tcp_port", self.tcp.local_addr().unwrap().port().to_string()),
            ("udp_port", self.udp.local_addr().unwrap().port().to_string()),
            ("socket_path", self.socket_path.display().to_string()),
            ("abstract_socket", self.abstract_name.clone()),
            ("server_port", ground.port.to_string()),
            ("server_socket", ground.socket().display().to_string()),
            ("hostname", fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()),
            ("landlock", if landlock { "yes" } else { "no" }.to_owned()),
        ];
        rows.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    /// Everything that is not as it was planted. `said` is what the attempt printed: the secret must not be in it.
    pub fn harm(&mut self, ground: &mut Ground, said: &str) -> Vec<String> {
        let mut harm = Vec::new();
        if said.contains(&self.secret) && !said.contains("ESCAPED") {
            harm.push("the secret was read".to_owned());
        }
        if fs::read_to_string(&self.canary).ok().as_deref() != Some(&self.secret) {
            harm.push("the secret file was changed".to_owned());
        }
        let strangers = fs::read_dir(self.directory.path()).unwrap().count();
        if strangers != 2 {
            harm.push(format!("{strangers} files beside the secret, not 2"));
        }
        if !matches!(self.process.try_wait(), Ok(None)) {
            harm.push("the planted process was ended".to_owned());
        }
        if !matches!(ground.server.try_wait(), Ok(None)) {
            harm.push("the server was ended".to_owned());
        }
        harm.extend(self.knocks());
        let now = watched(Some(ground.home()));
        let changed = self.watched.iter().filter(|(path, text)| now.get(*path) != Some(text));
        harm.extend(changed.map(|(path, before)| format!("{path} was {before:?} and is {:?}", now.get(path))));
        harm
    }

    fn knocks(&self) -> Vec<String> {
        let mut bytes = [0; 64];
        let doors = [
            ("the TCP service", self.tcp.accept().is_ok()),
            ("the UDP service", self.udp.recv(&mut bytes).is_ok()),
            ("the Unix socket", self.socket.accept().is_ok()),
            ("the abstract socket", self.abstract_socket.accept().is_ok()),
        ];
        doors.iter().filter(|(_, knocked)| *knocked).map(|(door, _)| format!("{door} was reached")).collect()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn world() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

/// `home` is where the server has its files: nothing that it makes for sandboxes shows outside them.
fn watched(home: Option<&Path>) -> BTreeMap<&'static str, String> {
    let read = |path: &&'static str| -> io::Result<(&'static str, String)> {
        Ok((path, lasting(path, &fs::read_to_string(path)?, home)))
    };
    WATCHED.iter().filter_map(|path| read(path).ok()).collect()
}

/// What of a list stays as it is while nobody changes anything: how much of it is in use just now is left out, and so is what other tests
/// mount in directories of their own.
fn lasting(path: &str, text: &str, home: Option<&Path>) -> String {
    let columns: &[usize] = match path {
        "/proc/swaps" => &[0, 1],
        "/proc/modules" => &[0],
        "/proc/self/mountinfo" => return mounts(text, home),
        _ => return text.to_owned(),
    };
    let rows = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.map(|row| {
        columns.iter().filter_map(|column| row.get(*column)).map(|word| format!("{word} ")).collect::<String>() + "\n"
    })
    .collect()
}

/// Where what is mounted, and how, by proc(5); numbers of mounts are given anew to others.
fn mounts(text: &str, home: Option<&Path>) -> String {
    let rows = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let temporary = std::env::temp_dir();
    let of_tests = |at: &str| {
        let at = Path::new(at);
        if home.is_some_and(|home| at.starts_with(home)) {
            return false;
        }
        at.starts_with("/run/netns") || at.strip_prefix(&temporary).is_ok_and(|rest| !is_planted(rest))
    };
    rows.filter(|row| !of_tests(row[4])).map(|row| row[3..].join(" ") + "\n").collect()
}

fn is_planted(path: &Path) -> bool {
    path.to_string_lossy().starts_with(PREFIX) || path.as_os_str().is_empty()
}
