//! What owners held of a group, summed up and weighed by how long ago it was.

use madang_ids::UserId;
use madang_model::{Owner, SessionEvent};
use madang_store::{HeldQuery, SessionRecord, SessionsHeld, Store};
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database};

use super::{open, session};

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// One that held two processors for an hour, so long ago.
fn ended(user: UserId, ago_ms: u64) -> SessionRecord {
    let mut record = session("held");
    record.owner = Owner { user, ..Owner::DEFAULT };
    record.spec.limits.cpu_millis = 2_000;
    record.spec.queueing.resource_group = "class".into();
    (record.life, _) = record.life.apply(&SessionEvent::EndAsked { why: "test".into() }, NOW).unwrap();
    (record.started_ms, record.ended_ms) = (Some(NOW - ago_ms - HOUR), Some(NOW - ago_ms));
    record
}

async fn held(store: &Store, group: &str) -> Vec<SessionsHeld> {
    let query = HeldQuery { resource_group: group, now_ms: NOW, half_life_ms: DAY };
    store.sessions_held(query).await.unwrap()
}

/// Whose, and for how many hours.
fn hours(held: &[SessionsHeld]) -> Vec<(UserId, f64)> {
    held.iter().map(|sum| (sum.owner, (sum.held_ms / HOUR as f64 * 20.0).round() / 20.0)).collect()
}

#[tokio::test]
async fn what_ended_long_ago_counts_less_and_what_was_never_held_not_at_all() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let (ada, ben) = (UserId::new(), UserId::new());
        let large = {
            let mut record = ended(ben, 0);
            record.spec.cluster.size = 3;
            record
        };
        let elsewhere = {
            let mut record = ended(ada, 0);
            record.spec.queueing.resource_group = "other".into();
            record
        };
        let never_ran = SessionRecord { started_ms: None, ..ended(ada, 0) };
        let lives = SessionRecord { ended_ms: None, ..ended(ada, 0) };
        let too_old = ended(ada, 8 * DAY);
        for record in [ended(ada, 0), ended(ada, DAY), ended(ben, 2 * DAY), large, elsewhere, never_ran, lives, too_old]
        {
            store.session_insert(&record).await.unwrap();
        }
        let sums = held(&store, "class").await;
        assert_eq!(hours(&sums), [(ada, 1.5), (ben, 1.0), (ben, 0.25)], "{}", database.url());
        let sizes: Vec<_> = sums.iter().map(|sum| sum.cpu_millis).collect();
        assert_eq!(sizes, [2_000, 6_000, 2_000]);
        assert_eq!(hours(&held(&store, "other").await), [(ada, 1.0)]);
    }
}

#[tokio::test]
async fn a_session_that_starts_and_ends_later_is_summed_up_then() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let done = ended(UserId::new(), 0);
        let mut record = SessionRecord { started_ms: None, ended_ms: None, ..done.clone() };
        store.session_insert(&record).await.unwrap();
        record.started_ms = done.started_ms;
        record.generation = store.session_update(&record).await.unwrap();
        assert_eq!(held(&store, "class").await, []);
        record.ended_ms = done.ended_ms;
        store.session_update(&record).await.unwrap();
        assert_eq!(hours(&held(&store, "class").await), [(done.owner.user, 1.0)]);
    }
}

/// A database of the program before has the columns from its sessions' bodies.
#[tokio::test]
async fn what_was_kept_before_there_were_columns_counts() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let record = ended(UserId::new(), 0);
        store.session_insert(&record).await.unwrap();
        drop(store);
        let bare = Database::connect(database.url()).await.unwrap();
        for sql in [
            "DROP INDEX session_held",
            "ALTER TABLE session DROP COLUMN resource_group",
            "ALTER TABLE session DROP COLUMN started_ms",
            "DELETE FROM seaql_migrations WHERE version = 'm0140_session_held'",
        ] {
            bare.execute_unprepared(sql).await.unwrap();
        }
        let store = open(&database).await;
        assert_eq!(hours(&held(&store, "class").await), [(record.owner.user, 1.0)]);
    }
}
