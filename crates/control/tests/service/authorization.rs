//! The authorization table against the served contract: no operation without its row, no row without its operation, and the server
//! answers whoever asks as the table says.

use std::collections::BTreeSet;

use axum::http::Method;
use madang_model::{
    Decision,
    access::{Row, Rule, Thing, table},
};
use serde_json::{Value, json};

use crate::{
    harness::Answer,
    stage::{ROOT, Stage},
};

/// Streams without an end: who hears what of them is tried in `events.rs`.
const ENDLESS: &str = "event_stream";

/// One operation of the document.
struct Operation {
    name: String,
    method: Method,
    path: String,
    closed: bool,
    reads_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(madang_control::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(Operation {
                name: operation["operationId"].as_str().expect("an operation id").to_owned(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                closed: operation["security"].is_array(),
                reads_body: operation["requestBody"]["content"]["application/json"].is_object(),
            });
        }
    }
    operations
}

impl Operation {
    /// The request about a thing, where the path, the query or the body names it.
    fn about(&self, id: &str) -> (String, Value) {
        let path =
            self.path.replace("{id}", id).replace("{path}", "a").replace("{user}", "ada").replace("{name}", "none");
        let path = path.replace("{app}", "app_00000000000000000000000001").replace("{port}", "8000");
        let path = path.replace("{share}", "shr_00000000000000000000000001");
        match self.name.as_str() {
            "browser_list" => (format!("{path}?user={id}"), Value::Null),
            "link_create" => (path, json!({"user": id, "kind": "invitation"})),
            "budget_create" => (path, json!({"user": id, "period": "day", "limit_micro": 1_000_000_000})),
            "access_key_create" => (path, json!({"user": id, "name": "k"})),
            "folder_create" => (path, json!({"project": id, "name": "n"})),
            "folder_clone" => (path, json!({"name": "copy"})),
            "folder_owner_change" => (path, json!({"user": "ben"})),
            "folder_share_set" => (path, json!({"project": "none", "permission": "read"})),
            "folder_invite" => (path, json!({"user": "ben", "permission": "read"})),
            "folder_ticket_create" => (path, json!({"may": "read"})),
            "ssh_key_create" => (path, json!({"user": id, "public_key": crate::ssh_key::fresh()})),
            "session_commit" => (path, json!({"name": format!("i{}", madang_ids::RunId::new()).replace('_', "-")})),
            "session_run" => (path, json!({"mode": "command", "argv": ["true"]})),
            "session_extend" => (path, json!({"by_ms": 1})),
            "session_complete" => (path, json!({"code": "", "cursor": 0})),
            "project_create" | "user_create" => {
                let name = format!("n{}", madang_ids::RunId::new());
                (path, json!({"name": name.replace('_', "-"), "organization": id}))
            }
            _ => (path, if self.reads_body { json!({}) } else { Value::Null }),
        }
    }
}

#[test]
fn every_operation_has_its_row_and_every_row_its_operation() {
    let operations = operations();
    let named: BTreeSet<_> = operations.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(named.len(), operations.len(), "operation ids are unique");
    let rows: BTreeSet<_> = table::ROWS.iter().map(|row| row.operation).collect();
    let without_row: Vec<_> = named.difference(&rows).collect();
    assert!(without_row.is_empty(), "add rows to crates/model/src/access/table.rs for {without_row:?}");
    let without_operation: Vec<_> = rows.difference(&named).collect();
    assert!(without_operation.is_empty(), "rows for operations that are not there: {without_operation:?}");
    for operation in &operations {
        let open = table::find(&operation.name).is_some_and(|row| row.rule == Rule::Open);
        assert_eq!(
            open, !operation.closed,
            "{}: open in the table, or in the document, but not in both",
            operation.name
        );
    }
}

/// What an operation is about, as the walk plays it: new projects and users are about an organization that the body names.
fn thing_of(row: &Row) -> Thing {
    match row.operation {
        "project_create" | "user_create" => Thing::Organization,
        _ => row.thing,
    }
}

#[tokio::test]
async fn every_operation_about_a_thing_answers_everybody_as_the_table_says() {
    let shared = Stage::new().await;
    for operation in operations() {
        let row = table::find(&operation.name).unwrap();
        match thing_of(row) {
            // `browser.rs` tries it: it takes a browser that has signed in.
            Thing::Nothing | Thing::Browser => {}
            // What is done to these outlives the operation: each has a stage of its own.
            Thing::Organization | Thing::Project | Thing::User => play(&Stage::new().await, &operation, row).await,
            Thing::Session
            | Thing::Run
            | Thing::Token
            | Thing::AccessKey
            | Thing::Budget
            | Thing::Folder
            | Thing::Image
            | Thing::SshKey
            | Thing::Invitation => {
                play(&shared, &operation, row).await;
            }
        }
    }
}

