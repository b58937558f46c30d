//! Sessions through their life.

use axum::http::Method;
use madang_node_api::Node as _;
use serde_json::{Value, json};

use crate::{
    harness::World,
    stage::{ROOT, Stage},
};

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged() {
    let world = World::new().await;
    for (name, course) in [("train-b", "ml"), ("train-a", "ml"), ("other", "music")] {
        let asked = json!({"language": "sim", "name": name, "tags": {"course": course}});
        world.post("/api/v1/sessions", asked).await.expect(201);
    }
    let names = async |query: &str| {
        let list = world.get(&format!("/api/v1/sessions?{query}")).await.expect(200);
        let names: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), list["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(names("filter=live").await.0, "other train-a train-b");
    assert_eq!(names("filter=tag:course=ml%20running&order=asc").await.0, "train-b train-a");
    assert_eq!(
        names("filter=owner:administrator%20project:default%20image:host%20language:sim&order=name").await.0,
        "other train-a train-b"
    );
    assert_eq!(names("filter=owner:nobody").await.0, "");
    assert_eq!(names("filter=project:none").await.0, "");
    let (first, cursor) = names("filter=name:train*&order=name&limit=1").await;
    assert_eq!(first, "train-a");
    let cursor = cursor.unwrap();
    assert_eq!(
        names(&format!("filter=name:train*&order=name&limit=1&cursor={cursor}")).await,
        ("train-b".into(), None)
    );
    world.get(&format!("/api/v1/sessions?order=asc&cursor={cursor}")).await.problem(400, "malformed");
    let refused = world.get("/api/v1/sessions?filter=colour:red").await.problem(422, "invalid");
    assert_eq!(refused["field"], "filter", "{refused}");
    world.get("/api/v1/sessions?filter=name:a%00").await.problem(422, "invalid");
}

#[tokio::test]
async fn made_found_listed_and_ended() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "name": "yard", "tags": {"class": "a"}, "env": {"X": "1"},
        "resources": {"cpu": 0.5, "memory_bytes": 33_554_432}, "idle_timeout_ms": 60_000});
    let made = world.post("/api/v1/sessions", asked).await;
    let view = made.expect(201);
    assert_eq!((&view["state"], &view["name"]), (&json!("running"), &json!("yard")));
    assert_eq!(view["resources"]["cpu"], 0.5);
    assert_eq!(view["tags"]["class"], "a");
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(world.get(&path).await.expect(200)["id"], view["id"]);
    assert_eq!(world.get("/api/v1/sessions/yard").await.expect(200)["id"], view["id"], "by name too");
    let list = world.get("/api/v1/sessions?filter=live").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    world.delete(&path).await.expect(200);
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert_eq!(ended["outcome"], "terminated");
    assert_eq!(ended["allowed_actions"], json!([]));
    assert!(ended["usage"].is_object(), "{ended}");
    assert!(madang_node_api::Node::sandboxes(&world.node).is_empty());
    world.delete(&path).await.expect(200);
    let runs = world.post(&format!("{path}/runs"), json!({"code": "x"})).await;
    runs.problem(409, "conflict");
}

#[tokio::test]
async fn a_name_is_unique_among_the_living() {
    let world = World::new().await;
    let asked = json!({"language": "sim", "name": "one"});
    let first = world.post("/api/v1/sessions", asked.clone()).await.expect(201);
    world.post("/api/v1/sessions", asked.clone()).await.problem(409, "conflict");
    let reuse = json!({"language": "sim", "name": "one", "reuse_if_exists": true});
    assert_eq!(world.post("/api/v1/sessions", reuse).await.expect(201)["id"], first["id"]);
    let path = format!("/api/v1/sessions/{}", first["id"].as_str().unwrap());
    world.delete(&path).await.expect(200);
    world.until(&path, |view| view["state"] == "ended").await;
    let second = world.post("/api/v1/sessions", asked).await.expect(201);
    assert_ne!(second["id"], first["id"], "the name is free again");
}

