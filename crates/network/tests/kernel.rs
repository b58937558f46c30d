//! Policies on the real kernel: sandboxes of a world of our own, and all that they must not reach. Needs root, `ip` and `unshare`.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    time::Instant,
};

use madang_model::{AllowList, Network};
use madang_network::{Attachment, Found, NetworkConfig, Networks, Place, Wanted};
use madang_testkit::internet::{
    FAR, Guest, LONG, METADATA, NODE, Names, OTHER, ROUTER, SHORT, World, hear, ip, look_up,
};
use tokio::runtime::Runtime;

/// A node's networks: everything of it is in the node's namespace.
struct Node {
    networks: Networks,
    runtime: Runtime,
}

impl Node {
    fn start(world: &World, home: &Path, config: NetworkConfig, alive: Vec<Found>) -> Self {
        let place = Place { instance: "0123abcd".to_owned(), state: home.join("network.json") };
        world.at_node(|| {
            // Its threads are where they were started.
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let networks = Networks::open(&place, config, alive).unwrap();
            runtime.block_on(async {
                let all = networks.clone();
                tokio::spawn(async move { all.serve_all().await }).await.unwrap();
            });
            Self { networks, runtime }
        })
    }

    fn attach(&self, guest: &Guest, slot: &str, session: &str, network: Network) -> Attachment {
        let (networks, wanted) = (self.networks.clone(), wanted(guest, slot, session, network));
        self.runtime
            .block_on(async { tokio::spawn(async move { networks.attach(wanted).await }).await })
            .unwrap()
            .unwrap()
    }
}

fn wanted(guest: &Guest, slot: &str, session: &str, network: Network) -> Wanted {
    let (slot, session) = (slot.to_owned(), session.to_owned());
    Wanted { peer: Some(format!("{slot}-peer")), slot, pidfd: guest.pidfd(), session, network }
}

fn list(entries: &[&str]) -> Network {
    Network::AllowList(AllowList::parse(entries.iter().copied()).unwrap())
}

fn forwarding(world: &World, interface: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    world.at_node(|| std::fs::read_to_string(path)).unwrap().trim().to_owned()
}

/// Whatever has a network sees none of these.
fn assert_near_is_closed(guest: &Guest, gateway: Ipv4Addr) {
    let near = [
        NODE,
        ROUTER,
        METADATA,
        gateway,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(10, 1, 2, 3),
        Ipv4Addr::new(198, 19, 0, 1),
    ];
    for address in near {
        assert!(guest.cannot_reach(address.into(), 80), "{address}");
        assert!(guest.cannot_reach(address.to_ipv6_mapped().into(), 80), "::ffff:{address}");
        let [a, b, c, d] = address.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        let spellings = [
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        ];
        for spelling in spellings {
            assert!(guest.cannot_reach(spelling.into(), 80), "{spelling}");
        }
    }
}

#[test]
fn the_internet_is_reached_and_nothing_that_is_near() {
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve(&world.far(), 80, "far");
    World::serve(&world.node(), 80, "node");
    // What is closed to a sandbox is there.
    for address in [FAR, ROUTER, METADATA, NODE] {
        assert!(world.at_node(|| hear(address.into(), 80, LONG)).is_some(), "{address}");
    }
    let node = Node::start(&world, home.path(), NetworkConfig::default(), Vec::new());
    assert!(guest.cannot_reach(FAR.into(), 80));
    let attached = node.attach(&guest, "slot-1", "s1", Network::Internet);
    assert_eq!(guest.hears(FAR.into(), 80).as_deref(), Some("far"));
    assert_eq!(guest.hears(FAR.to_ipv6_mapped().into(), 80).as_deref(), Some("far"));
    assert_near_is_closed(&guest, attached.gateway);
    let used = node.networks.transferred("slot-1");
    assert!(used.in_bytes > 0 && used.out_bytes > 0, "{used:?}");
    assert_eq!((forwarding(&world, "uplink"), forwarding(&world, "lo")), ("1".to_owned(), "0".to_owned()));
    node.networks.detach("slot-1").unwrap();
    assert!(guest.cannot_reach(FAR.into(), 80));
    node.networks.close().unwrap();
    assert_eq!(forwarding(&world, "uplink"), "0");
    assert!(!home.path().join("network.json").exists());
    assert_eq!(world.links(), ["lo", "uplink"]);
}

