//! What the whole service takes, and announcements.

use std::collections::BTreeMap;

use madang_ids::AnnouncementId;
use madang_model::{Audience, Level, ServiceState};
use madang_store::{AnnouncementPage, AnnouncementRecord, ServiceRecord};
use madang_testkit::TestDatabase;

use crate::open;

#[tokio::test]
async fn the_last_state_of_the_service_stands() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        assert_eq!(store.service_get().await.unwrap(), None);
        for (state, changed_ms) in [(ServiceState::Frozen, 1), (ServiceState::Draining, 2)] {
            let record = ServiceRecord { state, reason: "disks".into(), changed_by: "a".into(), changed_ms };
            store.service_put(&record).await.unwrap();
            assert_eq!(store.service_get().await.unwrap(), Some(record));
        }
    }
}

fn announcement(audience: Audience, from_ms: u64, until_ms: Option<u64>) -> AnnouncementRecord {
    AnnouncementRecord {
        id: AnnouncementId::new(),
        level: Level::Critical,
        audience,
        texts: BTreeMap::from([("ko".to_owned(), "점검".to_owned())]),
        from_ms,
        until_ms,
        created_by: "a".into(),
        created_ms: 5,
    }
}

#[tokio::test]
async fn announcements_hold_from_until_their_end() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let open_end = announcement(Audience::Everybody, 10, None);
        let short = announcement(Audience::SignedIn, 10, Some(20));
        for record in [&open_end, &short] {
            store.announcement_insert(record).await.unwrap();
            assert_eq!(store.announcement_get(record.id).await.unwrap().as_ref(), Some(record));
        }
        let at = async |at_ms: u64, audience| {
            let page = AnnouncementPage { at_ms: Some(at_ms), audience, limit: 9, after: None };
            store.announcement_list(&page).await.unwrap().into_iter().map(|record| record.id).collect::<Vec<_>>()
        };
        assert_eq!(at(9, None).await, []);
        let mut both = vec![open_end.id, short.id];
        both.sort_by(|a, b| b.cmp(a));
        assert_eq!(at(19, None).await, both);
        assert_eq!(at(19, Some(Audience::SignedIn)).await, [short.id]);
        assert_eq!(at(20, None).await, [open_end.id]);
        assert_eq!(store.announcement_count_from(20).await.unwrap(), 1);
        store.announcement_end(open_end.id, 30).await.unwrap();
        store.announcement_end(open_end.id, 40).await.unwrap();
        assert_eq!(store.announcement_get(open_end.id).await.unwrap().unwrap().until_ms, Some(30));
        assert_eq!(store.announcement_prune(30).await.unwrap(), 1, "the one until 20");
        assert_eq!(store.announcement_prune(31).await.unwrap(), 1);
    }
}