#[tokio::test]
async fn pages_lead_through_all() {
    let world = World::new().await;
    for _ in 0..5 {
        world.session().await;
    }
    let mut seen: Vec<Value> = Vec::new();
    let mut path = "/api/v1/sessions?limit=2&order=asc".to_owned();
    loop {
        let page = world.get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/sessions?limit=2&order=asc&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by_key(|id| id.as_str().unwrap().to_owned()));
    assert_eq!(world.get("/api/v1/sessions?limit=1").await.expect(200)["items"][0]["id"], seen[4], "newest first");
}

#[tokio::test]
async fn a_batch_session_ends_with_its_command() {
    let world = World::new().await;
    for (command, outcome) in [("print done", "completed"), ("exit 2", "failed")] {
        let asked = json!({"language": "sim", "kind": "batch", "startup_command": command});
        let view = world.post("/api/v1/sessions", asked).await.expect(201);
        let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
        let ended = world.until(&path, |view| view["state"] == "ended").await;
        assert_eq!(ended["outcome"], outcome, "{ended}");
        let logs = world.get(&format!("{path}/logs")).await.expect(200);
        assert_eq!(logs["items"].as_array().unwrap().len(), usize::from(outcome == "completed"), "{logs}");
    }
}

#[tokio::test]
async fn restart_interrupt_complete_usage_and_logs() {
    let world = World::new().await;
    let path = format!("/api/v1/sessions/{}", world.session().await);
    let runs = format!("{path}/runs");
    world.post(&runs, json!({"code": "set kept\nprint hello", "wait": true})).await.expect(200);
    world.post(&format!("{path}/restart"), json!({})).await.expect(200);
    assert_eq!(world.post(&runs, json!({"code": "get", "wait": true})).await.expect(200)["stdout"], "\n");
    let hanging = world.post(&runs, json!({"code": "hang"})).await.expect(201);
    let run = format!("/api/v1/runs/{}", hanging["id"].as_str().unwrap());
    world.post(&format!("{path}/interrupt"), json!({})).await.expect(200);
    assert_eq!(world.until(&run, |view| view["state"] == "finished").await["verdict"], "signaled");
    let completed = world.post(&format!("{path}/complete"), json!({"code": "a pr", "cursor": 4})).await.expect(200);
    assert_eq!(completed, json!({"start": 2, "items": ["print"]}));
    world.post(&format!("{path}/complete"), json!({"code": "é", "cursor": 1})).await.problem(422, "invalid");
    let usage = world.get(&format!("{path}/usage")).await.expect(200);
    assert!(usage["cpu_user_us"].as_u64().unwrap() >= 2_000, "{usage}");
    let logs = world.get(&format!("{path}/logs?limit=10")).await.expect(200);
    assert_eq!(logs["items"][0]["data"], "hello\n");
}

#[tokio::test]
async fn a_key_makes_one_session() {
    let world = World::new().await;
    let asked = json!({"language": "sim"});
    let first = world.post_keyed("/api/v1/sessions", "k", asked.clone()).await.expect(201);
    let again = world.post_keyed("/api/v1/sessions", "k", asked.clone()).await.expect(201);
    assert_eq!(first["id"], again["id"]);
    let other = json!({"language": "sim", "name": "x"});
    world.post_keyed("/api/v1/sessions", "k", other).await.problem(409, "idempotency-mismatch");
}

#[tokio::test]
async fn what_cannot_start_says_why_and_leaves_nothing() {
    let world = World::new().await;
    world.node.fail_opens(Some(madang_node_api::NodeError::Capacity("no memory left".into())));
    let problem =
        world.post("/api/v1/sessions", json!({"language": "sim", "name": "n"})).await.problem(503, "capacity");
    assert!(problem["detail"].as_str().unwrap().contains("no memory left"), "{problem}");
    world.node.fail_opens(None);
    world.post("/api/v1/sessions", json!({"image": "nope"})).await.problem(404, "not-found");
    world.until("/api/v1/sessions?filter=live", |page| page["items"] == json!([])).await;
    world.post("/api/v1/sessions", json!({"language": "sim", "name": "n"})).await.expect(201);
}

