//! Namespaces: see [`World`].

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::{
    process::{Pid, PidfdFlags, pidfd_open},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

/// A server of the internet, and one more.
pub const FAR: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);
pub const OTHER: Ipv4Addr = Ipv4Addr::new(151, 101, 0, 1);
/// The node, and the router that is its way out: a private network, as most are.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
/// What a cloud has there.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// On a slow day too.
pub const LONG: Duration = Duration::from_secs(120);
/// For what is expected to fail by silence.
pub const SHORT: Duration = Duration::from_millis(700);

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A world of our own. Gone with the value.
#[derive(Debug)]
pub struct World {
    word: String,
}

/// The program of that name; it must succeed.
pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let world = Self { word: format!("mw{}x{number}", std::process::id()) };
        let (node, far) = (world.node(), world.far());
        for namespace in [&node, &far] {
            ip(&format!("netns add {namespace}"));
            ip(&format!("-n {namespace} link set lo up"));
        }
        ip(&format!("-n {node} link add uplink type veth peer name cable netns {far}"));
        ip(&format!("-n {node} addr add {NODE}/24 dev uplink"));
        ip(&format!("-n {far} addr add {ROUTER}/24 dev cable"));
        ip(&format!("-n {node} link set uplink up"));
        ip(&format!("-n {far} link set cable up"));
        ip(&format!("-n {node} route add default via {ROUTER}"));
        for address in [FAR, OTHER, METADATA] {
            ip(&format!("-n {far} addr add {address}/32 dev lo"));
        }
        world
    }

    pub fn node(&self) -> String {
        format!("{}n", self.word)
    }

    pub fn far(&self) -> String {
        format!("{}f", self.word)
    }

    /// What `act` does in a namespace.
    pub fn within<T: Send>(namespace: &str, act: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{namespace}")).unwrap();
        inside(&file.into(), act)
    }

    pub fn at_node<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        Self::within(&self.node(), act)
    }

    /// A server that says its own name to whoever connects, at every address of the namespace; it lives as long as the test.
    pub fn serve(namespace: &str, port: u16, says: &'static str) {
        let listener = Self::within(namespace, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        answer(listener, says.as_bytes().to_vec());
    }

    /// The same with so many letters.
    pub fn serve_bytes(namespace: &str, port: u16, bytes: u64) {
        let listener = Self::within(namespace, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        answer(listener, vec![b'x'; bytes as usize]);
    }

    /// Whom the node knows behind an interface.
    pub fn neighbours(&self, interface: &str) -> String {
        let output = Command::new("ip").args(["-n", &self.node(), "neigh", "show", "dev", interface]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Interfaces of the node.
    pub fn links(&self) -> Vec<String> {
        let output = Command::new("ip").args(["-n", &self.node(), "-br", "link"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let name = |line: &str| line.split([' ', '@']).next().unwrap().to_owned();
        let mut names: Vec<_> = text.lines().map(name).collect();
        names.sort_unstable();
        names
    }
}

fn answer(listener: TcpListener, says: Vec<u8>) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let says = says.clone();
            // Whoever has gone has gone.
            std::thread::spawn(move || drop(stream.write_all(&says)));
        }
    });
}

impl Drop for World {
    fn drop(&mut self) {
        for namespace in [self.node(), self.far()] {
            let _ = Command::new("ip").args(["netns", "delete", &namespace]).output();
        }
    }
}

pub fn inside<T: Send>(namespace: &OwnedFd, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let entered = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        };
        scope.spawn(entered).join().unwrap()
    })
}

/// A process in a network namespace of its own, as a sandbox is.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    pub namespace: OwnedFd,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    pub fn new() -> Self {
        // It says when it is in there, and ends with its input.
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo in; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        let namespace = File::open(format!("/proc/{}/ns/net", child.id())).unwrap().into();
        Self { child, namespace }
    }

    pub fn pidfd(&self) -> OwnedFd {
        pidfd_open(Pid::from_raw(self.child.id() as i32).unwrap(), PidfdFlags::empty()).unwrap()
    }

    pub fn act<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace, act)
    }

    /// A server of its own, as [`World::serve`].
    pub fn serve(&self, port: u16, says: &'static str) {
        answer(self.act(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()), says.as_bytes().to_vec());
    }

    /// `ip`, as root of its namespace.
    pub fn ip(&self, words: &str) {
        let net = format!("--net=/proc/{}/ns/net", self.child.id());
        let output = Command::new("nsenter").args([net.as_str(), "ip"]).args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A Python program, as root of its namespace; returns what it prints.
    pub fn python(&self, program: &str) -> String {
        let net = format!("--net=/proc/{}/ns/net", self.child.id());
        let output = Command::new("nsenter").args([net.as_str(), "python3", "-c", program]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a server there says; nothing where there is no way.
    pub fn hears(&self, address: IpAddr, port: u16) -> Option<String> {
        self.act(|| hear(address, port, LONG))
    }

    /// The same of what is expected to fail.
    pub fn cannot_reach(&self, address: IpAddr, port: u16) -> bool {
        self.act(|| hear(address, port, SHORT)).is_none()
    }
}

/// What a server says.
pub fn hear(address: IpAddr, port: u16, wait: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), wait).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said)
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
