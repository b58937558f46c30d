//! Folders: names, the trash, copies, owners, limits, and what a crash leaves behind.

use axum::http::Method;
use madang_ids::{FolderId, ProjectId, UserId};
use madang_model::{FolderOwner, FolderPlace, FolderQuota, FolderUsage};
use madang_node_api::Node;
use serde_json::{Value, json};

use crate::{
    harness::World,
    stage::{ROOT, Stage},
};

const FOLDERS: &str = "/api/v1/folders";

impl Stage {
    pub async fn folder(&self, name: &str, body: Value) -> Value {
        self.send(name, Method::POST, FOLDERS, body).await.expect(201)
    }

    pub async fn named(&self, player: &str, more: &str) -> Vec<String> {
        let list = self.send(player, Method::GET, &format!("{FOLDERS}{more}"), Value::Null).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Stage {
    /// The folder once nothing of it is copied any more: an answer does not wait for that for ever.
    async fn copied(&self, folder: &Value) -> Value {
        let copies = |folder: &Value| folder["state"] == "cloning" || folder["state"] == "moving";
        self.world.until(&path(folder, ""), |folder| !copies(folder)).await
    }
}

pub fn path(folder: &Value, rest: &str) -> String {
    format!("{FOLDERS}/{}{rest}", folder["id"].as_str().unwrap())
}

/// Where the node has it.
pub fn place(folder: &Value) -> FolderPlace {
    let owner = match folder["user"].as_str() {
        Some(user) => FolderOwner::User(user.parse::<UserId>().unwrap()),
        None => FolderOwner::Project(folder["project"].as_str().unwrap().parse::<ProjectId>().unwrap()),
    };
    FolderPlace { owner, folder: folder["id"].as_str().unwrap().parse::<FolderId>().unwrap() }
}

#[tokio::test]
async fn a_name_is_free_again_in_the_trash_and_taken_there_is_said_so() {
    let world = World::new().await;
    let first = world.post(FOLDERS, json!({"name": "data"})).await.expect(201);
    assert_eq!((&first["state"], &first["may"]), (&json!("ready"), &json!("delete")), "{first}");
    let again = world.post(FOLDERS, json!({"name": "data"})).await.problem(409, "conflict");
    assert!(again["detail"].as_str().unwrap().contains("`data`"), "{again}");
    let trashed = world.delete("/api/v1/folders/data").await.expect(200);
    assert_eq!(trashed["state"], "trashed");
    assert_eq!(world.get(FOLDERS).await.expect(200)["items"], json!([]));
    let second = world.post(FOLDERS, json!({"name": "data"})).await.expect(201);
    let refused = world.post(&path(&first, "/restore"), json!({})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("rename"), "{refused}");
    world
        .send(Method::PATCH, &path(&second, ""), &[("content-type", "application/json")], r#"{"name":"other"}"#)
        .await
        .expect(200);
    assert_eq!(world.post(&path(&first, "/restore"), json!({})).await.expect(200)["state"], "ready");
    let trash = world.get("/api/v1/folders?trashed=true").await.expect(200);
    assert_eq!(trash["items"], json!([]), "{trash}");
}

#[tokio::test]
async fn what_is_purged_is_gone_from_the_node_and_only_what_is_in_the_trash_is() {
    let world = World::new().await;
    let folder = world.post(FOLDERS, json!({"name": "data"})).await.expect(201);
    world.post(&path(&folder, "/purge"), json!({})).await.problem(409, "conflict");
    world.delete(&path(&folder, "")).await.expect(200);
    let FolderPlace { owner, folder: id } = place(&folder);
    world.node.folder_usage(owner, id).await.unwrap();
    world.post(&path(&folder, "/purge"), json!({})).await.expect(200);
    world.get(&path(&folder, "")).await.problem(404, "not-found");
    world.node.folder_usage(owner, id).await.unwrap_err();
}

#[tokio::test]
async fn a_purge_that_a_crash_has_interrupted_is_ended_by_the_next_server() {
    let world = World::new().await;
    let folder = world.post(FOLDERS, json!({"name": "data"})).await.expect(201);
    world.delete(&path(&folder, "")).await.expect(200);
    let FolderPlace { owner, folder: id } = place(&folder);
    world.stop.stop_now();
    let (home, node) = world.stopped().await;
    // What a server leaves that dies between both: it is kept that the folder goes, and the node was not told.
    let config = home.database();
    let store = madang_store::Store::open(&config).await.unwrap();
    let seen = store.folder_get(id).await.unwrap().unwrap();
    let purging = madang_store::FolderRecord { state: madang_model::FolderState::Purging, ..seen.clone() };
    store.folder_update(&seen, purging).await.unwrap();
    drop(store);
    node.folder_usage(owner, id).await.unwrap();
    let world = World::on(home, node, |_| {}).await;
    let gone = |problem: &Value| problem["status"] == 404;
    world.until(&path(&folder, ""), gone).await;
    world.node.folder_usage(owner, id).await.unwrap_err();
}

#[tokio::test]
async fn a_copy_holds_what_the_first_does_and_needs_leave() {
    let stage = Stage::new().await;
    let source = stage.folder("mona", json!({"name": "set", "project": "maths", "permission": "read"})).await;
    stage.world.node.folder_fill(place(&source), FolderUsage { bytes: 40_960, files: 4 }).unwrap();
    let clone = json!({"name": "mine"});
    stage.send("ada", Method::POST, &path(&source, "/clone"), clone.clone()).await.problem(403, "forbidden");
    stage.send("mona", Method::PATCH, &path(&source, ""), json!({"cloneable": true})).await.expect(200);
    let copy = stage.send("ada", Method::POST, &path(&source, "/clone"), clone).await.expect(201);
    let copy = stage.copied(&copy).await;
    assert_eq!((&copy["state"], &copy["owner_name"]), (&json!("ready"), &json!("ada")), "{copy}");
    let seen = stage.send("ada", Method::GET, &path(&copy, "?usage=true"), Value::Null).await.expect(200);
    assert_eq!((&seen["used_bytes"], &seen["used_files"]), (&json!(40_960), &json!(4)), "{seen}");
}

#[tokio::test]
async fn a_copy_that_does_not_fit_fails_and_says_why() {
    let stage = Stage::new().await;
    let source = stage.folder("ada", json!({"name": "big"})).await;
    stage.world.node.folder_fill(place(&source), FolderUsage { bytes: 1 << 20, files: 2 }).unwrap();
    stage.world.put("/api/v1/policies/default", json!({"folder_bytes": 1_500_000})).await.expect(200);
    let copy = stage.send("ada", Method::POST, &path(&source, "/clone"), json!({"name": "twin"})).await.expect(201);
    let copy = stage.copied(&copy).await;
    assert_eq!(copy["state"], "failed", "{copy}");
    assert!(copy["why"].as_str().unwrap().contains("quota"), "{copy}");
    stage.send("ada", Method::POST, &path(&copy, "/purge"), json!({})).await.expect(200);
    assert_eq!(stage.named("ada", "").await, ["big"]);
}

#[tokio::test]
async fn an_administrator_gives_a_folder_to_another_owner_with_all_that_is_in_it() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "thesis"})).await;
    stage.folder("ben", json!({"name": "thesis"})).await;
    stage.world.node.folder_fill(place(&folder), FolderUsage { bytes: 8_192, files: 2 }).unwrap();
    let to_ben = json!({"user": "ben"});
    stage.send("ada", Method::POST, &path(&folder, "/owner"), to_ben.clone()).await.problem(403, "forbidden");
    stage.send("orla", Method::POST, &path(&folder, "/owner"), json!({"user": "otto"})).await.problem(422, "invalid");
    let moved = stage.send("orla", Method::POST, &path(&folder, "/owner"), to_ben).await.expect(200);
    let moved = stage.copied(&moved).await;
    assert_eq!((&moved["state"], &moved["owner_name"]), (&json!("ready"), &json!("ben")), "{moved}");
    assert!(moved["name"].as_str().unwrap().starts_with("thesis-"), "his own keeps its name: {moved}");
    stage.send("ada", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    let FolderPlace { owner, folder: id } = place(&moved);
    assert_eq!(stage.world.node.folder_usage(owner, id).await.unwrap().bytes, 8_192);
    let before = place(&folder);
    stage.world.node.folder_usage(before.owner, before.folder).await.unwrap_err();
}