#[tokio::test]
async fn one_session_too_many_is_refused() {
    let world = World::with(|config| config.sessions_max = 1).await;
    world.session().await;
    let refused = world.post("/api/v1/sessions", json!({"language": "sim"})).await.problem(429, "too-many");
    assert_eq!(refused["limit"], "sessions_max");
}

#[tokio::test]
async fn fields_that_say_what_is_anyhow_change_nothing() {
    let world = World::new().await;
    let body = json!({"language": "sim", "mounts": [{"folder": "x"}]});
    world.post("/api/v1/sessions", body).await.problem(404, "not-found");
    let harmless = json!({"language": "sim", "mounts": [], "priority": 0, "depends_on": [], "network": "none"});
    world.post("/api/v1/sessions", harmless).await.expect(201);
}

#[tokio::test]
async fn the_projected_end_is_shown_and_can_be_put_off_within_the_policy() {
    let world = World::with(|config| config.session_timeout_ms_max = 10_000_000).await;
    let asked = json!({"language": "sim", "timeout_ms": 5_000_000, "idle_timeout_ms": 4_000_000});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}", view["id"].as_str().unwrap());
    assert_eq!(view["ends_because"], "no-traffic", "{view}");
    assert!(view["ends_at"].as_str() > view["started_at"].as_str(), "{view}");
    // While something runs in it, only its lifetime ends it.
    let run = json!({"mode": "query", "code": "hang"});
    let run = world.post(&format!("{path}/runs"), run).await.expect(201);
    let busy = world.until(&path, |view| view["runs_live"] == 1).await;
    assert_eq!(busy["ends_because"], "lifetime", "{busy}");
    let extended = world.post(&format!("{path}/extend"), json!({"by_ms": 5_000_000})).await.expect(200);
    assert_eq!(extended["timeout_ms"], 10_000_000, "{extended}");
    assert!(extended["ends_at"].as_str() > busy["ends_at"].as_str(), "{extended}");
    let refused = world.post(&format!("{path}/extend"), json!({"by_ms": 1})).await;
    assert_eq!(refused.json()["limit"], "session_timeout_ms_max", "{:?}", refused.body);
    assert!(refused.status.is_client_error());
    world.post(&format!("{path}/extend"), json!({"by_ms": 0})).await.problem(422, "invalid");
    let list = world.get("/api/v1/sessions?filter=live").await.expect(200);
    assert_eq!(list["items"][0]["ends_at"], extended["ends_at"], "{list}");
    world.delete(&format!("/api/v1/runs/{}", run["id"].as_str().unwrap())).await;
    world.delete(&path).await.expect(200);
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert!(ended["ends_at"].is_null(), "{ended}");
    world.post(&format!("{path}/extend"), json!({"by_ms": 1})).await.problem(409, "conflict");
}

#[tokio::test]
async fn an_extension_stays_within_every_policy() {
    let world = World::new().await;
    world.put("/api/v1/policies/short", json!({"session_timeout_ms_max": 6_000_000})).await.expect(200);
    world.patch("/api/v1/users/administrator", json!({"policy": "short"})).await.expect(200);
    let asked = json!({"language": "sim", "timeout_ms": 5_000_000, "idle_timeout_ms": 1_000_000});
    let view = world.post("/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}/extend", view["id"].as_str().unwrap());
    world.post(&path, json!({"by_ms": 1_000_000})).await.expect(200);
    let refused = world.post(&path, json!({"by_ms": 1})).await.json();
    assert_eq!(refused["refusals"][0]["policy"], "short", "{refused}");
}

