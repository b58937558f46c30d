//! How long a sandbox's network takes, made and taken away, in a world of its own: what a claim waits for. Needs root.
//!
//! `cargo run --release -p madang-network --example attach_time`

#![allow(clippy::unwrap_used)] // Whoever measures looks on.

use std::time::{Duration, Instant};

use madang_model::Network;
use madang_network::{NetworkConfig, Networks, Place, Wanted};
use madang_testkit::internet::{Guest, World};

const SANDBOXES: usize = 200;

fn main() {
    let (world, home) = (World::new(), tempfile::tempdir().unwrap());
    let place = Place { instance: "0123abcd".to_owned(), state: home.path().join("network.json") };
    let guests: Vec<_> = (0..SANDBOXES).map(|_| Guest::new()).collect();
    let (mut attached, mut detached) = world.at_node(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let networks = Networks::open(&place, NetworkConfig::default(), Vec::new()).unwrap();
        let attach = |(number, guest): (usize, &Guest)| {
            let (slot, session) = (format!("slot-{number}"), format!("session-{number}"));
            let wanted = Wanted { slot, pidfd: guest.pidfd(), session, peer: None, network: Network::Internet };
            let began = Instant::now();
            runtime.block_on(networks.attach(wanted)).unwrap();
            began.elapsed()
        };
        let attached: Vec<_> = guests.iter().enumerate().map(attach).collect();
        let detach = |number: usize| {
            let began = Instant::now();
            networks.detach(&format!("slot-{number}")).unwrap();
            began.elapsed()
        };
        let detached: Vec<_> = (0..SANDBOXES).map(detach).collect();
        networks.close().unwrap();
        (attached, detached)
    });
    show("attached", &mut attached);
    show("detached", &mut detached);
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms of {}", at(50), at(90), at(99), times.len());
}