#[tokio::test]
async fn a_copy_that_takes_long_holds_up_nothing_else_and_is_asked_for_once() {
    let stage = Stage::new().await;
    let (big, gone) =
        (stage.folder("ada", json!({"name": "big"})).await, stage.folder("ben", json!({"name": "x"})).await);
    let node = &stage.world.node;
    node.folder_copies_hold(true);
    let copy = stage.send("ada", Method::POST, &path(&big, "/clone"), json!({"name": "twin"})).await.expect(201);
    assert_eq!(copy["state"], "cloning", "{copy}");
    // What a crash leaves: it is kept that the folder goes, and the node was not told.
    let config = stage.world.home.database();
    let store = madang_store::Store::open(&config).await.unwrap();
    for round in 1..=2 {
        let purged = match round {
            1 => gone.clone(),
            _ => stage.folder("ben", json!({"name": "y"})).await,
        };
        let seen = store.folder_get(place(&purged).folder).await.unwrap().unwrap();
        let purging = madang_store::FolderRecord { state: madang_model::FolderState::Purging, ..seen.clone() };
        store.folder_update(&seen, purging).await.unwrap();
        stage.world.until(&path(&purged, ""), |problem: &Value| problem["status"] == 404).await;
        assert_eq!(node.folder_copies_asked(), 1, "every look has asked for the copy again");
    }
    let seen = stage.send("ada", Method::GET, &path(&copy, ""), Value::Null).await.expect(200);
    assert_eq!(seen["state"], "cloning", "{seen}");
    node.folder_copies_hold(false);
    stage.world.until(&path(&copy, ""), |folder: &Value| folder["state"] == "ready").await;
}

