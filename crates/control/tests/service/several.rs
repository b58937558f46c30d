//! Several control processes on one PostgreSQL, in one test process: any of them answers, one leads, another goes on.

use std::sync::Arc;

use axum::http::Method;
use futures_util::{SinkExt, StreamExt};
use madang_control::ControlConfig;
use madang_store::Store;
use madang_testkit::{SimNode, TestDatabase};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::harness::{Home, PATIENCE, World, shared};

/// Servers that share a database and see the same node; the first leads. None where there is no PostgreSQL and nobody insists.
async fn several(count: usize) -> Option<(TestDatabase, Vec<World>)> {
    let database = TestDatabase::postgres_if_any().await?;
    let node = SimNode::new();
    let mut worlds = Vec::new();
    for _ in 0..count {
        let config = shared(&database);
        let settle = |settings: &mut ControlConfig| {
            settings.database = Some(config);
            settings.refresh_ms = 3_600_000;
        };
        let world = World::on(Home::new().await, node.clone(), settle).await;
        // The first must lead before there is another.
        world.get("/api/v1/languages").await.expect(200);
        worlds.push(world);
    }
    Some((database, worlds))
}

impl World {
    /// Asks with this token until the answer is as wanted.
    async fn until_answered(&self, token: &str, status: u16) {
        let began = std::time::Instant::now();
        while self.send_as(token, Method::GET, "/api/v1/me", Value::Null).await.status != status {
            assert!(began.elapsed() < PATIENCE, "the token is never answered with {status}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn any_process_answers_for_what_one_of_them_leads() {
    let Some((_database, worlds)) = several(3).await else { return };
    let made = worlds[1].post("/api/v1/sessions", json!({"language": "sim", "name": "shared"})).await.expect(201);
    assert_eq!(made["state"], "running");
    let id = made["id"].as_str().unwrap();
    for world in &worlds {
        let run = json!({"mode": "query", "code": "print hello", "wait": true});
        let run = world.post(&format!("/api/v1/sessions/{id}/runs"), run).await.expect(200);
        assert_eq!(run["verdict"], "ok", "{run}");
        let run = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(run["verdict"], "ok");
        assert_eq!(world.get("/api/v1/sessions/shared").await.expect(200)["id"], made["id"]);
        let one_shot = json!({"language": "sim", "code": "print hi", "wait": true});
        assert_eq!(world.post("/api/v1/run", one_shot).await.expect(200)["stdout"], "hi\n");
    }
    worlds[2].delete(&format!("/api/v1/sessions/{id}")).await.expect(200);
    worlds[0].until(&format!("/api/v1/sessions/{id}"), |session| session["state"] == "ended").await;
}

#[tokio::test]
async fn a_web_socket_goes_through() {
    let Some((_database, worlds)) = several(2).await else { return };
    let body = json!({"language": "sim", "code": "input name?", "stdin_live": true});
    let run = worlds[1].post("/api/v1/run", body).await.expect(201);
    let url = format!("ws://{}/api/v1/runs/{}/attach", worlds[1].address, run["id"].as_str().unwrap());
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", worlds[1].token).parse().unwrap());
    let tcp = tokio::net::TcpStream::connect(worlds[1].address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
    socket.send(Message::text(json!({"stdin": "Ada\n"}).to_string())).await.unwrap();
    let answered = async {
        while let Some(message) = socket.next().await {
            if message.unwrap().to_text().is_ok_and(|text| text.contains("got Ada")) {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, answered).await.expect("nothing comes back"));
}

#[tokio::test]
async fn another_goes_on_with_the_sessions_of_one_that_leaves() {
    let Some((_database, mut worlds)) = several(2).await else { return };
    let id = worlds[1].session().await;
    let first = worlds.remove(0);
    first.stop.drain();
    first.stopped().await;
    let run = json!({"mode": "query", "code": "print hello", "wait": true});
    let path = format!("/api/v1/sessions/{id}/runs");
    let answer: Value = worlds[0].post(&path, run).await.expect(200);
    assert_eq!(answer["verdict"], "ok", "{answer}");
}

/// As when it was paused for longer than its lease and nobody else came: the term has grown, and what it leads is its own still.
#[tokio::test]
async fn a_run_that_ends_when_its_server_has_taken_its_own_lease_too_late_is_kept() {
    let Some((database, worlds)) = several(1).await else { return };
    let world = &worlds[0];
    let run = json!({"language": "sim", "code": "sleep 500\nprint kept"});
    let run = world.post("/api/v1/run", run).await.expect(201);
    let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    world.until(&path, |view| view["state"] == "running").await;
    let store = Store::open(&shared(&database)).await.unwrap();
    for lease in store.lease_list().await.unwrap().into_iter().map(|view| view.lease) {
        store.lease_release(&lease).await.unwrap();
        let again = store.lease_take(&lease.name, lease.holder, 60_000).await.unwrap().unwrap();
        assert!(again.term > lease.term, "{again:?}");
    }
    world.node.advance(500);
    let ended = world.until(&path, |view| view["state"] == "finished").await;
    assert_eq!((&ended["stdout"], &ended["verdict"]), (&json!("kept\n"), &json!("ok")), "{ended}");
}

#[tokio::test]
async fn nobody_vouches_for_themselves() {
    let Some((_database, worlds)) = several(1).await else { return };
    for said in ["x", "e30.1.e30", ""] {
        let headers = [("madang-forwarded", said)];
        worlds[0].send(Method::GET, "/api/v1/sessions", &headers, "").await.problem(401, "unauthenticated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_creates_over_three_processes_exactly_as_many_as_may_be_are_admitted() {
    const CREATES: usize = 200;
    const LIMIT: usize = 50;
    let Some((_database, worlds)) = several(3).await else { return };
    // The leader is told, so that nobody has it later than the creates come.
    worlds[0].put("/api/v1/policies/default", json!({"sessions_max": LIMIT})).await.expect(200);
    let worlds: Vec<_> = worlds.into_iter().map(Arc::new).collect();
    let creates: Vec<_> = (0..CREATES)
        .map(|number| {
            let world = Arc::clone(&worlds[number % worlds.len()]);
            tokio::spawn(async move { world.post("/api/v1/sessions", json!({"language": "sim"})).await })
        })
        .collect();
    let mut admitted = 0;
    for create in creates {
        let answer = create.await.unwrap();
        match answer.status.as_u16() {
            201 => admitted += 1,
            _ => assert_eq!(answer.problem(422, "limit")["limit"], "sessions_max"),
        }
    }
    assert_eq!(admitted, LIMIT);
    for world in &worlds {
        let live = world.get("/api/v1/sessions?filter=live&limit=1000").await.expect(200);
        assert_eq!(live["items"].as_array().unwrap().len(), LIMIT);
    }
}

#[tokio::test]
async fn the_tokens_in_the_files_of_all_processes_are_good_at_any_of_them() {
    let Some((_database, worlds)) = several(3).await else { return };
    for asked in &worlds {
        for token in worlds.iter().map(|world| &world.token) {
            asked.until_answered(token, 200).await;
        }
    }
}

/// Nothing here is looked at again within an hour: what is seen was hinted at.
#[tokio::test]
async fn what_one_process_changes_the_others_see_at_once() {
    let Some((_database, worlds)) = several(2).await else { return };
    let made = worlds[0].token_with(&["read"]).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    worlds[1].until_answered(secret, 200).await;
    worlds[0].delete(&format!("/api/v1/tokens/{id}")).await.expect(200);
    worlds[1].until_answered(secret, 401).await;
    let frozen = json!({"state": "frozen", "reason": "a move"});
    worlds[0].put("/api/v1/service/state", frozen).await.expect(200);
    worlds[1].until("/api/v1/service/state", |view| view["state"] == "frozen").await;
}

#[tokio::test]
async fn what_happens_where_a_group_is_led_is_told_everywhere() {
    let Some((_database, worlds)) = several(2).await else { return };
    let mut events = worlds[1].stream(Method::GET, "/api/v1/events", &[], "").await;
    let id = worlds[0].session().await;
    loop {
        let (_, event) = events.event().await.expect("the stream goes on");
        if event["kind"] == "session-changed" && event["session"] == id.as_str() {
            return;
        }
    }
}

/// Of a token that was made and ended where nothing is led, whoever leads knows as soon as it is used.
#[tokio::test]
async fn a_stream_ends_with_the_token_it_was_asked_for_with() {
    let Some((_database, worlds)) = several(2).await else { return };
    let made = worlds[1].token_with(&["read"]).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let mut events = worlds[1].stream_as(secret, "/api/v1/events").await;
    worlds[0].session().await;
    events.event().await.expect("it is heard");
    worlds[1].delete(&format!("/api/v1/tokens/{id}")).await.expect(200);
    while events.event().await.is_some() {}
}

/// Where a request came from is the word of whoever was asked first, and nobody's else.
#[tokio::test]
async fn what_a_client_says_of_itself_goes_no_further() {
    let Some((_database, worlds)) = several(2).await else { return };
    let headers = [("x-forwarded-for", "203.0.113.7"), ("x-request-id", "asked-once")];
    let path = "/api/v1/sessions/none-of-this-name";
    let answer = worlds[1].send(Method::GET, path, &headers, "").await;
    assert_eq!(answer.problem(404, "not-found")["request_id"], "asked-once", "one request has one id");
    let path = format!("/api/v1/sessions/{}", worlds[0].session().await);
    worlds[1].send(Method::DELETE, &path, &headers, "").await.expect(200);
    let log = worlds[0].get("/api/v1/audit?operation=session_end").await.expect(200);
    let entries = log["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "noted once, by whoever was asked: {log}");
    assert_eq!(entries[0]["address"], "127.0.0.1");
}

#[tokio::test]
async fn every_process_says_how_its_tasks_do_and_runs_one_when_told() {
    let Some((_database, worlds)) = several(3).await else { return };
    let ran = |process: &Value| {
        let mut tasks = process["tasks"].as_array().unwrap().iter();
        tasks.any(|task| task["name"] == "prune" && task["last"]["result"] == "done")
    };
    let all = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() == 3 && items.iter().all(ran));
    let page = worlds[1].until("/api/v1/processes", all).await;
    let processes = page["items"].as_array().unwrap();
    let answers: Vec<_> = processes.iter().filter(|process| process["answers"] == true).collect();
    let [answers] = answers[..] else { panic!("{page}") };
    assert_eq!(answers["address"], format!("http://{}", worlds[1].address));
    let other = processes.iter().find(|process| process["address"] == format!("http://{}", worlds[2].address)).unwrap();
    let id = other["id"].as_str().unwrap();
    let before = other["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "prune").unwrap();
    let after = worlds[1].post(&format!("/api/v1/tasks/prune/run?process={id}"), json!({})).await.expect(200);
    assert!(after["runs"].as_u64() > before["runs"].as_u64(), "{before} {after}");
    let there = worlds[2].get("/api/v1/tasks").await.expect(200);
    let there = there["items"].as_array().unwrap().iter().find(|task| task["name"] == "prune").unwrap().clone();
    assert!(there["runs"].as_u64() >= after["runs"].as_u64(), "it ran there: {there} {after}");
    let nobody = madang_ids::ControlId::new();
    worlds[1].post(&format!("/api/v1/tasks/prune/run?process={nobody}"), json!({})).await.problem(404, "not-found");
    worlds[2].stop.stop_now();
    let silent = |page: &Value| {
        page["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|one| one["unknown"].is_string()) || items.len() == 2)
    };
    worlds[1].until("/api/v1/processes", silent).await;
}
