//! A copy of a database, put back into either kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use madang_store::{
    Store, StoreConfig,
    backup::{BackupError, LEFT_OUT, Present, backup, check, restore},
};
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;

use crate::{config, finished, open, session, token};

const COLUMNS: &str = "SELECT m.name AS t, c.name AS c, c.type AS kind, c.\"notnull\" AS needed, c.pk AS pk FROM sqlite_master m \
    JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

async fn copy_to(directory: &TempDir, name: &str, from: &StoreConfig) -> PathBuf {
    let path = directory.path().join(name);
    let mut file = fs::File::create(&path).unwrap();
    let copied = backup(from, &mut file).await.unwrap();
    assert_eq!(check(&path).unwrap(), copied);
    path
}

/// The lines between head and foot; rows of a table in no order.
fn body(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut body = Vec::new();
    for table in lines[1..lines.len() - 1].split_inclusive(|line| line.starts_with("{\"end\"")) {
        let mut table: Vec<_> = table.iter().map(|line| (*line).to_owned()).collect();
        table.sort();
        body.extend(table);
    }
    body
}

/// Two rows in every table, with something or nothing in every column, as SQLite itself names them. Returns the columns of each table.
async fn fill_everything(connection: &DatabaseConnection) -> BTreeMap<String, BTreeSet<String>> {
    let asked = Statement::from_string(DbBackend::Sqlite, COLUMNS);
    let mut tables: BTreeMap<String, Vec<(String, [String; 2])>> = BTreeMap::new();
    for row in connection.query_all_raw(asked).await.unwrap() {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let (table, column, kind) = (text("t"), text("c"), text("kind").to_ascii_lowercase());
        let needed = row.try_get::<i64>("", "needed").unwrap() + row.try_get::<i64>("", "pk").unwrap() > 0;
        let kind = kind.split(['(', '_']).next().unwrap();
        let some = |number: u64| match kind {
            // Some are looked into as JSON.
            "text" | "varchar" => format!("'{{\"text\":\n\"{table}.{column} {number} äß🦀 \\\\ \"}}'"),
            "bigint" => format!("{}", i64::MAX as u64 - 100 - number),
            "integer" => format!("{}", i32::MAX as u64 - 100 - number),
            "boolean" => format!("{}", number % 2),
            "blob" | "binary" => format!("X'00FF{number:02}'"),
            "double" | "real" => format!("{number}.5"),
            other => panic!("{table}.{column} is `{other}`: teach the copy and this test what that is"),
        };
        let values = [some(1), if needed { some(2) } else { "NULL".into() }];
        tables.entry(table.clone()).or_default().push((column, values));
    }
    for (table, columns) in &tables {
        let names: Vec<_> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        for row in 0..2 {
            let values: Vec<_> = columns.iter().map(|(_, values)| values[row].clone()).collect();
            let insert = format!("INSERT INTO \"{table}\" ({}) VALUES ({})", names.join(", "), values.join(", "));
            if table != "seaql_migrations" {
                connection.execute_unprepared(&insert).await.unwrap();
            }
        }
    }
    tables.into_iter().map(|(table, columns)| (table, columns.into_iter().map(|(name, _)| name).collect())).collect()
}

/// Fails for a table or a column that a change of tables adds and the copy does not know.
#[tokio::test]
async fn every_column_of_every_table_comes_back_from_either_database() {
    let directory = TempDir::new().unwrap();
    let first = StoreConfig::sqlite(directory.path().join("first.db"));
    drop(Store::open(&first).await.unwrap());
    let connection = Database::connect(format!("sqlite:{}", first.path().unwrap().display())).await.unwrap();
    let tables = fill_everything(&connection).await;
    connection.close().await.unwrap();
    let mut copy = copy_to(&directory, "0", &first).await;
    let wanted = body(&copy);
    for (table, columns) in tables.iter().filter(|(table, _)| !LEFT_OUT.contains(&table.as_str())) {
        let begins = format!("{{\"table\":\"{table}\",");
        let line = wanted.iter().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{table} is missing"));
        for column in columns {
            assert!(line.contains(&format!("\"name\":\"{column}\"")), "{table}.{column} is missing");
        }
        let filled = wanted.iter().filter(|line| line.starts_with('[') && line.contains(&format!("{table}."))).count();
        let texts = wanted.iter().any(|line| line.starts_with('[') && line.contains(&format!("{table}.")));
        assert!(!texts || filled >= 2, "rows of {table} are missing");
    }
    // From SQLite to each kind, and from there to SQLite again.
    for (number, database) in TestDatabase::each().await.into_iter().enumerate() {
        restore(&config(&database), &copy, Present::Refuse).await.unwrap();
        copy = copy_to(&directory, &format!("{number}-there"), &config(&database)).await;
        assert_eq!(body(&copy), wanted, "on {}", database.url());
        let back = StoreConfig::sqlite(directory.path().join(format!("{number}.db")));
        restore(&back, &copy, Present::Refuse).await.unwrap();
        copy = copy_to(&directory, &format!("{number}-back"), &back).await;
        assert_eq!(body(&copy), wanted);
    }
}

