//! A simulated node keeps the contract, and keeps it behind the link.

use std::sync::Arc;

use madang_testkit::{SimNode, contract};

use crate::harness::World;

#[tokio::test]
async fn a_simulated_node_keeps_it() {
    contract::check(Arc::new(SimNode::new()), &contract::SIM).await;
    contract::programs_are_held(&SimNode::new(), &contract::SIM).await;
    contract::apps_are_reached_and_end(&SimNode::new(), &contract::SIM).await;
}

#[tokio::test]
async fn it_keeps_it_behind_the_link() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let node = world.node(home.path()).await;
    contract::check(node.remote.clone(), &contract::SIM).await;
    contract::programs_are_held(&*node.remote, &contract::SIM).await;
    contract::apps_are_reached_and_end(&*node.remote, &contract::SIM).await;
}
