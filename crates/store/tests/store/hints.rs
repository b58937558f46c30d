//! Hints: here at once, elsewhere through the database, and never silently lost.

use std::time::Duration;

use madang_ids::SessionId;
use madang_store::{Hint, Hints};
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database};

const PATIENCE: Duration = Duration::from_secs(120);

async fn next(hints: &mut Hints) -> Hint {
    tokio::time::timeout(PATIENCE, hints.next()).await.expect("no hint comes").unwrap()
}

#[tokio::test]
async fn a_hint_is_heard_once_by_everybody_in_the_process() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let (mut one, mut two) = (store.hints(), store.hints());
        for hint in [Hint::Access, Hint::Group("default".into())] {
            store.hint(hint.clone());
            assert_eq!(next(&mut one).await, hint);
            assert_eq!(next(&mut two).await, hint);
        }
    }
}

#[tokio::test]
async fn another_process_hears_what_is_said_and_not_itself() {
    let Some(database) = TestDatabase::postgres_if_any().await else { return };
    let (here, there) = (super::open(&database).await, super::open(&database).await);
    let (mut heard_here, mut heard_there) = (here.hints(), there.hints());
    let id = SessionId::new();
    here.hint(Hint::Session(id));
    assert_eq!(next(&mut heard_there).await, Hint::Session(id));
    there.hint(Hint::Policy);
    assert_eq!(next(&mut heard_here).await, Hint::Session(id));
    assert_eq!(next(&mut heard_here).await, Hint::Policy, "and not its own once more");
}

#[tokio::test]
async fn installations_in_one_database_do_not_hear_each_other() {
    let (Some(one), Some(other)) = (TestDatabase::postgres_if_any().await, TestDatabase::postgres_if_any().await)
    else {
        return;
    };
    let (ours, ours_too) = (super::open(&one).await, super::open(&one).await);
    let (stranger, strangers_friend) = (super::open(&other).await, super::open(&other).await);
    let (mut heard, mut heard_by_friend) = (ours.hints(), strangers_friend.hints());
    stranger.hint(Hint::Access);
    assert_eq!(next(&mut heard_by_friend).await, Hint::Access);
    // Notifications come in the order of their commits, so a stranger's would be there before ours.
    ours_too.hint(Hint::Price);
    assert_eq!(next(&mut heard).await, Hint::Price);
}

#[tokio::test]
async fn a_connection_that_was_cut_is_made_again_and_says_what_may_be_missing() {
    let Some(database) = TestDatabase::postgres_if_any().await else { return };
    let (here, there) = (super::open(&database).await, super::open(&database).await);
    let mut heard = here.hints();
    let knife = Database::connect(database.url()).await.unwrap();
    // Connections that listen are found by their last statement, which names the channel of this schema.
    let channel = "SELECT 'madang_' || md5(current_schema())";
    let channel = sea_orm::Statement::from_string(knife.get_database_backend(), channel);
    let channel: String = knife.query_one_raw(channel).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%{channel}%' AND pid <> pg_backend_pid()"
    );
    knife.execute_unprepared(&cut).await.unwrap();
    assert_eq!(next(&mut heard).await, Hint::Lost);
    there.hint(Hint::State);
    assert_eq!(next(&mut heard).await, Hint::State);
}

#[tokio::test]
async fn whoever_is_too_slow_is_told() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        let mut hints = store.hints();
        for _ in 0..5_000 {
            store.hint(Hint::Access);
        }
        assert_eq!(next(&mut hints).await, Hint::Lost);
        assert_eq!(next(&mut hints).await, Hint::Access);
    }
}

#[tokio::test]
async fn the_others_are_told_if_there_are_too_many() {
    let Some(database) = TestDatabase::postgres_if_any().await else { return };
    let (here, there) = (super::open(&database).await, super::open(&database).await);
    let mut heard = there.hints();
    // Said without a pause, on the only thread there is: more than may wait.
    for _ in 0..2_000 {
        here.hint(Hint::Access);
    }
    assert_eq!(next(&mut heard).await, Hint::Access);
    here.hint(Hint::Policy);
    tokio::time::timeout(PATIENCE, async { while heard.next().await != Some(Hint::Lost) {} }).await.unwrap();
}
