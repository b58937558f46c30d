//! A network of our own: a namespace with a bridge for control, one for each node, cables between them. Gone with the value.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Where control is; nodes count on from there.
const FIRST: u32 = 1;

/// Fixed: else the bridge takes another address when a cable is cut, and packets of the other nodes are lost until they have learnt it.
const BRIDGE: &str = "02:4d:61:64:61:6e";

static NETWORKS: AtomicU32 = AtomicU32::new(0);

pub struct Network {
    /// What its namespaces are called begins with this.
    word: String,
    places: u32,
}

/// A namespace with an address.
#[derive(Debug, Clone)]
pub struct Place {
    pub namespace: String,
    pub address: String,
    /// The end of its cable at the bridge.
    cable: String,
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Network {
    /// With a place for control.
    pub fn new() -> (Self, Place) {
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let network = Self { word: format!("mn{}x{number}", std::process::id()), places: FIRST };
        let namespace = network.hub();
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {namespace} link add bridge address {BRIDGE} type bridge"));
        let address = Self::address(FIRST);
        ip(&format!("-n {namespace} addr add {address}/24 dev bridge"));
        ip(&format!("-n {namespace} link set bridge up"));
        (network, Place { namespace, address, cable: String::new() })
    }

    fn hub(&self) -> String {
        format!("{}c", self.word)
    }

    fn address(place: u32) -> String {
        format!("10.77.0.{place}")
    }

    /// One more namespace, whose cable is plugged in.
    pub fn place(&mut self) -> Place {
        self.places += 1;
        let (hub, namespace) = (self.hub(), format!("{}n{}", self.word, self.places));
        let (address, cable) = (Self::address(self.places), format!("cable{}", self.places));
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {hub} link add {cable} type veth peer name eth0 netns {namespace}"));
        ip(&format!("-n {hub} link set {cable} master bridge up"));
        ip(&format!("-n {namespace} addr add {address}/24 dev eth0"));
        ip(&format!("-n {namespace} link set eth0 up"));
        Place { namespace, address, cable }
    }

    /// Packets to and from there vanish, and nobody is told.
    pub fn cut(&self, place: &Place) {
        ip(&format!("-n {} link set {} nomaster", self.hub(), place.cable));
    }

    pub fn heal(&self, place: &Place) {
        ip(&format!("-n {} link set {} master bridge", self.hub(), place.cable));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in FIRST + 1..=self.places {
            // Cables go with the namespaces.
            let _ = Command::new("ip").args(["netns", "delete", &format!("{}n{place}", self.word)]).output();
        }
        let _ = Command::new("ip").args(["netns", "delete", &self.hub()]).output();
    }
}
