//! Ways to sign in, and the audit log.

use madang_ids::{AuditId, LinkId, SigninId};
use madang_model::person::ADMINISTRATOR;
use madang_store::{
    AccessKeyRecord, Attempt, AttemptDelay, AuditOutcome, AuditQuery, AuditRecord, LinkRecord, ServerKeyRecord,
    SigninRecord, TurnOver,
};
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database};

use super::open;

fn entry(at_ms: u64, operation: &str, status: u16) -> AuditRecord {
    AuditRecord {
        id: AuditId::new(),
        at_ms,
        actor: Some(ADMINISTRATOR),
        name: "administrator".into(),
        organization: None,
        via: "socket".into(),
        address: "uid 0".into(),
        operation: operation.into(),
        path: "/api/v1/x".into(),
        subject: None,
        status,
        code: None,
        request: "r1".into(),
    }
}

#[tokio::test]
async fn the_audit_log_only_grows() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let old = entry(10, "one", 200);
        store.audit_append(old.clone()).await.unwrap();
        // Written in their order: an answer to the last says that all are there.
        assert!(store.audit_offer(entry(20, "two", 403)));
        store.audit_append(entry(30, "three", 500)).await.unwrap();
        let by_hand = Database::connect(database.url()).await.unwrap();
        for statement in [
            "UPDATE audit SET name = 'nobody'",
            "DELETE FROM audit",
            "DELETE FROM audit WHERE at_ms = 10",
            "INSERT INTO audit_prune (before_ms, at_ms) VALUES (5, 5); DELETE FROM audit_prune",
        ] {
            let refused = by_hand.execute_unprepared(statement).await.unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{statement}: {refused}");
        }
        assert_eq!(store.audit_prune(10, 99).await.unwrap(), 0, "nothing is older than 10");
        assert_eq!(store.audit_prune(20, 99).await.unwrap(), 1);
        let all = store.audit_list(&AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
        let operations: Vec<_> = all.iter().map(|entry| entry.operation.as_str()).collect();
        assert_eq!(operations, ["audit_prune", "three", "two"], "newest first, and the pruning itself");
        let refused = by_hand.execute_unprepared("DELETE FROM audit WHERE at_ms >= 20").await;
        assert!(refused.is_err(), "what is newer than the mark stays");
    }
}

#[tokio::test]
async fn of_servers_that_prune_the_audit_log_at_once_one_does_and_none_fails() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        store.audit_append(entry(10, "one", 200)).await.unwrap();
        let prunings = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.audit_prune(20, 99).await.unwrap() })
        });
        let mut forgotten = 0;
        for pruning in prunings.collect::<Vec<_>>() {
            forgotten += pruning.await.unwrap();
        }
        assert_eq!(forgotten, 1);
        let all = store.audit_list(&AuditQuery { limit: 10, ..AuditQuery::default() }).await.unwrap();
        let operations: Vec<_> = all.iter().map(|entry| entry.operation.as_str()).collect();
        assert_eq!(operations, ["audit_prune"], "it is said once");
    }
}

#[tokio::test]
async fn the_audit_log_is_searched_page_by_page() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        for at in 1..=5 {
            store.audit_append(entry(at, "change", if at % 2 == 0 { 200 } else { 404 })).await.unwrap();
        }
        let search = |query: AuditQuery| {
            let store = store.clone();
            async move {
                let found = store.audit_list(&AuditQuery { limit: 2, ..query }).await.unwrap();
                found.iter().map(|entry| (entry.at_ms, entry.id)).collect::<Vec<_>>()
            }
        };
        let times = |found: &[(u64, AuditId)]| found.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let first = search(AuditQuery::default()).await;
        let second = search(AuditQuery { before: Some(first[1].1), ..AuditQuery::default() }).await;
        assert_eq!((times(&first), times(&second)), (vec![5, 4], vec![3, 2]));
        let done = AuditQuery { outcome: Some(AuditOutcome::Done), ..AuditQuery::default() };
        assert_eq!(times(&search(done).await), [4, 2]);
        let between = AuditQuery { since_ms: Some(2), until_ms: Some(4), ..AuditQuery::default() };
        assert_eq!(times(&search(between).await), [3, 2]);
        let other = AuditQuery { operation: Some("other".into()), ..AuditQuery::default() };
        assert_eq!(times(&search(other).await), Vec::<u64>::new());
    }
}