#[test]
fn names_of_a_list_are_reached_and_keep_working_when_they_move() {
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve(&world.far(), 80, "far");
    let names = Names::serve(&world);
    names.set("good.example", &[FAR]);
    names.set("evil.example", &[OTHER]);
    names.set("rebound.example", &[METADATA, Ipv4Addr::LOCALHOST, ROUTER, NODE]);
    let config = NetworkConfig { resolvers: vec![names.address], ..NetworkConfig::default() };
    let node = Node::start(&world, home.path(), config, Vec::new());
    let allowed = list(&["good.example", "rebound.example", "169.254.0.0/16", "192.168.0.0/16", "203.0.113.0/24"]);
    let Attachment { gateway, .. } = node.attach(&guest, "slot-1", "s1", allowed);
    let ask = |name: &str| guest.act(|| look_up(gateway, name));
    // A server of names that answers late is answered for without an address.
    let finds = |name: &str, address: Ipv4Addr| {
        let began = Instant::now();
        while ask(name) != Some(vec![address]) {
            assert!(began.elapsed() < LONG, "{name} is never {address}");
        }
    };
    assert!(guest.cannot_reach(FAR.into(), 80), "before its name was asked for");
    finds("good.example", FAR);
    assert_eq!(guest.hears(FAR.into(), 80).as_deref(), Some("far"));
    assert_eq!(ask("evil.example"), Some(vec![]));
    assert!(guest.cannot_reach(OTHER.into(), 80));
    // Ours is the only server of names.
    assert!(guest.act(|| look_up(OTHER, "evil.example")).is_none());
    names.set("good.example", &[OTHER]);
    finds("good.example", OTHER);
    assert_eq!(guest.hears(OTHER.into(), 80).as_deref(), Some("far"));
    assert_eq!(ask("rebound.example"), Some(vec![]));
    assert_near_is_closed(&guest, gateway);
}

#[test]
fn ranges_of_a_list_are_reached_and_an_administrator_opens_what_is_private() {
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve(&world.far(), 80, "far");
    let config = NetworkConfig {
        opened: vec!["192.168.77.1".parse().unwrap()],
        closed: vec!["151.101.0.0/16".parse().unwrap()],
        ..NetworkConfig::default()
    };
    let node = Node::start(&world, home.path(), config, Vec::new());
    node.attach(&guest, "slot-1", "s1", list(&["93.184.216.0/24", "151.101.0.1", "192.168.0.0/16", "0.0.0.0/1"]));
    for address in [FAR, ROUTER] {
        assert_eq!(guest.hears(address.into(), 80).as_deref(), Some("far"), "{address}");
    }
    for address in [OTHER, METADATA, NODE] {
        assert!(guest.cannot_reach(address.into(), 80), "{address}");
    }
}

#[test]
fn sandboxes_of_a_session_see_each_other_and_nobody_else_sees_them() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let [one, two, stranger] = [Guest::new(), Guest::new(), Guest::new()];
    let node = Node::start(&world, home.path(), NetworkConfig::default(), Vec::new());
    let first = node.attach(&one, "slot-1", "s1", Network::Internet);
    let second = node.attach(&two, "slot-2", "s1", list(&[]));
    let third = node.attach(&stranger, "slot-3", "s2", Network::Internet);
    one.serve(8000, "one");
    two.serve(8000, "two");
    assert_eq!(one.hears(second.address.into(), 8000).as_deref(), Some("two"));
    assert_eq!(two.hears(first.address.into(), 8000).as_deref(), Some("one"));
    // By name as well, whatever else may be looked up; and by none that is another session's.
    let look = |from: &Guest, gateway, name: &str| from.act(|| look_up(gateway, name)).unwrap_or_default();
    assert_eq!(look(&one, first.gateway, "slot-2-peer"), [second.address]);
    assert_eq!(look(&two, second.gateway, "SLOT-1-peer"), [first.address]);
    assert!(look(&two, second.gateway, "slot-3-peer").is_empty());
    assert!(look(&stranger, third.gateway, "slot-1-peer").is_empty());
    for address in [first.address, second.address] {
        assert!(stranger.cannot_reach(address.into(), 8000), "another session: {address}");
        assert!(world.at_node(|| hear(address.into(), 8000, SHORT)).is_none(), "the node: {address}");
    }
    // A machine of the network, which knows the way.
    ip(&format!("-n {} route add 198.18.0.0/15 via {NODE}", world.far()));
    assert!(World::within(&world.far(), || hear(first.address.into(), 8000, SHORT)).is_none());
    node.networks.detach("slot-1").unwrap();
    assert!(two.cannot_reach(first.address.into(), 8000));
}

