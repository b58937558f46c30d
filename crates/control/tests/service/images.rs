//! Images made of sessions: whose they are, who may use them, what they may hold.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use madang_control::{Member, MemberState};
use madang_ids::NodeId;
use madang_node_api::{CommitSpec, Node, SecretRule};
use madang_store::{ImageRecord, Store};
use madang_testkit::SimNode;
use serde_json::{Value, json};

use crate::{harness::World, stage::Stage};

const SESSIONS: &str = "/api/v1/sessions";

async fn put(world: &World, session: &str, path: &str, body: &'static str) {
    world.send(Method::PUT, &format!("{SESSIONS}/{session}/files/{path}"), &[], body).await.expect(200);
}

async fn commit(world: &World, session: &str, body: Value) -> Value {
    world.post(&format!("{SESSIONS}/{session}/commit"), body).await.expect(201)
}

#[tokio::test]
async fn a_session_becomes_an_image_and_sessions_are_made_of_it() {
    let world = World::new().await;
    let session = world.session().await;
    put(&world, &session, "model", "weights").await;
    let made = commit(&world, &session, json!({"name": "trained"})).await;
    let image = &made["image"];
    assert_eq!((&image["name"], &image["size_bytes"]), (&json!("trained"), &json!(7)), "{made}");
    assert!(image["digest"].as_str().unwrap().starts_with("sha256:"), "{made}");
    assert_eq!((&image["committed"]["base"], &image["committed"]["session"]), (&json!("host"), &json!(session)));
    let id = image["committed"]["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/api/v1/images/{id}")).await.expect(200), *image);
    assert_eq!(world.get("/api/v1/images/trained").await.expect(200), *image);
    let listed = world.get("/api/v1/images").await.expect(200);
    let names: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["host", "trained"], "nodes' own names of it are nobody's business");
    world.post(&format!("{SESSIONS}/{session}/commit"), json!({"name": "trained"})).await.problem(409, "conflict");
    let exported = world.send(Method::GET, &format!("/api/v1/images/{id}/export"), &[], "").await;
    let digest = image["digest"].as_str().unwrap();
    assert_eq!((exported.status, exported.body.as_ref()), (StatusCode::OK, format!("trained {digest}").as_bytes()));
    for image in ["trained", id, &format!("commit/{id}")] {
        let next = world.post(SESSIONS, json!({"language": "sim", "image": image})).await.expect(201);
        assert_eq!((&next["state"], &next["image"]), (&json!("running"), &json!(format!("commit/{id}"))), "{next}");
        let used = world.get("/api/v1/images/trained").await.expect(200);
        assert_eq!(used["committed"]["sessions"], 1);
        world.delete("/api/v1/images/trained").await.problem(409, "conflict");
        let next = format!("{SESSIONS}/{}", next["id"].as_str().unwrap());
        world.delete(&next).await.expect(200);
        world.until(&next, |view| view["state"] == "ended").await;
    }
    let run = world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "image": id, "wait": true})).await;
    assert_eq!(run.expect(200)["state"], "finished");
    world.delete("/api/v1/images/trained").await.expect(200);
    assert_eq!(world.node.images().await.unwrap().len(), 1, "it is gone from the node");
    world.get("/api/v1/images/trained").await.problem(404, "not-found");
    world.post(SESSIONS, json!({"language": "sim", "image": id})).await.problem(404, "not-found");
}

#[tokio::test]
async fn secrets_are_named_and_go_in_only_where_that_is_said() {
    let world = World::new().await;
    let session = world.session().await;
    put(&world, &session, "my.secret", "hush").await;
    let path = format!("{SESSIONS}/{session}/commit");
    let refused = world.post(&path, json!({"name": "open"})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("my.secret"), "{refused}");
    world.get("/api/v1/images/open").await.problem(404, "not-found");
    assert_eq!(world.node.images().await.unwrap().len(), 1);
    let made = commit(&world, &session, json!({"name": "open", "allow_secrets": true})).await;
    assert_eq!((&made["secret_count"], &made["secrets"][0]["path"]), (&json!(1), &json!("my.secret")), "{made}");
}