#[tokio::test]
async fn a_nonce_is_good_once_however_many_ask() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let uses = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.nonce_use("MDAK1", "n", 100).await.unwrap() })
        });
        let mut good = 0;
        for used in uses.collect::<Vec<_>>() {
            good += usize::from(used.await.unwrap());
        }
        assert_eq!(good, 1);
        assert!(store.nonce_use("MDAK2", "n", 100).await.unwrap(), "another key's");
        assert_eq!(store.nonce_prune(100).await.unwrap(), 0);
        assert_eq!(store.nonce_prune(101).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_link_sets_one_password_however_many_use_it() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let link = LinkRecord {
            id: LinkId::new(),
            user: ADMINISTRATOR,
            kind: "reset".into(),
            hash: "h".into(),
            created_ms: 1,
            expires_ms: 100,
            used_ms: None,
        };
        store.link_insert(&link).await.unwrap();
        store.signin_insert(&browser("b")).await.unwrap();
        assert_eq!(store.link_find("h", 100).await.unwrap(), None, "expired");
        let uses = (0..10).map(|number| {
            let (store, link) = (store.clone(), link.clone());
            tokio::spawn(async move {
                (
                    number,
                    store.link_use(&link, &format!("password {number}"), TurnOver::KnownToOthers, 50).await.unwrap(),
                )
            })
        });
        let mut winners = Vec::new();
        for used in uses.collect::<Vec<_>>() {
            let (number, won) = used.await.unwrap();
            winners.extend(won.then_some(number));
        }
        let [winner] = winners[..] else { panic!("{winners:?}") };
        assert_eq!(store.password_get(ADMINISTRATOR).await.unwrap(), Some(format!("password {winner}")));
        assert_eq!(store.signin_find("b", 1).await.unwrap(), None, "browsers are signed out");
        assert_eq!(store.link_find("h", 50).await.unwrap(), None);
    }
}

#[tokio::test]
async fn nobody_signs_in_or_changes_a_password_with_one_that_is_another_by_now() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        assert!(!store.signin_insert_proved(&browser("b0"), "old").await.unwrap(), "there is none yet");
        let link = LinkRecord {
            id: LinkId::new(),
            user: ADMINISTRATOR,
            kind: "invitation".into(),
            hash: "h".into(),
            created_ms: 1,
            expires_ms: 100,
            used_ms: None,
        };
        store.link_insert(&link).await.unwrap();
        assert!(store.link_use(&link, "old", TurnOver::KnownToOthers, 2).await.unwrap());
        assert!(store.signin_insert_proved(&browser("b1"), "old").await.unwrap());
        assert!(store.password_change(ADMINISTRATOR, ["old", "new"], TurnOver::KnownToOthers, 3).await.unwrap());
        assert_eq!(store.signin_find("b1", 1).await.unwrap(), None, "signed out");
        assert!(!store.signin_insert_proved(&browser("b2"), "old").await.unwrap());
        assert_eq!(store.signin_find("b2", 1).await.unwrap(), None);
        assert!(!store.password_change(ADMINISTRATOR, ["old", "stolen"], TurnOver::KnownToOthers, 4).await.unwrap());
        assert_eq!(store.password_get(ADMINISTRATOR).await.unwrap().as_deref(), Some("new"));
        // Many at once: whatever the order, nobody who proved the old one is signed in at the end.
        let tries = (0..16).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("many {number}");
                if number == 8 {
                    store.password_change(ADMINISTRATOR, ["new", "newest"], TurnOver::KnownToOthers, 5).await.unwrap();
                } else {
                    store.signin_insert_proved(&browser(&name), "new").await.unwrap();
                }
            })
        });
        for one in tries.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        assert_eq!(store.signin_list(ADMINISTRATOR, 1).await.unwrap(), []);
    }
}

