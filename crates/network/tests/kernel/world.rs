//! A world of our own: a namespace where the node is, one that is the rest of the internet, a cable between them, and namespaces that
//! stand for sandboxes. Gone with the value.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
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
pub const LONG: Duration = Duration::from_secs(20);
/// For what is expected to fail by silence.
const SHORT: Duration = Duration::from_millis(700);

static WORLDS: AtomicU32 = AtomicU32::new(0);

pub struct World {
    word: String,
}

pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
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
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                // Whoever has gone has gone.
                let _ = stream.write_all(says.as_bytes());
            }
        });
    }
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
pub struct Guest {
    child: Child,
    pub namespace: OwnedFd,
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

    /// What a server there says; nothing where there is no way.
    pub fn hears(&self, address: Ipv4Addr, port: u16) -> Option<String> {
        self.act(|| hear(address, port, LONG))
    }

    /// The same of what is expected to fail.
    pub fn cannot_reach(&self, address: Ipv4Addr, port: u16) -> bool {
        self.act(|| hear(address, port, SHORT)).is_none()
    }
}

fn hear(address: Ipv4Addr, port: u16, wait: Duration) -> Option<String> {
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
