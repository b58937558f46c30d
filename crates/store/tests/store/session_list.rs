//! Lists of sessions: every term of a filter, every order, a page at a time.

use std::collections::BTreeMap;

use madang_ids::SessionId;
use madang_model::{SessionEvent, SessionFilter, SessionKind};
use madang_store::{SessionAfter, SessionOrder, SessionPage, SessionRecord, Store};
use madang_testkit::TestDatabase;

use super::{open, session};

fn tagged(name: &str, tags: &[(&str, &str)]) -> SessionRecord {
    let mut record = session(name);
    record.spec.tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    record
}

/// Four sessions that differ in everything; ids grow in the order of the list.
async fn filled(store: &Store) -> Vec<SessionRecord> {
    let mut records = vec![
        tagged("train-1", &[("course", "machine learning"), ("it's \"odd\"", "1")]),
        tagged("train-2", &[("course", "music")]),
        tagged("trace", &[]),
        tagged("zoo", &[("course", "machine learning")]),
    ];
    let mut ids: Vec<_> = records.iter().map(|_| SessionId::new()).collect();
    ids.sort_unstable();
    for ((record, id), created_ms) in records.iter_mut().zip(ids).zip([10, 20, 30, 40]) {
        (record.id, record.created_ms) = (id, created_ms);
    }
    records[1].spec.image = "registry.example/a, b:1".into();
    records[2].spec.language = None;
    records[2].spec.env = BTreeMap::from([("NUL".to_owned(), "\0".to_owned())]);
    records[3].spec.kind = SessionKind::Batch;
    (records[3].life, _) = records[3].life.apply(&SessionEvent::EndAsked { why: "test".into() }, 9).unwrap();
    records[3].ended_ms = Some(50);
    for record in &records {
        store.session_insert(record).await.unwrap();
    }
    records
}

async fn names(store: &Store, filter: &str) -> String {
    let filter: SessionFilter = filter.parse().unwrap();
    let page = SessionPage { filter, order: SessionOrder::Name, limit: 100, ..SessionPage::default() };
    let found = store.session_list(&page).await.unwrap();
    found.iter().map(|record| record.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_term_finds_what_it_says() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let records = filled(&store).await;
        let owner = format!("owner:{}", records[0].owner.user);
        for (filter, expected) in [
            ("", "trace train-1 train-2 zoo"),
            ("live", "trace train-1 train-2"),
            ("requested", "trace train-1 train-2"),
            ("state:ended,running", "zoo"),
            ("kind:batch", "zoo"),
            ("kind:batch live", ""),
            (owner.as_str(), "trace train-1 train-2 zoo"),
            ("owner:usr_00000000000000000000000000", ""),
            (r#"image:"registry.example/a, b:1""#, "train-2"),
            ("image:host,other", "trace train-1 zoo"),
            ("language:python", "train-1 train-2 zoo"),
            ("name:train*", "train-1 train-2"),
            ("name:train", ""),
            ("name:zoo,trace", "trace zoo"),
            (r#"tag:course="machine learning""#, "train-1 zoo"),
            ("tag:course", "train-1 train-2 zoo"),
            ("tag:course=music,none=1", "train-2"),
            (r#"tag:"it's \"odd\""=1"#, "train-1"),
            (r#"tag:"it's \"odd\""=2"#, ""),
            (r#"tag:"' OR 1=1 --""#, ""),
            ("created>=20 created<40", "trace train-2"),
            ("live tag:course name:train* created>=20", "train-2"),
        ] {
            assert_eq!(names(&store, filter).await, expected, "{filter} on {}", database.url());
        }
    }
}

#[tokio::test]
async fn pages_hold_everybody_once_in_every_order() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        filled(&store).await;
        for (order, expected) in [
            (SessionOrder::OldestFirst, "train-1 train-2 trace zoo"),
            (SessionOrder::NewestFirst, "zoo trace train-2 train-1"),
            (SessionOrder::Name, "trace train-1 train-2 zoo"),
        ] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = SessionPage { order, after, limit: 1, ..SessionPage::default() };
                let Some(record) = store.session_list(&page).await.unwrap().pop() else { break };
                after = Some(SessionAfter { id: record.id, name: Some(record.name.clone()) });
                seen.push(record.name);
                // What comes meanwhile and belongs before changes nothing of what follows.
                if seen.len() == 2 && order != SessionOrder::NewestFirst {
                    let first = SessionRecord { id: SessionId::MIN, ..session("a") };
                    store.session_insert(&first).await.unwrap();
                    store.session_update(&SessionRecord { ended_ms: Some(1), ..first }).await.unwrap();
                }
            }
            assert_eq!(seen.join(" "), expected, "{order:?}");
            store.session_prune(2).await.unwrap();
        }
    }
}
