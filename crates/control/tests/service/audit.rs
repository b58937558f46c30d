//! The audit log: no change is forgotten, whoever asks for it, and no secret enters it.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    harness::World,
    stage::{ROOT, Stage},
};

/// Operations that do work in a sandbox and leave a record of their own: only their refusals are audited.
const WORK: [&str; 3] = ["run_one_shot", "session_run", "session_complete"];

/// Every operation that may change something: its id, method, and path with its parameters filled in.
fn unsafe_operations() -> Vec<(String, Method, String)> {
    let document = serde_json::to_value(madang_control::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled = path.replace("{path}", "a/b");
        let filled =
            filled.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>();
        for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            if let Some(id) = item[method.as_str().to_lowercase()]["operationId"].as_str() {
                found.push((id.to_owned(), method, filled.join("/")));
            }
        }
    }
    found
}

async fn entries(world: &World, request: &str) -> Vec<Value> {
    let found = world.get(&format!("/api/v1/audit?request_id={request}")).await.expect(200);
    found["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn no_operation_forgets_its_entry() {
    let world = World::new().await;
    let operations = unsafe_operations();
    assert!(operations.len() >= 20, "{operations:?}");
    for (number, (operation, method, path)) in operations.into_iter().enumerate() {
        let (signed_in, stranger) = (format!("walk-{number}"), format!("stranger-{number}"));
        let headers = [("content-type", "application/json"), ("x-request-id", signed_in.as_str())];
        let answer = world.send(method.clone(), &path, &headers, "{}").await;
        let found = entries(&world, &signed_in).await;
        if WORK.contains(&operation.as_str()) {
            assert_eq!(found.len(), 0, "{operation} is work: {found:?}");
        } else {
            let [entry] = &found[..] else { panic!("{operation} has {} entries", found.len()) };
            assert_eq!(entry["operation"], operation.as_str(), "{entry}");
            assert_eq!(entry["status"], answer.status.as_u16(), "{entry}");
            assert_eq!(entry["path"], path.as_str(), "{entry}");
        }
        let headers = [("content-type", "application/json"), ("x-request-id", stranger.as_str())];
        let refused = world.send_bare(method, &path, &headers, "{}").await;
        if refused.status == 401 {
            let list = format!("/api/v1/audit?request_id={stranger}");
            let seen =
                world.until(&list, |found| found["items"].as_array().is_some_and(|items| items.len() == 1)).await;
            assert_eq!(seen["items"][0]["code"], "unauthenticated", "{seen}");
            assert_eq!(seen["items"][0]["via"], "nobody", "{seen}");
        }
    }
}

#[tokio::test]
async fn an_entry_says_who_what_and_from_where() {
    let world = World::new().await;
    let headers = [("content-type", "application/json"), ("x-request-id", "made-1")];
    let made = world.send(Method::POST, "/api/v1/access-keys", &headers, r#"{"name":"k"}"#).await.expect(201);
    let found = entries(&world, "made-1").await;
    let entry = &found[0];
    assert_eq!(entry["subject"], made["access_key"], "{entry}");
    assert_eq!(entry["name"], "administrator");
    assert_eq!(entry["address"], "127.0.0.1");
    assert!(entry["via"].as_str().unwrap().starts_with("token tok_"), "{entry}");
    let actor = entry["actor"].as_str().unwrap();
    let mine =
        world.get(&format!("/api/v1/audit?actor={actor}&operation=access_key_create&outcome=done&limit=1")).await;
    assert_eq!(mine.expect(200)["items"][0]["id"], entry["id"]);
    let none = world.get("/api/v1/audit?until=2020-01-01T00:00:00Z").await.expect(200);
    assert_eq!(none["items"].as_array().unwrap().len(), 0);
    for bad in ["actor=x", "cursor=x", "limit=0", "limit=1001"] {
        world.get(&format!("/api/v1/audit?{bad}")).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn no_secret_enters_it() {
    let world = World::new().await;
    let made = world.post("/api/v1/access-keys", json!({"name": "k"})).await.expect(201);
    let link = world.post("/api/v1/links", json!({"user": "administrator", "kind": "reset"})).await.expect(201);
    let secret = link["secret"].as_str().unwrap();
    let password = "a very secret password";
    world.post("/api/v1/links/use", json!({"secret": secret, "password": password})).await.expect(200);
    world.post("/api/v1/signin", json!({"name": "administrator", "password": password})).await.expect(200);
    world
        .post("/api/v1/signin", json!({"name": "typed-a-secret", "password": password}))
        .await
        .problem(401, "unauthenticated");
    let all = |seen: &Value| seen["items"].as_array().unwrap().iter().any(|entry| entry["status"] == 401);
    let log = world.until("/api/v1/audit", all).await.to_string();
    for text in [secret, password, made["secret_key"].as_str().unwrap(), world.token.as_str(), "typed-a-secret"] {
        assert!(!log.contains(text), "{text} in {log}");
    }
    assert!(log.contains("link_use") && log.contains("signin_create"), "{log}");
}

#[tokio::test]
async fn pages_follow_each_other() {
    let world = World::new().await;
    for number in 0..5 {
        world.post("/api/v1/access-keys", json!({"name": format!("k{number}")})).await.expect(201);
    }
    let (mut path, mut seen) = ("/api/v1/audit?operation=access_key_create&limit=2".to_owned(), Vec::new());
    loop {
        let page = world.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/audit?operation=access_key_create&limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|one, other| one > other), "newest first: {seen:?}");
}

#[tokio::test]
async fn work_in_what_is_anothers_is_noted_and_work_in_ones_own_is_not() {
    let stage = Stage::new().await;
    let asked = json!({"language": "sim", "project": "maths"});
    let made = stage.send("ada", Method::POST, "/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    let operations = ["session_run", "session_complete", "file_list"];
    let work = async |name: &str| {
        let run = json!({"code": "print x", "wait": true});
        stage.send(name, Method::POST, &format!("{path}/runs"), run).await.expect(200);
        let complete = json!({"code": "pri", "cursor": 3});
        stage.send(name, Method::POST, &format!("{path}/complete"), complete).await.expect(200);
        stage.send(name, Method::GET, &format!("{path}/files"), Value::Null).await.expect(200);
    };
    let noted = async |operation: &str| {
        let found = stage.world.get(&format!("/api/v1/audit?operation={operation}")).await.expect(200);
        found["items"].as_array().unwrap().clone()
    };
    work("ada").await;
    for operation in operations {
        assert_eq!(noted(operation).await, [] as [Value; 0], "{operation}: her own");
    }
    work(ROOT).await;
    for operation in operations {
        let entries = noted(operation).await;
        let [entry] = &entries[..] else { panic!("{operation}: {entries:?}") };
        assert_eq!((&entry["name"], &entry["subject"]), (&json!("administrator"), &made["owner"]), "{entry}");
        assert!(entry["path"].as_str().unwrap().starts_with(&path), "{entry}");
    }
}
