//! Machines that join as nodes.

use madang_ids::TokenId;
use madang_store::{NodeJoin, NodeTokenRecord};
use madang_testkit::TestDatabase;

use super::open;

/// One after another, until several connections are there to ask at once.
const NODES: u64 = 16;

#[tokio::test]
async fn a_machine_that_asks_many_times_at_once_is_one_node_for_one_use() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let token = NodeTokenRecord {
            id: TokenId::new(),
            hash: "h".into(),
            resource_group: "default".into(),
            uses_left: NODES,
            created_ms: 1,
            expires_ms: 100,
        };
        store.node_token_insert(&token).await.unwrap();
        let join = |number: u64| NodeJoin {
            secret_hash: "h".into(),
            key: format!("key {number}"),
            name: format!("node-{number}"),
            state: "schedulable".into(),
        };
        for number in 1..=NODES {
            let asked = (0..8).map(|_| {
                let (store, join) = (store.clone(), join(number));
                tokio::spawn(async move { store.node_join(&join, 50).await.unwrap() })
            });
            let mut ids = Vec::new();
            for answer in asked.collect::<Vec<_>>() {
                ids.push(answer.await.unwrap().expect("it is let in").id);
            }
            ids.dedup();
            assert_eq!(ids.len(), 1, "it is one node");
            let tokens = store.node_token_list(50).await.unwrap();
            assert_eq!(tokens.iter().map(|token| token.uses_left).sum::<u64>(), NODES - number);
        }
        assert_eq!(store.node_join(&join(NODES + 1), 50).await.unwrap(), None, "it is used up");
    }
}
