//! What is done to the kernel, one thing after the other, by one thread: it enters the namespaces of sandboxes and comes back.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    net::Ipv4Addr,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

use madang_model::{Network, network::Ipv4Range};
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces};

use crate::{
    address::Plot,
    config::NetworkConfig,
    dns::Pin,
    error::NetworkError,
    kept::Kept,
    link::{self, Pair},
    netlink::Socket,
    nft::{Batch, Element, Set, name_key},
    sysctl::{self, Switch},
    table::{self, GATEWAYS, GUESTS, INTERNET, PEERS, PINNED, RANGES, UPLINKS},
};

/// What a sandbox calls its only interface.
const GUEST_INTERFACE: &str = "eth0";
/// Letters of the instance in our interfaces' names, which have 15 at most.
const INSTANCE_LETTERS: usize = 6;
/// Addresses of allowed names that are open to one sandbox at once.
const PINS_MAX: usize = 2048;

/// A sandbox that is to have a network.
#[derive(Debug)]
pub struct Wanted {
    /// The name of its slot.
    pub slot: String,
    /// Of its init.
    pub pidfd: OwnedFd,
    /// Sandboxes of one session see each other.
    pub session: String,
    /// What they call this one; none of one that is alone.
    pub peer: Option<String>,
    pub network: Network,
}

/// A sandbox that has one from before this process.
#[derive(Debug)]
pub struct Found {
    /// As [`Attachment::index`] was.
    pub index: u32,
    pub wanted: Wanted,
}

/// A sandbox's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its place in the pool: to be kept for as long as the sandbox lives.
    pub index: u32,
    pub address: Ipv4Addr,
    /// Where its name server is.
    pub gateway: Ipv4Addr,
    /// Our end of its link.
    pub interface: String,
}

/// Which node of this machine this is, and where it remembers what it has changed.
#[derive(Debug, Clone)]
pub struct Place {
    pub instance: String,
    pub state: PathBuf,
}

#[derive(Debug)]
struct Taken {
    plot: Plot,
    interface: String,
    session: String,
    network: Network,
    /// Addresses of allowed names, and when each closes again.
    pins: BTreeMap<Ipv4Addr, Instant>,
    /// Keeps the link, and with it its counters, until the last reading: it would go with the last process inside.
    _namespace: OwnedFd,
}

/// The sockets, and who has which place.
#[derive(Debug)]
pub(crate) struct Engine {
    config: NetworkConfig,
    table: String,
    /// What the names of our interfaces begin with.
    prefix: String,
    kept: Kept,
    route: Socket,
    netfilter: Socket,
    /// Our own network namespace.
    home: OwnedFd,
    taken: BTreeMap<u32, Taken>,
    next: u32,
    is_open: bool,
}

