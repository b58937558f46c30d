//! The simulated node does what its script says, and keeps the contract of every node.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

use std::{sync::Arc, time::Duration};

use madang_node_api::{DeviceSeen, Node, NodeError, NodeFacts};
use madang_node_sim::{Clock, Script, SimNode, Start};
use madang_testkit::contract;

/// Longer than anything takes on a machine that has much else to do.
const WAIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_keeps_the_contract_on_either_clock() {
    for clock in [Clock::Still, Clock::Going] {
        let node = SimNode::scripted(Script { clock, ..Script::default() });
        contract::check(Arc::new(node.clone()), &contract::SIM).await;
        contract::apps_are_reached_and_end(&node, &contract::SIM).await;
    }
}

#[tokio::test]
async fn starts_go_as_written_in_turn() {
    let fails = Start::Fails { after_ms: 5, error: NodeError::Capacity("full".into()) };
    let starts = vec![Start::Done { after_ms: 50 }, fails, Start::Hangs];
    let node = SimNode::scripted(Script { starts, ..Script::default() });
    let specs: Vec<_> = (0..4).map(|_| contract::sandbox(&contract::SIM)).collect();
    let opening = |index: usize| {
        let (node, spec) = (node.clone(), specs[index].clone());
        async move { node.sandbox_open(spec).await }
    };
    let mut first = Box::pin(opening(0));
    assert!(waits(&mut first).await, "it is there before its time");
    node.advance(49);
    assert!(waits(&mut first).await, "it is there before its time");
    assert!(node.sandboxes().is_empty());
    node.advance(1);
    tokio::time::timeout(WAIT, first).await.unwrap().unwrap();
    assert_eq!(node.sandboxes().len(), 1);
    let mut second = Box::pin(opening(1));
    assert!(waits(&mut second).await);
    node.advance(5);
    assert_eq!(tokio::time::timeout(WAIT, second).await.unwrap(), Err(NodeError::Capacity("full".into())));
    let mut third = Box::pin(opening(2));
    assert!(waits(&mut third).await);
    node.advance(1_000_000);
    assert!(waits(&mut third).await, "what hangs is answered");
    // From the beginning again; and what is there is there at once.
    let mut fourth = Box::pin(opening(3));
    assert!(waits(&mut fourth).await);
    node.advance(50);
    tokio::time::timeout(WAIT, fourth).await.unwrap().unwrap();
    tokio::time::timeout(WAIT, opening(0)).await.unwrap().unwrap();
}

/// Looks once whether it is ready.
async fn waits<T>(work: &mut (impl Future<Output = T> + Unpin)) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *work).poll(context).is_pending()))
        .await
}

#[tokio::test]
async fn a_going_clock_goes_by_itself() {
    let starts = vec![Start::Done { after_ms: 20 }];
    let node = SimNode::scripted(Script { clock: Clock::Going, starts, ..Script::default() });
    let began = tokio::time::Instant::now();
    let open = node.sandbox_open(contract::sandbox(&contract::SIM));
    tokio::time::timeout(WAIT, open).await.unwrap().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn thousands_live_in_one_process_without_a_task_each() {
    let device = DeviceSeen { id: "fake-1".into(), kind: "fake".into(), shares: 4, ..DeviceSeen::default() };
    let facts = NodeFacts { devices: vec![device.clone()], ..Script::default().facts };
    let nodes: Vec<_> = (0..2_000).map(|_| SimNode::with_facts(facts.clone())).collect();
    for node in &nodes {
        for _ in 0..5 {
            node.sandbox_open(contract::sandbox(&contract::SIM)).await.unwrap();
        }
        assert_eq!(node.facts().devices, std::slice::from_ref(&device));
    }
    assert_eq!(nodes.iter().map(|node| node.sandboxes().len()).sum::<usize>(), 10_000);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}