#[tokio::test]
async fn attempts_are_free_then_slow_and_forgotten_by_success() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let delay = AttemptDelay { free: 3, first_ms: 1_000, most_ms: 3_000, keep_ms: 10_000 };
        let attempt = async |now| store.signin_attempt("k", now, &delay).await.unwrap();
        for now in [1, 2, 3] {
            assert_eq!(attempt(now).await, Attempt::Go);
        }
        assert_eq!(attempt(4).await, Attempt::Wait { until_ms: 1_003 });
        assert_eq!(attempt(1_003).await, Attempt::Go);
        assert_eq!(attempt(1_004).await, Attempt::Wait { until_ms: 3_003 }, "twice as long");
        assert_eq!(attempt(3_003).await, Attempt::Go);
        assert_eq!(attempt(3_004).await, Attempt::Wait { until_ms: 6_003 }, "never longer than that");
        assert_eq!(store.signin_attempt("other", 3_004, &delay).await.unwrap(), Attempt::Go);
        store.signin_succeeded("k").await.unwrap();
        assert_eq!(attempt(3_005).await, Attempt::Go);
        for _ in 0..200 {
            let (store, now) = (store.clone(), 1_000_000_000);
            store.signin_attempt("many", now, &AttemptDelay { first_ms: 0, ..delay }).await.unwrap();
        }
    }
}

fn browser(hash: &str) -> SigninRecord {
    SigninRecord {
        id: SigninId::new(),
        user: ADMINISTRATOR,
        hash: hash.into(),
        method: "password".into(),
        address: "::1".into(),
        agent: "test".into(),
        created_ms: 1,
        seen_ms: 1,
        expires_ms: 100,
    }
}

#[tokio::test]
async fn browsers_come_and_go() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let (one, two) = (browser("1"), browser("2"));
        store.signin_insert(&one).await.unwrap();
        store.signin_insert(&two).await.unwrap();
        assert_eq!(store.signin_find("1", 99).await.unwrap(), Some(one.clone()));
        assert_eq!(store.signin_find("1", 100).await.unwrap(), None, "expired");
        store.signin_touch(one.id, 50, 200).await.unwrap();
        assert_eq!(store.signin_find("1", 100).await.unwrap().map(|found| found.seen_ms), Some(50));
        assert_eq!(store.signin_list(ADMINISTRATOR, 50).await.unwrap().len(), 2);
        assert!(store.signin_end(one.id).await.unwrap() && !store.signin_end(one.id).await.unwrap());
        assert_eq!(store.signin_prune(150).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn keys_are_kept_and_the_first_servers_key_stands() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let before = store.directory_version().await.unwrap();
        let key = AccessKeyRecord {
            id: "MDAK1".into(),
            owner: ADMINISTRATOR,
            name: "ci".into(),
            sealed: "00".into(),
            signing: "any".into(),
            policy: None,
            made_by: Some(ADMINISTRATOR),
            created_ms: 1,
            rotated_ms: 1,
            expires_ms: Some(5),
            suspended_ms: None,
        };
        store.access_key_insert(&key).await.unwrap();
        let suspended = AccessKeyRecord { suspended_ms: Some(2), ..key };
        store.access_key_update(&suspended).await.unwrap();
        assert_eq!(store.access_key_list().await.unwrap(), std::slice::from_ref(&suspended));
        store.access_key_remove("MDAK1").await.unwrap();
        assert_eq!(store.access_key_list().await.unwrap(), []);
        assert!(store.directory_version().await.unwrap() >= before + 3, "others have to read it again");
        let mine = |text: &str| ServerKeyRecord { fingerprint: text.into(), key: None };
        assert_eq!(store.server_key_agree(&mine("a")).await.unwrap(), mine("a"));
        assert_eq!(store.server_key_agree(&mine("b")).await.unwrap(), mine("a"));
    }
}