impl Engine {
    pub fn open(place: &Place, config: NetworkConfig) -> Result<Self, NetworkError> {
        let unavailable = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| NetworkError::Unavailable(format!("{what}: {error}"))
        };
        let letters: String = place.instance.chars().take(INSTANCE_LETTERS).collect();
        let mut engine = Self {
            config,
            table: format!("madang_{}", place.instance),
            prefix: format!("md{letters}"),
            kept: Kept::read(&place.state),
            route: Socket::route().map_err(unavailable("routing netlink"))?,
            netfilter: Socket::netfilter().map_err(unavailable("netfilter netlink"))?,
            home: File::open("/proc/thread-self/ns/net").map_err(unavailable("our network namespace"))?.into(),
            taken: BTreeMap::new(),
            next: 0,
            is_open: false,
        };
        let mut batch = Batch::new(&engine.table);
        // What lives has its filter from the process before this one, and keeps it until there is another.
        batch.table_there();
        batch.send(&mut engine.netfilter).map_err(unavailable("nf_tables"))?;
        Ok(engine)
    }

    /// Takes up those that live; removes our links that nobody has.
    pub fn adopt(&mut self, alive: Vec<Found>) -> Result<(), NetworkError> {
        for Found { index, wanted } in alive {
            let plot = Plot::of(self.config.pool, index);
            let interface = self.interface(index);
            let there = link::find(&mut self.route, &interface).map_err(NetworkError::doing("look for a link"))?;
            let inside = self.enter(&wanted);
            let (Some(_), Ok((namespace, _))) = (there, inside) else {
                tracing::warn!(slot = wanted.slot, "a sandbox has lost its network");
                continue;
            };
            self.take(plot, interface, wanted, namespace);
        }
        let links = link::list(&mut self.route).map_err(NetworkError::doing("list links"))?;
        for link in links.iter().filter(|link| link.name.starts_with(&self.prefix)) {
            if !self.taken.values().any(|taken| taken.interface == link.name) {
                removed(self.route.ask(&[link::remove(&link.name)]))
                    .map_err(NetworkError::doing("remove an old link"))?;
            }
        }
        match self.taken.is_empty() {
            true => self.close(),
            false => self.begin(),
        }
    }

    fn interface(&self, index: u32) -> String {
        format!("{}x{index:x}", self.prefix)
    }

    /// The table, and packets that go through.
    fn begin(&mut self) -> Result<(), NetworkError> {
        if self.is_open {
            return Ok(());
        }
        let mut batch = Batch::new(&self.table);
        table::table(&mut batch, &self.prefix, &self.config);
        for taken in self.taken.values() {
            add_all(&mut batch, &elements_of(taken));
            batch.add(&PEERS, &self.peers_of(taken));
        }
        batch.send(&mut self.netfilter).map_err(NetworkError::doing("make the table of nftables"))?;
        self.open_uplinks()?;
        self.is_open = true;
        Ok(())
    }

    /// Answers from the world are forwarded to sandboxes, and nothing to anybody else.
    fn open_uplinks(&mut self) -> Result<(), NetworkError> {
        let doing = || NetworkError::doing("let packets through this machine");
        let indexes = link::uplinks(&mut self.route).map_err(doing())?;
        let links = link::list(&mut self.route).map_err(doing())?;
        let names = links.into_iter().filter(|link| indexes.contains(&link.index)).map(|link| link.name);
        for name in names {
            if sysctl::forward(&name, Switch::On).map_err(doing())? == Switch::Off {
                self.kept.add(&name).map_err(doing())?;
            }
        }
        if sysctl::all_forward() {
            // Somebody else wants this machine to be a router.
            return Ok(());
        }
        let mut batch = Batch::new(&self.table);
        batch.add(&UPLINKS, &self.kept.forwarding().map(|name| Element::of(name_key(name))).collect::<Vec<_>>());
        batch.send(&mut self.netfilter).map_err(doing())
    }

    /// Nothing of ours is left but what sandboxes that live on need.
    pub fn close(&mut self) -> Result<(), NetworkError> {
        if !self.taken.is_empty() {
            return Ok(());
        }
        for name in self.kept.forwarding() {
            // It may be gone.
            let _ = sysctl::forward(name, Switch::Off);
        }
        self.kept.clear().map_err(NetworkError::doing("forget what was changed"))?;
        let mut batch = Batch::new(&self.table);
        batch.table_removed();
        self.is_open = false;
        batch.send(&mut self.netfilter).map_err(NetworkError::doing("remove the table of nftables"))
    }

    pub fn attach(&mut self, wanted: Wanted) -> Result<Attachment, NetworkError> {
        self.begin()?;
        let plot = self.plot()?;
        let interface = self.interface(plot.index);
        let (namespace, guest) = self.enter(&wanted)?;
        self.take(plot, interface.clone(), wanted, namespace);
        match self.connect(plot, &interface, guest) {
            Ok(()) => self.attachment(plot.index).ok_or(NetworkError::Gone),
            Err(error) => {
                if let Err(error) = self.detach(plot.index) {
                    tracing::error!(interface, %error, "half a network is left");
                }
                Err(error)
            }
        }
    }

    pub fn attachment(&self, index: u32) -> Option<Attachment> {
        let Taken { plot, interface, .. } = self.taken.get(&index)?;
        Some(Attachment { index, address: plot.address, gateway: plot.gateway, interface: interface.clone() })
    }

    /// The next place: one that was given back is given out as late as may be.
    fn plot(&mut self) -> Result<Plot, NetworkError> {
        let count = Plot::count(self.config.pool);
        let free = (0..count).map(|step| (self.next + step) % count).find(|index| !self.taken.contains_key(index));
        let index = free.ok_or(NetworkError::Full)?;
        self.next = (index + 1) % count;
        Ok(Plot::of(self.config.pool, index))
    }

    fn take(&mut self, plot: Plot, interface: String, wanted: Wanted, namespace: OwnedFd) {
        self.next = self.next.max(plot.index + 1);
        let Wanted { session, network, .. } = wanted;
        let pins = BTreeMap::new();
        self.taken.insert(plot.index, Taken { plot, interface, session, network, pins, _namespace: namespace });
    }

    /// The namespace of a sandbox, and a socket in it; links made there from now on have no IPv6.
    fn enter(&self, wanted: &Wanted) -> Result<(OwnedFd, Socket), NetworkError> {
        let doing = || NetworkError::doing("enter a sandbox's network namespace");
        move_into_thread_name_spaces(wanted.pidfd.as_fd(), ThreadNameSpaceType::NETWORK)
            .map_err(|_| NetworkError::Gone)?;
        let inside = || -> io::Result<(OwnedFd, Socket)> {
            sysctl::no_version_6("default")?;
            Ok((File::open("/proc/thread-self/ns/net")?.into(), Socket::route()?))
        };
        let found = inside().map_err(doing());
        // A thread that stays there must do nothing any more.
        move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("a namespace that this thread has come from takes it back");
        found
    }

    fn connect(&mut self, plot: Plot, interface: &str, mut guest: Socket) -> Result<(), NetworkError> {
        let doing = |what| NetworkError::doing(format!("{what} {interface}"));
        let (ours, theirs) = plot.macs();
        let taken = self.taken.get(&plot.index).ok_or(NetworkError::Gone)?;
        let mut batch = Batch::new(&self.table);
        add_all(&mut batch, &elements_of(taken));
        batch.add(&PEERS, &self.peers_of(taken));
        batch.send(&mut self.netfilter).map_err(doing("tell nftables of"))?;
        let pair = Pair {
            name: interface,
            mac: ours,
            peer_name: GUEST_INTERFACE,
            peer_mac: theirs,
            namespace: taken._namespace.as_fd(),
            mtu: None,
        };
        self.route.ask(&[pair.make()]).map_err(doing("make the link"))?;
        sysctl::no_version_6(interface).map_err(doing("switch IPv6 off on"))?;
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let near = link::find(&mut self.route, interface).and_then(|link| link.ok_or_else(gone));
        let near = near.map_err(doing("find the link"))?.index;
        let far = link::find(&mut guest, GUEST_INTERFACE).and_then(|link| link.ok_or_else(gone));
        let far = far.map_err(doing("find the far end of"))?.index;
        let mut near_side = vec![
            link::address(near, plot.gateway, plot.address),
            link::raise(near),
            link::neighbour(near, plot.address, theirs),
        ];
        near_side.extend(self.config.bytes_per_s_max.map(|most| link::bound(near, most)));
        self.route.ask(&near_side).map_err(doing("set up our end of"))?;
        sysctl::forward(interface, Switch::On).map_err(doing("let packets through from"))?;
        let far_side = [
            link::address(far, plot.address, plot.gateway),
            link::raise(far),
            link::neighbour(far, plot.gateway, ours),
            link::default_route(far, plot.gateway),
        ];
        guest.ask(&far_side).map_err(doing("set up the far end of"))
    }

    /// Each way between this one and others of its session.
    fn peers_of(&self, taken: &Taken) -> Vec<Element> {
        let others =
            self.taken.values().filter(|other| other.session == taken.session && other.plot.index != taken.plot.index);
        let both = |other: &Taken| {
            let to = table::pair_of(&taken.interface, other.plot.address);
            [to, table::pair_of(&other.interface, taken.plot.address)]
        };
        others.flat_map(both).collect()
    }

    /// Opens addresses of allowed names to a sandbox, each for so many seconds from now.
    pub fn pin(&mut self, index: u32, pins: &[Pin]) -> Result<(), NetworkError> {
        let taken = self.taken.get_mut(&index).ok_or(NetworkError::Gone)?;
        let now = Instant::now();
        taken.pins.retain(|_, until| *until > now);
        let fresh = pins.iter().filter(|pin| !taken.pins.contains_key(&pin.address)).count();
        if taken.pins.len() + fresh > PINS_MAX {
            return Err(NetworkError::Pins(PINS_MAX));
        }
        let keys: Vec<_> = pins.iter().map(|pin| table::pair_of(&taken.interface, pin.address)).collect();
        let elements: Vec<_> =
            pins.iter().map(|pin| table::pinned(&taken.interface, pin.address, pin.seconds)).collect();
        let mut batch = Batch::new(&self.table);
        // Not every kernel gives an element that is there another time to live.
        batch.destroy(&PINNED, &keys);
        batch.add(&PINNED, &elements);
        batch.send(&mut self.netfilter).map_err(NetworkError::doing("open the addresses of a name"))?;
        // Longer than in the kernel, so that what is there is always known here.
        let until = |pin: &Pin| now + Duration::from_secs(u64::from(pin.seconds) + 1);
        taken.pins.extend(pins.iter().map(|pin| (pin.address, until(pin))));
        Ok(())
    }

    /// Takes a sandbox's network away; what is gone already is no matter.
    pub fn detach(&mut self, index: u32) -> Result<(), NetworkError> {
        let Some(taken) = self.taken.get(&index) else { return Ok(()) };
        let interface = taken.interface.clone();
        let doing = |what| NetworkError::doing(format!("{what} {interface}"));
        removed(self.route.ask(&[link::remove(&interface)])).map_err(doing("remove the link"))?;
        let mut batch = Batch::new(&self.table);
        for (set, elements) in elements_of(taken) {
            batch.destroy(&set, &elements);
        }
        batch.destroy(&PEERS, &self.peers_of(taken));
        let pinned: Vec<_> = taken.pins.keys().map(|address| table::pair_of(&taken.interface, *address)).collect();
        batch.destroy(&PINNED, &pinned);
        batch.send(&mut self.netfilter).map_err(doing("let nftables forget"))?;
        self.taken.remove(&index);
        Ok(())
    }
}

