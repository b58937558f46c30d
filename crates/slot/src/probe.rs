//! The walls, tried from inside by a guest that is part of init: no image needs to have a program for it.
//!
//! The node asks for it once, before it serves anybody, and does not serve if one line of output is a hole.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    os::unix::fs::MetadataExt,
    time::Duration,
};

use madang_slot_api::{PROBE_LAST_LINE, Probe};

/// Where a file of the host might show.
const ROOTS: [&str; 6] =
    ["", "/proc/1/root", "/proc/1/cwd", "/proc/self/root/../..", "/proc/self/cwd/../../../../..", "/run/madang/../.."];
/// Settings of the kernel; opening one for writing is a hole already.
const SETTINGS: [&str; 6] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper",
];
/// A cloud's metadata service, a name server, and a private network: no way leads there.
const FAR: [Ipv4Addr; 3] = [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(10, 0, 0, 1)];
/// A service on our own loopback answers or refuses at once.
const CONNECT_WAIT: Duration = Duration::from_millis(200);

/// Prints a line a hole, then the last line. The answer is the exit code.
pub fn run(probe: &Probe) -> i32 {
    let mut lines = holes(probe);
    lines.push(PROBE_LAST_LINE.to_owned());
    i32::from(writeln!(std::io::stdout(), "{}", lines.join("\n")).is_err())
}

fn holes(probe: &Probe) -> Vec<String> {
    let mut holes = Vec::new();
    let reads =
        |root: &&str| fs::read_to_string(format!("{root}{}", probe.secret_file)).is_ok_and(|text| text == probe.secret);
    holes.extend(
        ROOTS.iter().filter(|root| reads(root)).map(|root| format!("a file of the host can be read by way of {root}/")),
    );
    holes.extend(strange_processes().map(|pid| format!("process {pid} of somebody else can be seen")));
    holes.extend(shared_namespaces(probe).map(|name| format!("the {name} namespace is the host's")));
    let writable = |path: &&str| fs::OpenOptions::new().write(true).open(path).is_ok();
    holes.extend(SETTINGS.into_iter().filter(writable).map(|path| format!("{path} can be written")));
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, probe.port));
    if TcpStream::connect_timeout(&local, CONNECT_WAIT).is_ok() {
        holes.push(format!("the host's service at {local} can be reached"));
    }
    holes.extend(FAR.into_iter().filter(|&host| has_route(host)).map(|host| format!("there is a way to {host}")));
    holes.extend(weak_status());
    holes
}

fn strange_processes() -> impl Iterator<Item = u32> {
    let me = std::process::id();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(move |&pid| pid != 1 && pid != me)
}

fn shared_namespaces(probe: &Probe) -> impl Iterator<Item = &str> {
    let ours = |name: &str| fs::metadata(format!("/proc/self/ns/{name}")).map(|seen| seen.ino());
    let shared = move |(name, inode): &&(String, u64)| ours(name).is_ok_and(|ours| ours == *inode);
    probe.namespaces.iter().filter(shared).map(|(name, _)| name.as_str())
}

/// Connecting a datagram socket asks the routing tables and sends nothing.
fn has_route(host: Ipv4Addr) -> bool {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect((host, 80))).is_ok()
}

/// What the kernel says of our own walls.
fn weak_status() -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let mut weak = Vec::new();
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        if field(name).is_none_or(|bits| bits.bytes().any(|byte| byte != b'0')) {
            weak.push(format!("capabilities are left: {name} {}", field(name).unwrap_or("unknown")));
        }
    }
    for (name, wanted) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
        if field(name) != Some(wanted) {
            weak.push(format!("{name} is {}, not {wanted}", field(name).unwrap_or("unknown")));
        }
    }
    weak
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_a_sandbox_there_are_holes() {
        let directory = std::env::temp_dir().join(format!("madang-probe-{}", std::process::id()));
        fs::write(&directory, "secret").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let probe = Probe {
            run: 1,
            secret_file: directory.display().to_string(),
            secret: "secret".to_owned(),
            port: listener.local_addr().unwrap().port(),
            namespaces: vec![("pid".to_owned(), fs::metadata("/proc/self/ns/pid").unwrap().ino())],
            wall_ms: 1000,
        };
        let holes = holes(&probe).join("\n");
        fs::remove_file(&directory).unwrap();
        for wanted in
            ["a file of the host", "of somebody else", "the pid namespace", "service at 127.0.0.1", "Seccomp is 0"]
        {
            assert!(holes.contains(wanted), "{wanted}: {holes}");
        }
    }
}
