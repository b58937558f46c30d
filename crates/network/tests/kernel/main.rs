//! Policies on the real kernel: sandboxes of a world of our own, and all that they must not reach. Needs root, `ip` and `unshare`.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

mod world;

use std::{net::Ipv4Addr, path::Path};

use madang_model::Network;
use madang_network::{Attachment, Found, NetworkConfig, Networks, Place, Wanted};
use world::{FAR, Guest, METADATA, NODE, OTHER, ROUTER, World};

fn open(world: &World, home: &Path, config: NetworkConfig, alive: Vec<Found>) -> Networks {
    let place = Place { instance: "0123abcd".to_owned(), state: home.join("network.json") };
    world.at_node(|| Networks::open(&place, config, alive)).unwrap()
}

fn wanted(guest: &Guest, slot: &str, session: &str, network: Network) -> Wanted {
    Wanted { slot: slot.to_owned(), pidfd: guest.pidfd(), session: session.to_owned(), network }
}

fn attach(networks: &Networks, wanted: Wanted) -> Attachment {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(networks.attach(wanted)).unwrap()
}

fn forwarding(world: &World, interface: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    world.at_node(|| std::fs::read_to_string(path)).unwrap().trim().to_owned()
}

#[test]
fn the_internet_is_reached_and_nothing_that_is_near() {
    let (world, home, guest) = (World::new(), tempfile::tempdir().unwrap(), Guest::new());
    World::serve(&world.far(), 80, "far");
    World::serve(&world.node(), 80, "node");
    let networks = open(&world, home.path(), NetworkConfig::default(), Vec::new());
    assert!(guest.cannot_reach(FAR, 80));
    let attached = attach(&networks, wanted(&guest, "slot-1", "s1", Network::Internet));
    assert_eq!(guest.hears(FAR, 80).as_deref(), Some("far"));
    assert_eq!(guest.hears(OTHER, 80).as_deref(), Some("far"));
    let near = [NODE, ROUTER, METADATA, attached.gateway, Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(198, 19, 0, 1)];
    for address in near {
        assert!(guest.cannot_reach(address, 80), "{address}");
    }
    let used = networks.transferred("slot-1");
    assert!(used.in_bytes > 0 && used.out_bytes > 0, "{used:?}");
    assert_eq!((forwarding(&world, "uplink"), forwarding(&world, "lo")), ("1".to_owned(), "0".to_owned()));
    networks.detach("slot-1").unwrap();
    assert!(guest.cannot_reach(FAR, 80));
    networks.close().unwrap();
    assert_eq!(forwarding(&world, "uplink"), "0");
    assert!(!home.path().join("network.json").exists());
}
