//! One holder at a time, by the database's clock, in terms that only grow.

use std::time::Duration;

use madang_ids::ControlId;
use madang_model::SessionEvent;
use madang_store::{ControlHello, Lease, Store, StoreError};
use madang_testkit::TestDatabase;

const PATIENCE: Duration = Duration::from_secs(120);
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
        let hello = ControlHello {
            id: ControlId::new(),
            address: Some("http://10.0.0.1:8686".into()),
            nodes_address: None,
            version: "1".into(),
        };
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

#[tokio::test]
async fn a_leader_that_was_paused_too_long_writes_nothing() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let mut session = super::session("a");
        store.session_insert(&session).await.unwrap();
        let old = take(&store, ControlId::new(), SHORT_MS).await.unwrap().fence();
        session.generation = store.session_update_fenced(&session, Some(&old)).await.unwrap();
        let new = take_in_time(&store, ControlId::new()).await.fence();
        (session.life, _) = session.life.apply(&SessionEvent::EndAsked { why: "test".into() }, 9).unwrap();
        let refused = store.session_update_fenced(&session, Some(&old)).await;
        assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
        let mut finished = super::finished("late", 10);
        let refused = store.run_finish_fenced(&finished, None, Some(&old)).await;
        assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
        assert_eq!(store.run_get(finished.id).await.unwrap(), None);
        session.generation = store.session_update_fenced(&session, Some(&new)).await.unwrap();
        assert_eq!(store.session_get(session.id).await.unwrap(), Some(session.clone()));
        session.generation -= 1;
        let stale = store.session_update_fenced(&session, Some(&new)).await;
        assert!(matches!(stale, Err(StoreError::Stale { .. })), "{stale:?}");
        finished.finished_ms = Some(11);
        store.run_finish_fenced(&finished, None, Some(&new)).await.unwrap();
        assert_eq!(store.run_get(finished.id).await.unwrap(), Some(finished));
    }
}

/// One with an old term must not take those with it that share its batch.
#[tokio::test]
async fn runs_of_several_leaders_at_once_are_kept_or_refused_each() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let holder = ControlId::new();
        let fence = take(&store, holder, LONG_MS).await.unwrap().fence();
        let old = madang_store::Fence { term: fence.term + 7, ..fence.clone() };
        let writes: Vec<_> = (0..120)
            .map(|index| {
                let (store, record) = (store.clone(), super::finished(&format!("{index}"), 10));
                let fence = [None, Some(fence.clone()), Some(old.clone())][index % 3].clone();
                tokio::spawn(async move {
                    let done = store.run_finish_fenced(&record, None, fence.as_ref()).await;
                    let kept = store.run_get(record.id).await.unwrap().is_some();
                    assert_eq!(kept, index % 3 != 2, "{index}: {done:?}");
                    assert_eq!(done.is_ok(), kept);
                })
            })
            .collect();
        for write in writes {
            write.await.unwrap();
        }
    }
}

#[tokio::test]
async fn of_several_proposals_for_a_secret_all_get_one() {
    for database in TestDatabase::each().await {
        let (one, two) = (super::open(&database).await, super::open(&database).await);
        let first = one.secret_ensure("s", b"one").await.unwrap();
        assert_eq!(first, b"one");
        assert_eq!(two.secret_ensure("s", b"two").await.unwrap(), first);
        assert_eq!(two.secret_ensure("t", b"two").await.unwrap(), b"two");
    }
}