#[tokio::test]
async fn a_policy_bounds_folders_of_a_user_and_of_a_project_apart() {
    let stage = Stage::new().await;
    stage.world.put("/api/v1/policies/default", json!({"folders_max": 1})).await.expect(200);
    stage.folder("mona", json!({"name": "own"})).await;
    let refused = stage.send("mona", Method::POST, FOLDERS, json!({"name": "two"})).await.problem(422, "limit");
    assert_eq!(refused["limit"], "folders_max", "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("can change it"), "{refused}");
    for name in ["one", "two", "three"] {
        stage.folder("mona", json!({"name": name, "project": "maths"})).await;
    }
}

#[tokio::test]
async fn quotas_of_policies_reach_the_node_and_are_shown() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "own"})).await;
    stage.world.put("/api/v1/policies/default", json!({"folder_bytes": 8_192, "folder_files": 7})).await.expect(200);
    let owner = place(&folder).owner;
    let told = || async { stage.world.node.folder_owner_usage(owner).await.unwrap().quota };
    let began = std::time::Instant::now();
    while told().await.bytes != 8_192 || told().await.files != 7 {
        assert!(began.elapsed() < crate::harness::PATIENCE, "the node was told {:?}", told().await);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let quotas = stage.send("ada", Method::GET, "/api/v1/folder-quotas", Value::Null).await.expect(200);
    let mine = &quotas["items"][0];
    assert_eq!(mine["name"], "ada", "{quotas}");
    assert_eq!((&mine["max_bytes"], &mine["max_files"], &mine["used_files"]), (&json!(8_192), &json!(7), &json!(1)));
    let full = stage.world.node.folder_fill(place(&folder), FolderUsage { bytes: 12_288, files: 2 });
    assert!(full.is_err(), "the node holds it to what it was told");
}

#[tokio::test]
async fn a_quota_that_a_node_cannot_make_room_for_keeps_nobody_from_folders_and_is_not_shown() {
    let stage = Stage::new().await;
    let allow = async |bytes: u64, files: u64, name: &str| {
        let limits = json!({"folder_bytes": bytes, "folder_files": files});
        stage.world.put("/api/v1/policies/default", limits).await.expect(200);
        stage.folder("ada", json!({"name": name})).await;
    };
    allow(1 << 20, 50, "first").await;
    stage.world.node.folder_room_bound(FolderQuota { bytes: 4 << 20, files: 200 });
    allow(1 << 40, 100, "second").await;
    // A policy that gives nothing: the least is held, which is more.
    allow(0, 100_000, "third").await;
    allow(1 << 40, 100, "fourth").await;
    let quotas = stage.send("ada", Method::GET, "/api/v1/folder-quotas", Value::Null).await.expect(200);
    let mine = &quotas["items"][0];
    assert_eq!((&mine["max_bytes"], &mine["max_files"]), (&json!(4 << 20), &json!(100)), "{quotas}");
}

#[tokio::test]
async fn names_that_cannot_be_and_pages_that_were_not_given_are_refused() {
    let world = World::new().await;
    for name in ["", ".", "..", "a/b", "-a", "fld_x", "a b", "..a", "a\n"] {
        let refused = world.post(FOLDERS, json!({"name": name})).await.problem(422, "invalid");
        assert_eq!(refused["field"], "name", "{name:?}: {refused}");
    }
    world.post(FOLDERS, json!({"name": "x".repeat(65)})).await.problem(422, "limit");
    world.get("/api/v1/folders?cursor=none").await.problem(400, "malformed");
    world.get("/api/v1/folders?owner=nobody").await.problem(422, "invalid");
    world.get(&format!("/api/v1/folders?name={}", "x".repeat(65))).await.problem(422, "invalid");
    world.get("/api/v1/folders/a%00b").await.problem(404, "not-found");
}

#[tokio::test]
async fn lists_come_in_pages_and_an_administrator_may_ask_for_somebodys() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.folder("ada", json!({"name": name})).await;
    }
    let first = stage.send("ada", Method::GET, "/api/v1/folders?limit=2", Value::Null).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(stage.named("ada", &format!("?limit=2&cursor={cursor}")).await, ["c"]);
    assert_eq!(stage.named("ada", "?name=b").await, ["b"]);
    for player in ["orla", ROOT] {
        assert_eq!(stage.named(player, "").await, Vec::<String>::new(), "{player}");
        assert_eq!(stage.named(player, "?owner=ada").await.len(), 3, "{player}");
    }
    for player in ["ben", "mona", "otto"] {
        stage.send(player, Method::GET, "/api/v1/folders?owner=ada", Value::Null).await.problem(422, "invalid");
    }
}