#[tokio::test]
async fn policies_bound_how_many_images_there_are_and_how_large_one_is() {
    let world = World::new().await;
    let session = world.session().await;
    put(&world, &session, "file", "12345").await;
    let path = format!("{SESSIONS}/{session}/commit");
    world.put("/api/v1/policies/default", json!({"image_bytes_max": 4})).await.expect(200);
    world.post(&path, json!({"name": "large"})).await.problem(422, "limit");
    world.put("/api/v1/policies/default", json!({"image_bytes_max": 5, "images_max": 1})).await.expect(200);
    commit(&world, &session, json!({"name": "fits"})).await;
    let refused = world.post(&path, json!({"name": "second"})).await;
    assert!(
        String::from_utf8_lossy(&refused.body).contains("images_max"),
        "{}",
        String::from_utf8_lossy(&refused.body)
    );
    world.put("/api/v1/policies/default", json!({"images": ["host"]})).await.expect(200);
    let refused = world.post(SESSIONS, json!({"language": "sim", "image": "fits"})).await;
    assert!(String::from_utf8_lossy(&refused.body).contains("images"), "{}", String::from_utf8_lossy(&refused.body));
    world.put("/api/v1/policies/default", json!({"images": ["host", "commit/*"]})).await.expect(200);
    world.post(SESSIONS, json!({"language": "sim", "image": "fits"})).await.expect(201);
}

#[tokio::test]
async fn an_image_is_its_owner_s_until_it_is_shared_with_the_project() {
    let stage = Stage::new().await;
    let session = stage.send("ada", Method::POST, SESSIONS, json!({"language": "sim"})).await.expect(201);
    let path = format!("{SESSIONS}/{}/commit", session["id"].as_str().unwrap());
    let made = stage.send("ada", Method::POST, &path, json!({"name": "course"})).await.expect(201);
    let id = made["image"]["committed"]["id"].as_str().unwrap().to_owned();
    let begin = json!({"language": "sim", "image": id});
    let listed = |player: &'static str| {
        let stage = &stage;
        async move { stage.send(player, Method::GET, "/api/v1/images", Value::Null).await.expect(200).to_string() }
    };
    assert!(listed("ada").await.contains("course") && !listed("ben").await.contains("course"));
    stage.send("ben", Method::POST, SESSIONS, begin.clone()).await.problem(404, "not-found");
    stage.send("ben", Method::GET, &format!("/api/v1/images/{id}/export"), Value::Null).await.problem(404, "not-found");
    let image = format!("/api/v1/images/{id}");
    stage.send("ben", Method::PATCH, &image, json!({"shared": true})).await.problem(404, "not-found");
    stage.send("ada", Method::PATCH, &image, json!({"shared": true})).await.expect(200);
    assert!(listed("ben").await.contains("course") && !listed("cleo").await.contains("course"));
    stage.send("ben", Method::POST, SESSIONS, begin.clone()).await.expect(201);
    stage.send("ben", Method::DELETE, &image, Value::Null).await.problem(403, "forbidden");
    stage.send("cleo", Method::POST, SESSIONS, begin.clone()).await.problem(404, "not-found");
    let by_name = json!({"language": "sim", "image": "course"});
    let made = stage.send("ben", Method::POST, SESSIONS, by_name.clone()).await.expect(201);
    assert_eq!(made["image"], json!(format!("commit/{id}")));
    // The administrator's, which somebody's name must not hide.
    let spec = CommitSpec { name: "course".into(), bytes_max: u64::MAX, secrets: SecretRule::Refuse };
    let sandbox = stage.world.node.sandboxes()[0].id;
    stage.world.node.image_commit(sandbox, spec).await.unwrap();
    let made = stage.send("ben", Method::POST, SESSIONS, by_name).await.expect(201);
    assert_eq!(made["image"], "course");
    stage.send("ada", Method::PATCH, &image, json!({"shared": false, "name": "mine"})).await.expect(200);
    stage.send("ben", Method::POST, SESSIONS, begin).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_a_node_keeps_of_images_that_nobody_knows_is_taken_away() {
    let world = World::new().await;
    let session = world.session().await;
    let kept = commit(&world, &session, json!({"name": "kept"})).await;
    let kept = kept["image"]["committed"]["id"].as_str().unwrap().parse().unwrap();
    // The task's own first run finds nothing to take away.
    world
        .until("/api/v1/tasks", |page| {
            let tasks = page["items"].as_array().unwrap();
            tasks.iter().any(|task| task["name"] == "images" && task["last"]["result"] == "done")
        })
        .await;
    // Begun long ago, and a moment ago; nothing has come of either.
    let config = world.home.database();
    let store = Store::open(&config).await.unwrap();
    let kept = store.image_get(kept).await.unwrap().unwrap();
    for (name, created_ms) in [("cut", 1), ("begun", kept.created_ms)] {
        let id = madang_ids::ImageId::new();
        let record = ImageRecord { id, name: name.to_owned(), digest: None, created_ms, ..kept.clone() };
        store.image_insert(&record).await.unwrap();
    }
    let unknown = format!("commit/{}", madang_ids::ImageId::new());
    let sandbox = world.node.sandboxes()[0].id;
    for name in [&unknown, "mine"] {
        let spec = CommitSpec { name: name.to_owned(), bytes_max: u64::MAX, secrets: SecretRule::Refuse };
        world.node.image_commit(sandbox, spec).await.unwrap();
    }
    let done = world.post("/api/v1/tasks/images/run", json!({})).await.expect(200);
    let said = done["last"]["note"].as_str().unwrap();
    assert!(said.starts_with("1 images that were never made") && said.contains("1 that nobody knows"), "{done}");
    let left: Vec<String> = world.node.images().await.unwrap().into_iter().map(|image| image.name).collect();
    assert!(!left.contains(&unknown) && left.contains(&"mine".to_owned()) && left.len() == 3, "{left:?}");
    world.get("/api/v1/images/kept").await.expect(200);
    world.get("/api/v1/images/begun").await.expect(200);
    world.get("/api/v1/images/cut").await.problem(404, "not-found");
}

