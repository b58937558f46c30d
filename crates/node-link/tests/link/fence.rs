//! A node that does not hear control ends what carries a lease, and nothing else.

use std::time::{Duration, Instant};

use madang_ids::SandboxId;
use madang_node_api::{Node, SandboxSpec};
use madang_testkit::contract;

use crate::harness::{WAIT, Wire, World, until_here};

/// Waits so long, and says how long the machine stood still meanwhile.
async fn longest_pause(wait: Duration) -> Duration {
    const STEP: Duration = Duration::from_millis(500);
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < wait {
        let step = Instant::now();
        tokio::time::sleep(STEP).await;
        longest = longest.max(step.elapsed() - STEP);
    }
    longest
}

#[tokio::test]
async fn what_carries_a_lease_ends_in_a_silence_and_the_rest_goes_on() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let wire = Wire::to(world.address).await;
    let node = world.node_at(wire.address, home.path()).await;
    let leased = SandboxSpec { lease_ms: Some(20_000), ..contract::sandbox(&contract::SIM) };
    let free = contract::sandbox(&contract::SIM);
    node.remote.sandbox_open(free.clone()).await.unwrap();
    // With the link up a lease is renewed: half of its life beyond its end it is still there. It rightly ends where the machine stood still.
    let began = Instant::now();
    let leased = loop {
        assert!(began.elapsed() < 5 * WAIT, "the machine stands still again and again");
        let leased = SandboxSpec { id: SandboxId::new(), ..leased.clone() };
        node.remote.sandbox_open(leased.clone()).await.unwrap();
        if longest_pause(Duration::from_secs(30)).await < Duration::from_secs(5) {
            break leased;
        }
        let _ = node.remote.sandbox_close(leased.id).await;
    };
    assert_eq!(node.sim.sandboxes().len(), 2);
    wire.cut();
    let fenced = async {
        while node.sim.sandboxes().len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, fenced).await.expect("the lease ends");
    assert_eq!(node.sim.sandboxes()[0].id, free.id);
    // Control learns of it when the node is back.
    let mut changes = node.remote.watch();
    wire.heal();
    let gone = tokio::time::timeout(WAIT, changes.recv()).await.expect("a change is told").unwrap();
    assert_eq!(gone.id, leased.id);
    until_here(&node.remote).await;
    assert_eq!(node.remote.sandboxes()[0].id, free.id);
}