#[tokio::test]
async fn the_log_is_the_last_entries_of_however_many_runs() {
    let world = World::new().await;
    let path = format!("/api/v1/sessions/{}", world.session().await);
    let runs = format!("{path}/runs");
    for number in 0..4 {
        let code = format!("print a{number}\nprint b{number}");
        world.post(&runs, json!({"code": code, "wait": true})).await.expect(200);
    }
    world.post(&runs, json!({"code": "print live\nhang"})).await.expect(201);
    let written = |logs: &serde_json::Value| -> Vec<String> {
        let items = logs["items"].as_array().unwrap().iter();
        items.flat_map(|entry| entry["data"].as_str().unwrap().lines()).map(str::to_owned).collect()
    };
    let all = world.until(&format!("{path}/logs"), |logs| logs.to_string().contains("live")).await;
    assert_eq!(written(&all), ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "live"]);
    let entries = all["items"].as_array().unwrap();
    for limit in 1..=entries.len() {
        let logs = world.get(&format!("{path}/logs?limit={limit}")).await.expect(200);
        assert_eq!(logs["items"].as_array().unwrap()[..], entries[entries.len() - limit..], "limit={limit}");
    }
}

#[tokio::test]
async fn an_environment_is_shown_to_whoever_may_act_inside() {
    let stage = Stage::new().await;
    let asked = json!({"language": "sim", "project": "maths", "env": {"API_KEY": "hush"}});
    let made = stage.send("ada", Method::POST, "/api/v1/sessions", asked).await.expect(201);
    let path = format!("/api/v1/sessions/{}", made["id"].as_str().unwrap());
    for (name, shown) in [("ada", true), (ROOT, true), ("mona", false), ("orla", false)] {
        let one = stage.send(name, Method::GET, &path, Value::Null).await.expect(200);
        let listed = stage.send(name, Method::GET, "/api/v1/sessions", Value::Null).await.expect(200);
        for view in [&one, &listed["items"][0]] {
            assert_eq!(view["id"], made["id"]);
            assert_eq!(view.to_string().contains("hush"), shown, "{name}: {view}");
            assert_eq!(view["env_hidden"] == true, !shown, "{name}: {view}");
        }
    }
    let ended = stage.send("mona", Method::DELETE, &path, Value::Null).await.expect(200);
    assert_eq!((&ended["env"], &ended["env_hidden"]), (&json!({}), &json!(true)));
}

#[tokio::test]
async fn a_session_that_uses_too_little_is_warned_and_ends() {
    let settle = |config: &mut madang_control::ControlConfig| config.utilization_ms = 20;
    let world = World::with(settle).await;
    let policy =
        json!({"session_cpu_percent_min": 10, "session_cpu_window_ms": 400, "session_cpu_grace_ms": 86_400_000});
    world.put("/api/v1/policies/busy", policy).await.expect(200);
    world.patch("/api/v1/users/administrator", json!({"policy": "busy"})).await.expect(200);
    let path = format!("/api/v1/sessions/{}", world.session().await);
    // A program runs all the while: that alone is not enough.
    world.post(&format!("{path}/runs"), json!({"code": "hang"})).await.expect(201);
    let warned = world.until(&path, |view| view["ends_because"] == "utilization").await;
    let warning = warned["warning"].as_str().unwrap();
    assert!(warning.contains("0.0 %") && warning.contains("`busy`") && warning.contains("10 %"), "{warning}");
    // Far more than it could use, so that a slow look cannot miss it.
    let sandbox = world.node.sandboxes()[0].id;
    let hours = madang_model::Usage { cpu_user_us: 3_600_000_000, ..Default::default() };
    let works = |view: &Value| {
        world.node.use_up(sandbox, hours).unwrap();
        view["ends_because"] == "lifetime"
    };
    let busy = world.until(&path, works).await;
    assert_eq!(busy["warning"], Value::Null, "it works again");
    world.until(&path, |view| view["warning"].is_string()).await;
    let short = json!({"session_cpu_percent_min": 10, "session_cpu_window_ms": 400, "session_cpu_grace_ms": 1});
    world.put("/api/v1/policies/busy", short).await.expect(200);
    let ended = world.until(&path, |view| view["state"] == "ended").await;
    assert!(ended["why"].as_str().unwrap().contains("used too little"), "{ended}");
    world.put("/api/v1/policies/busy", json!({"session_cpu_percent_min": 101})).await.problem(422, "invalid");
}