/// Speaks as root of the guest's namespace, as no guest can: whatever it sends, the far side hears nothing of it.
#[test]
fn nobody_speaks_as_another() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let [one, two] = [Guest::new(), Guest::new()];
    let node = Node::start(&world, home.path(), NetworkConfig::default(), Vec::new());
    let mine = node.attach(&one, "slot-1", "s1", Network::Internet);
    let theirs = node.attach(&two, "slot-2", "s2", Network::Internet);
    let heard = World::within(&world.far(), || UdpSocket::bind((FAR, 9)).unwrap());
    let says = |text: &[u8], from: Ipv4Addr| {
        one.act(|| UdpSocket::bind((from, 0)).and_then(|socket| socket.send_to(text, (FAR, 9)))).unwrap();
    };
    for address in [theirs.address, NODE, OTHER] {
        one.ip(&format!("addr add {address}/32 dev eth0"));
        says(b"spoofed", address);
    }
    // Whoever is asked for by ARP is not told apart by what anybody says: the node knows its neighbour for good.
    let neighbours = world.neighbours(&mine.interface);
    assert!(neighbours.contains("PERMANENT") && neighbours.lines().count() == 1, "{neighbours}");
    one.ip(&format!("neigh replace {} lladdr 02:00:00:00:00:01 dev eth0 nud permanent", theirs.gateway));
    assert_eq!(world.neighbours(&mine.interface), neighbours);
    says(b"honest", mine.address);
    heard.set_read_timeout(Some(LONG)).unwrap();
    let mut buffer = [0; 16];
    let (count, _) = heard.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"honest", "what was sent before it was dropped");
}

/// Frames that no stack of the kernel would make: ARP that claims an address for its sender, asked and unasked, and IP packets of another
/// sandbox, from its hardware address and from another.
const FORGED_FRAMES: &str = r#"
import fcntl, socket, struct
own, gateway, theirs, far = (socket.inet_aton(address) for address in ADDRESSES)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("eth0", 0))
hardware = fcntl.ioctl(s, 0x8927, struct.pack("256s", b"eth0"))[18:24]
neighbour, everybody, other = bytes.fromhex(NEIGHBOUR), b"\xff" * 6, bytes.fromhex("020000000001")

def arp(sender, claims, address, asked):
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1 if asked else 2)
    return sender + b"\x08\x06" + head + claims + address + b"\x00" * 6 + own

def total(data):
    words = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while words >> 16:
        words = (words & 0xffff) + (words >> 16)
    return ~words & 0xffff

def udp(sender, source):
    text = b"forged"
    body = struct.pack("!HHHH", 9, 9, 8 + len(text), 0) + text
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0, source, far)
    head = head[:10] + struct.pack("!H", total(head)) + head[12:]
    return sender + b"\x08\x00" + head + body

for sender in (hardware, other):
    for destination in (neighbour, everybody):
        for address in (gateway, theirs, own):
            for claims in (hardware, other):
                for asked in (False, True):
                    s.send(destination + arp(sender, claims, address, asked))
        for source in (theirs, gateway, far):
            s.send(destination + udp(sender, source))
# One that is made the same way and is honest gets there: the others would have too.
s.send(neighbour + udp(hardware, own).replace(b"forged", b"honest"))
print("sent")
"#;