async fn play(stage: &Stage, operation: &Operation, row: &Row) {
    let thing = thing_of(row);
    for player in stage.players() {
        let expected = row.rule.decide(stage.role(player), stage.relation(player, thing));
        let id = stage.thing(thing).await;
        let missing = stage.missing(thing);
        let there = ask(stage, operation, player, &id).await;
        let gone = ask(stage, operation, player, &missing).await;
        let case = format!("{} by {player}: {}", operation.name, String::from_utf8_lossy(&there.body));
        if !row.rule.ever(stage.role(player)) {
            // Refused before anything is looked for: what is there and what is not are one.
            there.problem(403, "forbidden");
            assert_eq!(bare(&there, &id), bare(&gone, &missing), "{case}");
            continue;
        }
        match expected {
            Decision::Allow => {
                assert!(!matches!(there.status.as_u16(), 401 | 403), "{case}");
                assert_ne!(bare(&there, &id), bare(&gone, &missing), "{case}");
            }
            Decision::Forbid => assert_eq!(there.problem(403, "forbidden")["code"], "forbidden", "{case}"),
            Decision::Hide => {
                there.problem(404, "not-found");
                assert_eq!(bare(&there, &id), bare(&gone, &missing), "{case}");
            }
        }
    }
}

async fn ask(stage: &Stage, operation: &Operation, player: &str, id: &str) -> Answer {
    let (path, body) = operation.about(id);
    stage.send(player, operation.method.clone(), &path, body).await
}

/// Status, headers' names and the very bytes, but for the id that was asked for and the request's own.
fn bare(answer: &Answer, id: &str) -> (u16, String) {
    let request = answer.headers["x-request-id"].to_str().unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    (answer.status.as_u16(), body.replace(request, "REQUEST").replace(id, "ID"))
}

#[tokio::test]
async fn every_operation_about_nothing_is_for_those_whom_the_table_says() {
    let stage = Stage::new().await;
    for operation in operations().iter().filter(|operation| operation.closed && operation.name != ENDLESS) {
        let row = table::find(&operation.name).unwrap();
        if row.thing != Thing::Nothing {
            continue;
        }
        for player in ["ada", "orla", ROOT] {
            let (path, body) = operation.about("none");
            let answer = stage.send(player, operation.method.clone(), &path, body).await;
            let case = format!("{} by {player}: {}", operation.name, String::from_utf8_lossy(&answer.body));
            assert_eq!(answer.status == 403, !row.rule.ever(stage.role(player)), "{case}");
            assert_ne!(answer.status, 401, "{case}");
        }
    }
}

#[tokio::test]
async fn lists_hold_what_their_reader_may_see_and_no_more() {
    let stage = Stage::new().await;
    let session = stage.thing(Thing::Session).await;
    for (player, sees) in
        [("ada", true), ("ben", false), ("cleo", false), ("mona", true), ("orla", true), ("otto", false), (ROOT, true)]
    {
        let list = stage.send(player, Method::GET, "/api/v1/sessions", Value::Null).await.expect(200);
        assert_eq!(list.to_string().contains(&session), sees, "{player}");
    }
    for (player, users) in [("ada", 1), ("mona", 1), ("orla", 5), ("otto", 1), (ROOT, 7)] {
        let list = stage.send(player, Method::GET, "/api/v1/users", Value::Null).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), users, "{player}");
    }
}

#[tokio::test]
async fn who_is_suspended_loses_everything_at_once_and_nobody_rises_above_themselves() {
    let stage = Stage::new().await;
    let king = json!({"role": "system-administrator"});
    stage.send("orla", Method::PATCH, "/api/v1/users/ada", king.clone()).await.problem(403, "forbidden");
    stage.send("orla", Method::PATCH, "/api/v1/users/orla", king).await.problem(409, "conflict");
    stage.send("orla", Method::PATCH, "/api/v1/users/ada", json!({"suspended": true})).await.expect(200);
    stage.send("ada", Method::GET, "/api/v1/me", Value::Null).await.problem(401, "unauthenticated");
    stage.send("orla", Method::PATCH, "/api/v1/users/ada", json!({"suspended": false})).await.expect(200);
    stage.send("ada", Method::GET, "/api/v1/me", Value::Null).await.expect(200);
    stage.world.delete("/api/v1/organizations/school").await.expect(200);
    stage.send("orla", Method::GET, "/api/v1/me", Value::Null).await.problem(401, "unauthenticated");
}
