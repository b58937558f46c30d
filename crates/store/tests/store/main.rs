//! The store on real databases: each test walks through a file of SQLite and a schema of PostgreSQL.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod backup;
mod hints;
mod joining;
mod leases;
mod opening;
mod people;
mod results;
mod service;
mod session_held;
mod session_list;
mod signin;
mod usage;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use madang_ids::{RunId, SandboxId, SessionId, TokenId};
use madang_model::{
    Blob, Limits, Outcome, Owner, RunEvent, RunEventBody, SessionEvent, SessionKind, SessionLife, SessionSpec, Usage,
    Verdict,
};
use madang_store::{
    Claim, Horizon, IdempotencyRecord, RunRecord, SessionRecord, Store, StoreConfig, StoreError, TokenRecord,
};
use madang_testkit::TestDatabase;
use sea_orm::ConnectionTrait as _;

/// Waits for a connection or a lock for as long as a machine may stand still.
fn config(database: &TestDatabase) -> StoreConfig {
    database.url().parse::<StoreConfig>().unwrap().waiting(Duration::from_secs(120))
}

async fn open(database: &TestDatabase) -> Store {
    Store::open(&config(database)).await.unwrap()
}

fn session(name: &str) -> SessionRecord {
    let spec = SessionSpec {
        kind: SessionKind::Interactive,
        image: "host".into(),
        language: Some("python".into()),
        limits: Limits::default(),
        accelerators: Default::default(),
        env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        tags: BTreeMap::new(),
        startup_command: None,
        timeout_ms: 1,
        idle_timeout_ms: 2,
        suspend_idle_ms: Some(1),
        queueing: Default::default(),
        cluster: Default::default(),
        app: None,
        network: Default::default(),
        mounts: Vec::new(),
    };
    SessionRecord {
        id: SessionId::new(),
        name: name.into(),
        generation: 0,
        owner: Owner::DEFAULT,
        access_key: None,
        sandbox: SandboxId::new(),
        subs: Vec::new(),
        spec,
        life: SessionLife::requested(5),
        created_ms: 5,
        started_ms: None,
        ended_ms: None,
        usage: None,
        held: None,
    }
}

/// Of the administrator, named like its hash.
fn token(hash: &str) -> TokenRecord {
    TokenRecord {
        id: TokenId::new(),
        owner: Owner::DEFAULT.user,
        name: hash.into(),
        hash: hash.into(),
        scopes: madang_model::Scopes::ALL,
        expires_ms: None,
        created_ms: 1,
    }
}

fn finished(text: &str, finished_ms: u64) -> RunRecord {
    let outcome =
        Outcome { verdict: Verdict::Ok, exit_code: Some(0), signal: None, usage: Usage::default(), detail: None };
    let bodies = [
        RunEventBody::Started,
        RunEventBody::Stdout { data: Blob(text.as_bytes().to_vec()) },
        RunEventBody::Stderr { data: Blob(vec![0xff, 0]) },
        RunEventBody::Finished { outcome },
    ];
    let events = bodies.into_iter().zip(0..).map(|(body, seq)| RunEvent { seq, at_us: 7, body });
    RunRecord {
        id: RunId::new(),
        session: None,
        owner: Owner::DEFAULT,
        mode: "batch".into(),
        language: Some("python".into()),
        verdict: Some(Verdict::Ok),
        truncated: false,
        created_ms: 6,
        finished_ms: Some(finished_ms),
        events: events.collect(),
    }
}

#[tokio::test]
async fn a_session_changes_only_for_who_knows_its_generation() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let mut record = session("a");
        store.session_insert(&record).await.unwrap();
        assert_eq!(store.session_get(record.id).await.unwrap().as_ref(), Some(&record));
        let stale = record.clone();
        record.started_ms = Some(9);
        record.generation = store.session_update(&record).await.unwrap();
        assert_eq!(store.session_get(record.id).await.unwrap().as_ref(), Some(&record));
        let refused = store.session_update(&stale).await;
        assert!(matches!(refused, Err(StoreError::Stale { .. })), "{refused:?}");
        assert_eq!(store.session_get(record.id).await.unwrap(), Some(record));
    }
}

#[tokio::test]
async fn a_live_name_is_taken_and_an_ended_one_is_free() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let mut first = session("a");
        store.session_insert(&first).await.unwrap();
        let taken = store.session_insert(&session("a")).await;
        assert!(matches!(taken, Err(StoreError::Exists { .. })), "{taken:?}");
        (first.life, _) = first.life.apply(&SessionEvent::EndAsked { why: "test".into() }, 9).unwrap();
        first.ended_ms = Some(9);
        store.session_update(&first).await.unwrap();
        store.session_insert(&session("a")).await.unwrap();
        assert_eq!(store.session_list_live().await.unwrap().len(), 1);
        assert_eq!(store.session_prune(10).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn whatever_a_row_says_of_its_end_is_enough() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let all = ["a", "b", "c", "d"].map(session);
        for record in &all {
            store.session_insert(record).await.unwrap();
        }
        let [a, b, c, d] = all.map(|record| record.id);
        let by_hand = opening::bare(&database).await;
        for statement in [
            format!("UPDATE session SET state = 'ended' WHERE id = '{a}'"),
            format!("UPDATE session SET ended_ms = 9 WHERE id = '{b}'"),
            format!("DELETE FROM session WHERE id = '{c}'"),
        ] {
            by_hand.execute_unprepared(&statement).await.unwrap();
        }
        assert_eq!(store.session_ids_live().await.unwrap(), BTreeSet::from([d]));
        for (id, live) in [(a, false), (b, false), (c, false), (d, true)] {
            assert_eq!(store.session_is_live(id).await.unwrap(), live, "{id}");
        }
    }
}