#[test]
fn forged_frames_move_nobody_and_reach_nobody() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let [one, two] = [Guest::new(), Guest::new()];
    World::serve(&world.far(), 80, "far");
    let node = Node::start(&world, home.path(), NetworkConfig::default(), Vec::new());
    let mine = node.attach(&one, "slot-1", "s1", Network::Internet);
    let theirs = node.attach(&two, "slot-2", "s2", Network::Internet);
    let heard = World::within(&world.far(), || UdpSocket::bind((FAR, 9)).unwrap());
    let before = [&mine, &theirs].map(|of| world.neighbours(&of.interface));
    let of_node = one.python("print(open('/proc/net/arp').read())");
    let neighbour = of_node.split_whitespace().find(|word| word.matches(':').count() == 5).unwrap().replace(':', "");
    let addresses = [mine.address, mine.gateway, theirs.address, FAR].map(|address| format!("'{address}'")).join(", ");
    let program = format!("ADDRESSES = [{addresses}]\nNEIGHBOUR = '{neighbour}'\n{FORGED_FRAMES}");
    assert_eq!(one.python(&program).trim(), "sent");
    heard.set_read_timeout(Some(LONG)).unwrap();
    let mut buffer = [0; 16];
    let (count, from) = heard.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"honest", "what was sent before it, as {from}");
    assert_eq!([&mine, &theirs].map(|of| world.neighbours(&of.interface)), before, "who is where");
    // Nobody was taken anything from.
    assert_eq!(two.hears(FAR.into(), 80).as_deref(), Some("far"));
    assert_eq!(one.hears(FAR.into(), 80).as_deref(), Some("far"));
}

#[test]
fn a_node_that_was_killed_finds_the_living_and_removes_the_rest() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let [lives, dies] = [Guest::new(), Guest::new()];
    World::serve(&world.far(), 80, "far");
    let (index, other) = {
        let node = Node::start(&world, home.path(), NetworkConfig::default(), Vec::new());
        let attached = node.attach(&lives, "slot-1", "s1", Network::Internet);
        (attached.index, node.attach(&dies, "slot-2", "s2", Network::Internet).index)
        // It ends without a word: nothing is detached.
    };
    assert!(index != other && world.links().len() == 4, "{:?}", world.links());
    assert_eq!(lives.hears(FAR.into(), 80).as_deref(), Some("far"), "while there is no node");
    let found = Found { index, wanted: wanted(&lives, "slot-1", "s1", Network::Internet) };
    let node = Node::start(&world, home.path(), NetworkConfig::default(), vec![found]);
    assert_eq!(world.links().len(), 3, "{:?}", world.links());
    assert_eq!(lives.hears(FAR.into(), 80).as_deref(), Some("far"));
    assert!(dies.cannot_reach(FAR.into(), 80));
    let gateway = node.networks.of("slot-1").unwrap().gateway;
    assert!(lives.act(|| look_up(gateway, "any.example")).is_some(), "its name server is there again");
    node.networks.detach("slot-1").unwrap();
    node.networks.close().unwrap();
    assert_eq!(
        (world.links(), forwarding(&world, "uplink")),
        (vec!["lo".to_owned(), "uplink".to_owned()], "0".to_owned())
    );
}

#[test]
fn connections_and_bytes_are_bounded() {
    const MOST: u32 = 20;
    const BYTES_PER_S: u64 = 2_000_000;
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve(&world.far(), 80, "far");
    World::serve_bytes(&world.far(), 81, 3 * BYTES_PER_S);
    let config =
        NetworkConfig { connections_max: MOST, bytes_per_s_max: Some(BYTES_PER_S), ..NetworkConfig::default() };
    let node = Node::start(&world, home.path(), config, Vec::new());
    node.attach(&guest, "slot-1", "s1", Network::Internet);
    let connect = || TcpStream::connect_timeout(&SocketAddr::from((FAR, 80)), LONG);
    let open: Vec<_> = guest.act(|| (0..MOST + 5).map(|_| connect()).collect());
    assert_eq!(open.iter().filter(|stream| stream.is_ok()).count(), MOST as usize);
    drop(open);
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve_bytes(&world.far(), 81, 3 * BYTES_PER_S);
    let config = NetworkConfig { bytes_per_s_max: Some(BYTES_PER_S), ..NetworkConfig::default() };
    let node = Node::start(&world, home.path(), config, Vec::new());
    node.attach(&guest, "slot-1", "s1", Network::Internet);
    let began = Instant::now();
    assert_eq!(guest.hears(FAR.into(), 81).map(|text| text.len() as u64), Some(3 * BYTES_PER_S));
    // Load makes it only longer.
    assert!(began.elapsed().as_secs_f64() > 2.0, "{:?}", began.elapsed());
}
