//! Who may join, and who is who afterwards.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use madang_node_api::Node;
use madang_node_link::{HubConfig, JoinToken, MemberConfig, member::MemberError};
use madang_testkit::{SimNode, contract};

use crate::harness::{WAIT, World, patient, until_here, until_presence};

fn refused(error: MemberError) -> String {
    match error {
        MemberError::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_lets_in_as_often_as_it_says() {
    let world = World::new().await;
    let token = world.token(1);
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = world.join(homes[0].path(), Some(token.clone())).await.unwrap();
    let used_up = refused(world.join(homes[1].path(), Some(token)).await.unwrap_err());
    let unknown = JoinToken::make(world.token(1).authority()).unwrap();
    let unknown = refused(world.join(homes[1].path(), Some(unknown)).await.unwrap_err());
    assert_eq!(used_up, unknown, "a bad token does not say why it is bad");
    assert!(matches!(world.join(homes[1].path(), None).await, Err(MemberError::NoToken)));
    // Who has joined needs no token any more.
    assert_eq!(world.join(homes[0].path(), None).await.unwrap().id(), first.id());
}

#[tokio::test]
async fn another_control_plane_than_the_tokens_is_not_believed() {
    let (world, other, home) = (World::new().await, World::new().await, tempfile::tempdir().unwrap());
    let error = world.join(home.path(), Some(other.token(1))).await.unwrap_err();
    assert!(refused(error).contains("authority"));
    // Nothing was sent to it: the token is still good where it belongs.
    other.join(home.path(), Some(other.token(1))).await.unwrap();
    let error = other.join(home.path(), Some(world.token(1))).await.unwrap_err();
    assert!(matches!(error, MemberError::OtherControl { .. }), "{error:?}");
}

#[tokio::test]
async fn a_removed_node_is_refused_at_once() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let mut node = world.node(home.path()).await;
    world.remove(node.id);
    let why = tokio::time::timeout(WAIT, &mut node.served).await.expect("the node hears it").unwrap();
    assert!(refused(why).contains("no longer"));
    assert!(node.remote.sandbox_open(contract::sandbox(&contract::SIM)).await.is_err());
    // Nor does its certificate help it later.
    let again = world.join(home.path(), None).await.unwrap();
    let why = tokio::time::timeout(WAIT, again.serve(Arc::new(SimNode::new()))).await.expect("it is refused");
    refused(why);
}

#[tokio::test]
async fn certificates_are_renewed_before_they_end() {
    // Long enough to be renewed in time, and to be good for what comes after.
    let config = HubConfig { certificate_ms: 600_000, ..patient() };
    let (world, home) = (World::with(config).await, tempfile::tempdir().unwrap());
    let soon = |config: &mut MemberConfig| config.renew_after = Duration::from_secs(6);
    let node = world.node_with(world.address, home.path(), soon).await;
    let many = async {
        while world.registry.certificates() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, many).await.expect("a new certificate is asked for in time");
    let mut arrivals = world.registry.arrivals.subscribe();
    let again = tokio::time::timeout(WAIT, arrivals.wait_for(|count| *count > 1)).await;
    again.expect("it comes again with the new one").unwrap();
    // It is renewed again before long, and what is asked for over a link that ends for that is asked for once more.
    let (spec, began) = (contract::sandbox(&contract::SIM), Instant::now());
    while let Err(error) = node.remote.sandbox_open(spec.clone()).await {
        assert!(began.elapsed() < WAIT, "{error}");
        until_here(&node.remote).await;
    }
    assert_eq!(node.sim.sandboxes()[0].id, spec.id);
}

#[tokio::test]
async fn a_node_that_ends_falls_silent_and_what_it_said_stays() {
    let config = HubConfig { silent_ms: 3_000, ..patient() };
    let (world, home) = (World::with(config).await, tempfile::tempdir().unwrap());
    let node = world.node(home.path()).await;
    let spec = contract::sandbox(&contract::SIM);
    let began = Instant::now();
    // Once more is the same: it looks silent where the machine stood still for that long.
    while let Err(error) = node.remote.sandbox_open(spec.clone()).await {
        assert!(began.elapsed() < WAIT, "{error}");
        until_here(&node.remote).await;
    }
    node.served.abort();
    until_presence(&node.remote, |presence| matches!(presence, madang_node_api::Presence::Silent { .. })).await;
    assert!(!node.remote.health().ready);
    // Silence is no proof that it is gone.
    assert_eq!(node.remote.sandboxes()[0].id, spec.id);
    let error = node.remote.sandbox_close(spec.id).await.unwrap_err();
    assert!(matches!(error, madang_node_api::NodeError::Unavailable(_)), "{error:?}");
}
