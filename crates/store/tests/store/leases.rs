//! One holder at a time, by the database's clock, in terms that only grow.

use std::time::Duration;

use madang_ids::ControlId;
use madang_store::{ControlHello, Lease, Store};
use madang_testkit::TestDatabase;

const PATIENCE: Duration = Duration::from_secs(20);
const LONG_MS: u64 = 600_000;
const SHORT_MS: u64 = 1;

async fn take(store: &Store, holder: ControlId, ms: u64) -> Option<Lease> {
    store.lease_take("group", holder, ms).await.unwrap()
}

/// Takes it as soon as whoever has it has let it run out.
async fn take_in_time(store: &Store, holder: ControlId) -> Lease {
    let trying = async {
        loop {
            if let Some(lease) = take(store, holder, LONG_MS).await {
                return lease;
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("the lease never runs out")
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_runs_out_or_is_let_go() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let (one, two) = (ControlId::new(), ControlId::new());
        let first = take(&store, one, LONG_MS).await.unwrap();
        assert_eq!(first.term, 1);
        assert_eq!(take(&store, two, LONG_MS).await, None);
        assert_eq!(take(&store, one, SHORT_MS).await.as_ref(), Some(&first), "taken again, the term stays");
        let second = take_in_time(&store, two).await;
        assert_eq!((second.term, second.holder), (2, two));
        store.lease_release(&first).await.unwrap();
        assert_eq!(take(&store, one, LONG_MS).await, None, "what was lost cannot be let go");
        store.lease_release(&second).await.unwrap();
        assert_eq!(take(&store, one, LONG_MS).await.unwrap().term, 3);
    }
}

#[tokio::test]
async fn whoever_comes_too_late_has_another_term_even_if_nobody_else_came() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let holder = ControlId::new();
        take(&store, holder, SHORT_MS).await.unwrap();
        let left = async { while store.lease_list().await.unwrap()[0].left_ms > 0 {} };
        tokio::time::timeout(PATIENCE, left).await.unwrap();
        assert_eq!(take(&store, holder, LONG_MS).await.unwrap().term, 2);
    }
}

#[tokio::test]
async fn of_many_at_once_one_gets_it() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { take(&store, ControlId::new(), LONG_MS).await })
            })
            .collect();
        let mut held = 0;
        for one in tries {
            held += usize::from(one.await.unwrap().is_some());
        }
        assert_eq!(held, 1);
    }
}

#[tokio::test]
async fn a_lease_says_where_its_holder_is() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let hello =
            ControlHello { id: ControlId::new(), address: Some("http://10.0.0.1:8686".into()), version: "1".into() };
        store.control_process_seen(&hello).await.unwrap();
        store.control_process_seen(&hello).await.unwrap();
        let lease = take(&store, hello.id, LONG_MS).await.unwrap();
        let [view] = store.lease_list().await.unwrap().try_into().unwrap();
        assert_eq!(view.lease, lease);
        assert!(view.left_ms > 0 && view.left_ms <= LONG_MS, "{view:?}");
        let [process] = store.control_process_list().await.unwrap().try_into().unwrap();
        assert_eq!(view.process.as_ref(), Some(&process));
        assert_eq!((process.id, process.address, process.version), (hello.id, hello.address, hello.version));
        assert_eq!(store.control_process_forget(LONG_MS, None).await.unwrap(), 0);
        assert_eq!(store.control_process_forget(LONG_MS, Some(hello.id)).await.unwrap(), 1);
        assert_eq!(store.lease_list().await.unwrap()[0].process, None);
    }
}