#[tokio::test]
async fn an_image_is_brought_to_nodes_and_what_is_made_of_it_goes_where_it_is() {
    let world = World::new().await;
    let session = world.session().await;
    put(&world, &session, "model", "weights").await;
    let made = commit(&world, &session, json!({"name": "far"})).await;
    world.delete(&format!("{SESSIONS}/{session}")).await.expect(200);
    let (second, id) = (SimNode::new(), NodeId::new());
    let other = Member {
        id,
        name: "second".into(),
        group: "default".into(),
        state: MemberState::Schedulable,
        node: Arc::new(second.clone()),
    };
    world.fleet.join(other);
    let far = json!({"language": "sim", "image": "far"});
    let run = || world.post("/api/v1/run", json!({"language": "sim", "code": "print x", "image": "far", "wait": true}));
    // Where it is not nothing of it is sent, however little is going on there.
    let busy = world.post(SESSIONS, far.clone()).await.expect(201);
    assert_eq!((world.node.sandboxes().len(), second.sandboxes().len()), (1, 0));
    assert_eq!(run().await.expect(200)["state"], "finished");
    world.delete(&format!("{SESSIONS}/{}", busy["id"].as_str().unwrap())).await.expect(200);

    world.post("/api/v1/images/far/prefetch", json!({"nodes": ["nobody"]})).await.problem(422, "invalid");
    let done = world.post("/api/v1/images/far/prefetch", json!({})).await.expect(200);
    let placed = done["nodes"].as_array().unwrap();
    assert!(placed.len() == 2 && placed.iter().all(|node| node["problem"].is_null()), "{done}");
    let named = made["image"]["committed"]["id"].as_str().unwrap();
    let there = second.images().await.unwrap().into_iter().find(|image| image.name == format!("commit/{named}"));
    assert_eq!(there.unwrap().digest.as_deref(), made["image"]["digest"].as_str());
    let again = world.post("/api/v1/images/far/prefetch", json!({"nodes": ["second"]})).await.expect(200);
    assert_eq!(again["nodes"], json!([{"node": id.to_string(), "name": "second"}]));
    assert_eq!(world.get("/api/v1/images/far").await.expect(200)["committed"]["nodes"], 2);

    let local = world.fleet.members().into_iter().find(|member| member.name == "local").unwrap();
    world.fleet.join(Member { state: MemberState::Draining, ..local });
    let next = world.post(SESSIONS, far).await.expect(201);
    assert_eq!((&next["state"], second.sandboxes().len()), (&json!("running"), 1), "{next}");
    assert_eq!(run().await.expect(200)["state"], "finished");
    world.delete(&format!("{SESSIONS}/{}", next["id"].as_str().unwrap())).await.expect(200);
    world.delete("/api/v1/images/far").await.expect(200);
    for node in [&world.node, &second] {
        assert_eq!(node.images().await.unwrap().len(), 1, "it is gone from every node");
    }
}
