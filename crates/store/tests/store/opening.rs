//! Coming up: several at once, after a newer program, on a database made for a language.

use madang_store::Store;
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};

const SERVERS: usize = 6;

pub async fn bare(database: &TestDatabase) -> DatabaseConnection {
    Database::connect(database.url()).await.unwrap()
}

#[tokio::test]
async fn several_servers_may_open_an_empty_database_at_once() {
    for database in TestDatabase::each().await {
        let opening: Vec<_> = (0..SERVERS)
            .map(|_| {
                let config = super::config(&database);
                tokio::spawn(async move { Store::open(&config).await })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap().ping().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_database_that_a_newer_program_has_changed_still_opens() {
    for database in TestDatabase::each().await {
        drop(super::open(&database).await);
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_newer', 1)";
        bare(&database).await.execute_unprepared(newer).await.unwrap();
        super::open(&database).await.ping().await.unwrap();
    }
}

/// The PostgreSQL of the tests was made for English, which sorts `a` before `B`; SQLite does not.
#[tokio::test]
async fn text_is_compared_by_bytes() {
    for database in TestDatabase::each().await {
        let store = super::open(&database).await;
        for hash in ["a", "B", "_c"] {
            let record = madang_store::TokenRecord {
                id: madang_ids::TokenId::new(),
                owner: madang_model::Owner::DEFAULT.user,
                name: "t".into(),
                hash: hash.into(),
                scopes: madang_model::Scopes::ALL,
                expires_ms: None,
                created_ms: 1,
            };
            store.token_insert(&record).await.unwrap();
        }
        let rows = bare(&database).await;
        let sorted = "SELECT hash FROM token ORDER BY hash";
        let sorted = sea_orm::Statement::from_string(rows.get_database_backend(), sorted);
        let sorted = rows.query_all_raw(sorted).await.unwrap();
        let sorted: Vec<String> = sorted.iter().map(|row| row.try_get("", "hash").unwrap()).collect();
        assert_eq!(sorted, ["B", "_c", "a"]);
    }
}
