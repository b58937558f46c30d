//! Large results, beside the database.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use madang_store::{ResultsConfig, ResultsConfigError, RunRecord, Store, StoreError};
use madang_testkit::TestDatabase;
use sea_orm::ConnectionTrait as _;
use tempfile::TempDir;

use crate::{finished, open, opening};

const BEYOND_BYTES: usize = 2_000;
/// Longer than any machine of tests stands still.
const WAIT_MAX: Duration = Duration::from_secs(120);

fn at(url: String) -> ResultsConfig {
    ResultsConfig {
        url,
        endpoint: None,
        region: None,
        key_file: None,
        beyond_bytes: BEYOND_BYTES,
        wait_max: WAIT_MAX,
        away: WAIT_MAX,
    }
}

fn in_directory(directory: &Path) -> ResultsConfig {
    at(format!("file://{}", directory.display()))
}

async fn keeping(database: &TestDatabase, directory: &Path) -> Store {
    let mut store = open(database).await;
    store.keep_results(&in_directory(directory)).unwrap();
    store
}

fn large(finished_ms: u64) -> RunRecord {
    finished(&"output\0".repeat(1_000), finished_ms)
}

/// Every file beneath, with what is said of a run.
fn objects(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let runs = fs::read_dir(directory.join("runs")).into_iter().flatten().flatten();
    for run in runs.filter(|run| run.path().is_dir()) {
        found.extend(fs::read_dir(run.path()).unwrap().map(|object| object.unwrap().path()));
    }
    found
}

/// As if every object had been written down a day earlier.
async fn a_day_passes(database: &TestDatabase) {
    let sql = "UPDATE result_object SET since_ms = since_ms - 86400000 WHERE since_ms > 0";
    opening::bare(database).await.execute_unprepared(sql).await.unwrap();
}

#[tokio::test]
async fn a_large_result_is_kept_beside_the_database_and_a_small_one_in_it() {
    for database in TestDatabase::each().await {
        let place = TempDir::new().unwrap();
        let store = keeping(&database, &place.path().join("new/deep")).await;
        let (small, large) = (finished("x", 10), large(10));
        for record in [&small, &large] {
            store.run_finish(record).await.unwrap();
            assert_eq!(store.run_get(record.id).await.unwrap().as_ref(), Some(record));
            assert_eq!(store.run_verdict(record.id).await.unwrap(), Some(record.verdict));
        }
        let [object] = &objects(&place.path().join("new/deep"))[..] else { panic!() };
        assert!(object.to_str().unwrap().contains(&large.id.to_string()), "{object:?}");
        assert!(fs::metadata(object).unwrap().len() > BEYOND_BYTES as u64);
        assert!(!store.results_away());
        // Whoever does not know the place says so, and has all the rest.
        let without = open(&database).await;
        let refused = without.run_get(large.id).await;
        assert!(matches!(refused, Err(StoreError::Results { .. })), "{refused:?}");
        assert_eq!(without.run_verdict(large.id).await.unwrap(), Some(large.verdict));
        assert_eq!(without.run_get(small.id).await.unwrap(), Some(small));
    }
}

#[tokio::test]
async fn the_object_of_a_run_that_is_forgotten_goes_with_it() {
    for database in TestDatabase::each().await {
        let place = TempDir::new().unwrap();
        let store = keeping(&database, place.path()).await;
        let (old, young) = (large(10), large(30));
        store.run_finish(&old).await.unwrap();
        store.run_finish(&young).await.unwrap();
        assert_eq!(objects(place.path()).len(), 2);
        assert_eq!(store.results_collect().await.unwrap(), 0, "both are named");
        assert_eq!(store.run_prune(20, 9).await.unwrap(), 1);
        assert_eq!(store.results_collect().await.unwrap(), 1);
        let [left] = &objects(place.path())[..] else { panic!() };
        assert!(left.to_str().unwrap().contains(&young.id.to_string()), "{left:?}");
        a_day_passes(&database).await;
        assert_eq!(store.results_collect().await.unwrap(), 0, "it is old, and named");
        assert_eq!(store.run_get(young.id).await.unwrap().as_ref(), Some(&young));
        assert_eq!(store.run_prune(40, 9).await.unwrap(), 1);
        assert_eq!(store.results_collect().await.unwrap(), 1, "it was in no list any more");
        assert_eq!(objects(place.path()), [] as [PathBuf; 0]);
    }
}