#[tokio::test]
async fn what_was_kept_is_read_from_what_was_put_back() {
    let directory = TempDir::new().unwrap();
    for (from, to) in TestDatabase::each().await.into_iter().zip(TestDatabase::each().await.into_iter().rev()) {
        let store = open(&from).await;
        let (kept, run) = (session("kept"), finished("output", 9));
        store.session_insert(&kept).await.unwrap();
        store.run_finish(&run).await.unwrap();
        let copy = copy_to(&directory, "copy", &config(&from)).await;
        restore(&config(&to), &copy, Present::Refuse).await.unwrap();
        let restored = open(&to).await;
        assert_eq!(restored.session_get(kept.id).await.unwrap(), Some(kept));
        assert_eq!(restored.run_get(run.id).await.unwrap(), Some(run));
        assert_eq!(restored.user_list().await.unwrap(), store.user_list().await.unwrap());
    }
}

/// Every token grows the version of the people by one, in one transaction: the copy shows both or neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_shows_one_moment_of_a_database_at_work() {
    let directory = TempDir::new().unwrap();
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let began = store.directory_version().await.unwrap();
        let writer = tokio::spawn(async move {
            for number in 0.. {
                store.token_insert(&token(&format!("t{number}"))).await.unwrap();
            }
        });
        let mut tokens = 0;
        // From the first copy on something was written meanwhile.
        let started = std::time::Instant::now();
        while open(&database).await.directory_version().await.unwrap() == began {
            assert!(started.elapsed() < std::time::Duration::from_secs(120), "nothing is written");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        for number in 0..3 {
            let copy = copy_to(&directory, &format!("{number}"), &config(&database)).await;
            let target = StoreConfig::sqlite(directory.path().join(format!("{}-{number}.db", database.is_postgres())));
            restore(&target, &copy, Present::Refuse).await.unwrap();
            let restored = Store::open(&target).await.unwrap();
            tokens = restored.token_list().await.unwrap().len() as u64;
            assert_eq!(restored.directory_version().await.unwrap(), began + tokens, "{}", database.url());
        }
        assert!(tokens > 0, "nothing was written meanwhile");
        writer.abort();
        assert!(writer.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn what_is_damaged_or_newer_is_refused_and_touches_nothing() {
    let directory = TempDir::new().unwrap();
    let database = StoreConfig::sqlite(directory.path().join("from.db"));
    Store::open(&database).await.unwrap().session_insert(&session("s")).await.unwrap();
    let copy = copy_to(&directory, "copy", &database).await;
    let whole = fs::read(&copy).unwrap();
    let broken = directory.path().join("broken");
    let refused = async |bytes: &[u8]| {
        fs::write(&broken, bytes).unwrap();
        let target = StoreConfig::sqlite(directory.path().join("target.db"));
        let error = restore(&target, &broken, Present::Replace).await.unwrap_err();
        assert!(!target.path().unwrap().exists(), "something was made");
        error
    };
    for (at, _) in whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let error = refused(&whole[..at]).await;
        assert!(matches!(error, BackupError::Damaged { .. } | BackupError::Stranger), "{at}: {error}");
        if at + 1 < whole.len() {
            assert!(matches!(refused(&whole[..=at]).await, BackupError::Damaged { .. }), "{at}");
        }
    }
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        refused(&flipped).await;
    }
    assert!(matches!(refused(b"{\"hello\":1}\n").await, BackupError::Stranger));
    let text = String::from_utf8(whole).unwrap();
    let newer = text.replacen("\"madang_backup\":1", "\"madang_backup\":2", 1);
    assert!(matches!(refused(newer.as_bytes()).await, BackupError::Newer { .. }));
    assert!(matches!(refused([text.as_bytes(), b"more\n"].concat().as_slice()).await, BackupError::Damaged { .. }));
}

#[tokio::test]
async fn what_is_there_is_replaced_only_on_demand() {
    let directory = TempDir::new().unwrap();
    let from = StoreConfig::sqlite(directory.path().join("from.db"));
    let theirs = session("theirs");
    Store::open(&from).await.unwrap().session_insert(&theirs).await.unwrap();
    let copy = copy_to(&directory, "copy", &from).await;
    for database in TestDatabase::each().await {
        let ours = session("ours");
        open(&database).await.session_insert(&ours).await.unwrap();
        let error = restore(&config(&database), &copy, Present::Refuse).await.unwrap_err();
        assert!(matches!(error, BackupError::NotEmpty { .. }), "{error}");
        assert!(open(&database).await.session_get(ours.id).await.unwrap().is_some());
        restore(&config(&database), &copy, Present::Replace).await.unwrap();
        let restored = open(&database).await;
        assert_eq!(restored.session_list_live().await.unwrap(), std::slice::from_ref(&theirs));
    }
}

#[tokio::test]
async fn a_database_at_work_is_not_replaced() {
    let directory = TempDir::new().unwrap();
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let copy = copy_to(&directory, "copy", &config(&database)).await;
        let hello = madang_store::ControlHello {
            id: madang_ids::ControlId::new(),
            address: None,
            nodes_address: None,
            version: "1".into(),
        };
        store.control_process_seen(&hello).await.unwrap();
        // However long it takes from here, it was seen a moment ago.
        let later = "UPDATE control_process SET seen_ms = seen_ms + 600000";
        crate::opening::bare(&database).await.execute_unprepared(later).await.unwrap();
        let error = restore(&config(&database), &copy, Present::Replace).await.unwrap_err();
        assert!(matches!(error, BackupError::InUse { .. }), "{error}");
    }
}