#[tokio::test]
async fn many_runs_at_once_are_all_kept_and_read_back_after_reopening() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let records: Vec<_> = (0..300).map(|index| finished(&format!("output {index}\0"), 10)).collect();
        let writes = records.iter().map(|record| {
            let (store, record) = (store.clone(), record.clone());
            tokio::spawn(async move { store.run_finish(&record).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
        drop(store);
        let store = open(&database).await;
        for record in records {
            assert_eq!(store.run_get(record.id).await.unwrap(), Some(record));
        }
    }
}

#[tokio::test]
async fn a_run_is_open_until_it_is_finished() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let done = finished("x", 10);
        let begun = RunRecord { verdict: None, finished_ms: None, events: Vec::new(), ..done.clone() };
        store.run_insert(&begun).await.unwrap();
        assert_eq!(store.run_list_open().await.unwrap(), [begun]);
        store.run_finish(&done).await.unwrap();
        store.run_finish(&done).await.unwrap();
        assert_eq!(store.run_list_open().await.unwrap(), []);
        assert_eq!(store.run_get(done.id).await.unwrap(), Some(done));
    }
}

#[tokio::test]
async fn pruning_forgets_the_old_and_the_many_but_never_the_open() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let begun = RunRecord { verdict: None, finished_ms: None, events: Vec::new(), ..finished("x", 0) };
        store.run_insert(&begun).await.unwrap();
        for at in [10, 20, 30, 40, 50] {
            store.run_finish(&finished("x", at)).await.unwrap();
        }
        assert_eq!(store.run_prune(20, 100).await.unwrap(), 1, "one finished before 20");
        assert_eq!(store.run_prune(0, 2).await.unwrap(), 2, "two of the four newest stay");
        for _ in 0..600 {
            store.run_finish(&finished("x", 10)).await.unwrap();
        }
        assert_eq!(store.run_prune(20, 1_000).await.unwrap(), 600, "more than one step takes");
        assert_eq!(store.run_list_open().await.unwrap(), [begun]);
    }
}

#[tokio::test]
async fn batch_sessions_and_their_runs_have_a_time_of_their_own() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let mut runs = vec![finished("alone", 10)];
        for (name, kind) in [("a", SessionKind::Batch), ("b", SessionKind::Interactive)] {
            let mut record = session(name);
            record.spec.kind = kind;
            store.session_insert(&record).await.unwrap();
            (record.life, _) = record.life.apply(&SessionEvent::EndAsked { why: "test".into() }, 9).unwrap();
            record.ended_ms = Some(10);
            store.session_update(&record).await.unwrap();
            runs.push(RunRecord { session: Some(record.id), ..finished(name, 10) });
        }
        for run in &runs {
            store.run_finish(run).await.unwrap();
        }
        let later = Horizon { before_ms: 20, batch_before_ms: 5 };
        assert_eq!(store.run_prune(later, 100).await.unwrap(), 2, "alone, and of the interactive session");
        assert_eq!(store.session_prune(later).await.unwrap(), 1);
        assert!(store.run_get(runs[1].id).await.unwrap().is_some(), "of the batch session");
        let sooner = Horizon { before_ms: 5, batch_before_ms: 20 };
        assert_eq!(store.run_prune(sooner, 100).await.unwrap(), 1);
        assert_eq!(store.session_prune(sooner).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let record = |fingerprint: &str, subject: &str| IdempotencyRecord {
            key: "k".into(),
            fingerprint: fingerprint.into(),
            subject: subject.into(),
            created_ms: 1,
        };
        assert_eq!(store.idempotency_claim(&record("f", "one")).await.unwrap(), Claim::New);
        let known = Claim::Known { subject: "one".into() };
        assert_eq!(store.idempotency_claim(&record("f", "two")).await.unwrap(), known);
        assert_eq!(store.idempotency_claim(&record("g", "three")).await.unwrap(), Claim::Mismatch);
        store.idempotency_release("k").await.unwrap();
        assert_eq!(store.idempotency_claim(&record("g", "three")).await.unwrap(), Claim::New);
        assert_eq!(store.idempotency_prune(2).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_key_that_is_given_back_while_the_same_request_comes_again_stands_for_it() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let requests = (0..8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let record = IdempotencyRecord {
                    key: "k".into(),
                    fingerprint: "f".into(),
                    subject: format!("{number}"),
                    created_ms: 1,
                };
                for _ in 0..50 {
                    match store.idempotency_claim(&record).await {
                        Ok(Claim::New) => store.idempotency_release("k").await.unwrap(),
                        // Eight times in a row it was given back in between: it may be asked again.
                        Ok(Claim::Known { .. }) | Err(StoreError::Stale { .. }) => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
    }
}

#[tokio::test]
async fn only_the_latest_token_of_a_name_stays() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        for hash in ["one", "two"] {
            let record = TokenRecord { name: "administrator".into(), ..token(hash) };
            store.token_insert(&record).await.unwrap();
        }
        store.token_retire(Owner::DEFAULT.user, "administrator", "two").await.unwrap();
        let hashes: Vec<_> = store.token_list().await.unwrap().into_iter().map(|token| token.hash).collect();
        assert_eq!(hashes, ["two"]);
    }
}