#[tokio::test]
async fn an_object_that_no_run_came_to_name_is_collected() {
    for database in TestDatabase::each().await {
        let place = TempDir::new().unwrap();
        let store = keeping(&database, place.path()).await;
        let record = large(10);
        store.run_finish(&record).await.unwrap();
        // As if the server had died between the object and the row.
        let sql = format!("DELETE FROM run WHERE id = '{}'", record.id);
        opening::bare(&database).await.execute_unprepared(&sql).await.unwrap();
        assert_eq!(store.results_collect().await.unwrap(), 0, "the row may be on its way");
        assert_eq!(objects(place.path()).len(), 1);
        a_day_passes(&database).await;
        assert_eq!(store.results_collect().await.unwrap(), 1);
        assert_eq!(objects(place.path()), [] as [PathBuf; 0]);
        assert_eq!(store.results_collect().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn what_the_place_does_not_take_stays_in_the_database() {
    for database in TestDatabase::each().await {
        let place = TempDir::new().unwrap();
        let store = keeping(&database, place.path()).await;
        // Root is kept out by nothing but another kind of file.
        fs::write(place.path().join("runs"), "in the way").unwrap();
        let record = large(10);
        store.run_finish(&record).await.unwrap();
        assert!(store.results_away());
        store.results_probe().await.unwrap_err();
        assert_eq!(store.run_get(record.id).await.unwrap().as_ref(), Some(&record));
        fs::remove_file(place.path().join("runs")).unwrap();
        store.results_probe().await.unwrap();
        assert!(!store.results_away());
        let next = large(10);
        store.run_finish(&next).await.unwrap();
        assert_eq!(objects(place.path()).len(), 1);
    }
}

#[tokio::test]
async fn what_was_changed_or_lost_is_not_taken_for_the_result() {
    for database in TestDatabase::each().await {
        let place = TempDir::new().unwrap();
        let store = keeping(&database, place.path()).await;
        let record = large(10);
        store.run_finish(&record).await.unwrap();
        let [object] = &objects(place.path())[..] else { panic!() };
        let whole = fs::read(object).unwrap();
        let mut changed = whole.clone();
        *changed.iter_mut().rfind(|byte| **byte == b'7').unwrap() = b'8';
        fs::write(object, changed).unwrap();
        let refused = store.run_get(record.id).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
        fs::remove_file(object).unwrap();
        let refused = store.run_get(record.id).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
        fs::write(object, whole).unwrap();
        assert_eq!(store.run_get(record.id).await.unwrap(), Some(record));
    }
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let database = TestDatabase::each().await.remove(0);
    let mut store = open(&database).await;
    for url in ["", "s3://", "s3:///x", "file://here", "http://bucket.example/x", "/srv/results"] {
        let refused = store.keep_results(&at(url.to_owned()));
        assert!(matches!(refused, Err(ResultsConfigError::Url(_))), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn a_file_of_keys_is_read_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = TestDatabase::each().await.remove(0);
    let mut store = open(&database).await;
    let place = TempDir::new().unwrap();
    let keys = place.path().join("keys");
    let config = ResultsConfig { key_file: Some(keys.clone()), ..at("s3://bucket/results".into()) };
    let mut tried = |text: &str, mode| {
        fs::write(&keys, text).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(mode)).unwrap();
        store.keep_results(&config).map_err(|error| match error {
            ResultsConfigError::Keys { source, .. } => source.to_string(),
            other => panic!("{other:?}"),
        })
    };
    let whole = "[default]\naws_access_key_id = A\naws_secret_access_key=very secret\n";
    assert!(tried(whole, 0o644).unwrap_err().contains("anybody may read it"));
    let why = tried("[default]\naws_access_key_id = A\nsecret=very secret", 0o600).unwrap_err();
    assert!(why.contains("aws_secret_access_key") && !why.contains("very secret"), "{why}");
    tried(whole, 0o640).unwrap();
    assert!(!format!("{store:?}").contains("very secret"));
}