fn add_all(batch: &mut Batch, all: &[(Set, Vec<Element>)]) {
    for (set, elements) in all {
        batch.add(set, elements);
    }
}

/// What a sandbox is in our table, without its peers.
fn elements_of(taken: &Taken) -> Vec<(Set, Vec<Element>)> {
    let (name, plot) = (taken.interface.as_str(), taken.plot);
    let mut all =
        vec![(GUESTS, vec![table::pair_of(name, plot.address)]), (GATEWAYS, vec![table::pair_of(name, plot.gateway)])];
    match &taken.network {
        Network::None => {}
        Network::Internet => all.push((INTERNET, vec![Element::of(name_key(name))])),
        Network::AllowList(list) => all.push((RANGES, list_elements(name, &list.ranges))),
    }
    all
}

/// None touches another: overlapping ones are refused by the kernel.
fn list_elements(name: &str, ranges: &[Ipv4Range]) -> Vec<Element> {
    let spans = crate::address::merged(ranges);
    let end = |last: u32| table::pair_of(name, last.into()).key;
    spans
        .iter()
        .map(|&(first, last)| Element { key_end: Some(end(last)), ..table::pair_of(name, first.into()) })
        .collect()
}

/// What is gone already is no matter: a link goes with the namespace of its other end.
fn removed<T>(asked: io::Result<T>) -> io::Result<()> {
    match asked {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => Ok(()),
        asked => asked.map(drop),
    }
}
