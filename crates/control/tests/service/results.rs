//! Large results in a real store that speaks S3, which `scripts/with-s3` starts, through a wire that can be cut.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use madang_control::ControlConfig;
use madang_ids::RunId;
use madang_store::ResultsConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::World;

/// Address, bucket, two keys and directory of a store that runs.
const STORE: &str = "MADANG_TEST_S3";
/// With `1` it is a failure if there is none, rather than a line of output.
const REQUIRED: &str = "MADANG_REQUIRE_S3";
const BEYOND_BYTES: usize = 4_000;
/// Longer than any machine of tests stands still.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// The store of objects, as one test sees it.
struct Store {
    wire: Wire,
    url: String,
    keys: TempDir,
    /// Where the store has its files of this test.
    files: PathBuf,
}

impl Store {
    async fn new() -> Option<Self> {
        let said = env::var(STORE).ok();
        let required = env::var_os(REQUIRED).is_some_and(|value| value == "1");
        assert!(said.is_some() || !required, "{REQUIRED}=1 and {STORE} is not set; use scripts/with-s3");
        let Some(said) = said else {
            println!("left out: {STORE} is not set; use scripts/with-s3");
            return None;
        };
        let [endpoint, bucket, id, secret, directory] = said.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{said}")
        };
        let keys = TempDir::new().unwrap();
        for (name, secret) in [("right", secret), ("wrong", "another")] {
            let path = keys.path().join(name);
            fs::write(&path, format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))
                .unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        // No two tests see each other's.
        let prefix = RunId::new();
        let wire = Wire::to(endpoint.trim_start_matches("http://").to_owned()).await;
        let files = Path::new(directory).join(bucket).join(prefix.to_string());
        Some(Self { wire, url: format!("s3://{bucket}/{prefix}"), keys, files })
    }

    fn config(&self, keys: &str) -> ResultsConfig {
        ResultsConfig {
            url: self.url.clone(),
            endpoint: Some(format!("http://{}", self.wire.address)),
            region: Some("us-east-1".into()),
            key_file: Some(self.keys.path().join(keys)),
            beyond_bytes: BEYOND_BYTES,
            wait_max: WAIT_MAX,
            away: WAIT_MAX,
        }
    }

    fn settle(&self) -> impl FnOnce(&mut ControlConfig) {
        let results = self.config("right");
        |config| config.results = Some(results)
    }

    /// The objects of runs that are there.
    fn objects(&self) -> usize {
        let runs = fs::read_dir(self.files.join("runs")).into_iter().flatten().flatten();
        let objects = runs.flat_map(|run| fs::read_dir(run.path()).into_iter().flatten().flatten());
        objects.filter(|file| file.file_name().to_string_lossy().ends_with("_object")).count()
    }
}

/// A connection to the store that can be cut and mended.
struct Wire {
    address: std::net::SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Wire {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self { address: listener.local_addr().unwrap(), cut: Arc::default() };
        let cut = Arc::clone(&wire.cut);
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (address, cut) = (address.clone(), Arc::clone(&cut));
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(address).await else { return };
                    if cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        wire
    }
}

async fn run(world: &World, code: &str) -> Value {
    let result = world.post("/api/v1/run", json!({"language": "sim", "code": code, "wait": true})).await.expect(200);
    assert_eq!(result["verdict"], "ok", "{result}");
    result
}

fn path(run: &Value) -> String {
    format!("/api/v1/runs/{}", run["id"].as_str().unwrap())
}

fn large(mark: &str) -> String {
    format!("print {}", mark.repeat(BEYOND_BYTES))
}

#[tokio::test]
async fn a_large_result_reads_back_from_the_store_and_goes_with_its_run() {
    let Some(store) = Store::new().await else { return };
    let world = World::with(store.settle()).await;
    let first = run(&world, &large("a")).await;
    run(&world, "print small").await;
    let second = run(&world, &large("bc")).await;
    for result in [&first, &second] {
        assert_eq!(world.get(&path(result)).await.expect(200), *result, "what is kept is what was answered");
    }
    assert_eq!(store.objects(), 2);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let settle = store.settle();
    let fewer = |config: &mut ControlConfig| {
        settle(config);
        config.keep_runs = 2;
    };
    let world = World::on(home, node, fewer).await;
    // It runs by itself as well, so that this may find nothing left to forget.
    world.post("/api/v1/tasks/prune/run", json!({})).await.expect(200);
    assert_eq!(store.objects(), 1);
    world.get(&path(&first)).await.problem(404, "not-found");
    assert_eq!(world.get(&path(&second)).await.expect(200), second);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let without = World::on(home, node, |_| {}).await;
    let refused = without.get(&path(&second)).await.problem(503, "unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("store of large results"), "{refused}");
}

#[tokio::test]
async fn while_the_store_is_away_readers_are_told_and_nothing_is_lost() {
    let Some(store) = Store::new().await else { return };
    let world = World::with(store.settle()).await;
    let (small, before) = (run(&world, "print small").await, run(&world, &large("a")).await);
    store.wire.cut.store(true, Ordering::SeqCst);
    // Connections that were open stay; a new server has none.
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    let world = World::on(home, node, store.settle()).await;
    let refused = world.get(&path(&before)).await;
    assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
    refused.problem(503, "unavailable");
    assert_eq!(world.get(&path(&small)).await.expect(200), small);
    let meanwhile = run(&world, &large("b")).await;
    assert_eq!(world.get(&path(&meanwhile)).await.expect(200), meanwhile);
    let told = |health: &Value| health["notes"].to_string().contains("the store of large results does not answer");
    assert_eq!(world.until("/readyz", told).await["status"], "ok");
    store.wire.cut.store(false, Ordering::SeqCst);
    assert_eq!(world.get(&path(&before)).await.expect(200), before);
    assert_eq!(store.objects(), 1);
}

#[tokio::test]
async fn a_store_that_refuses_our_keys_gets_nothing_and_costs_nothing() {
    let Some(store) = Store::new().await else { return };
    let results = store.config("wrong");
    let world = World::with(|config| config.results = Some(results)).await;
    let told = |health: &Value| health["notes"].to_string().contains("the store of large results does not answer");
    world.until("/readyz", told).await;
    let result = run(&world, &large("a")).await;
    assert_eq!(world.get(&path(&result)).await.expect(200), result);
    assert_eq!(store.objects(), 0);
}
