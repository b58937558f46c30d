//! A session's runs as a list, what they were given, and links that show one run.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

/// Begins a run in a session and waits for its end. Returns its id.
async fn ran(world: &World, session: &str, body: Value) -> String {
    let begun = world.post(&format!("/api/v1/sessions/{session}/runs"), body).await.expect(201);
    let id = begun["id"].as_str().unwrap().to_owned();
    world.until(&format!("/api/v1/runs/{id}"), |run| run["state"] == "finished").await;
    id
}

async fn shown(world: &World, secret: &str) -> Answer {
    world.send_bare(Method::GET, "/api/v1/shared-run", &[("x-share", secret)], "").await
}

#[tokio::test]
async fn the_runs_of_a_session_are_listed_page_by_page_with_what_they_were_given() {
    let world = World::new().await;
    let (session, other) = (world.session().await, world.session().await);
    let mut made = Vec::new();
    for number in 0..3 {
        made.push(ran(&world, &session, json!({"mode": "query", "code": format!("\nprint {number}\n")})).await);
    }
    let files = json!([{"path": "a.sim", "content": "print batch"}]);
    made.push(ran(&world, &session, json!({"mode": "batch", "files": files, "args": ["x"], "stdin": "in"})).await);
    ran(&world, &other, json!({"mode": "query", "code": "print elsewhere"})).await;
    let runs = format!("/api/v1/sessions/{session}/runs");
    let page = world.get(&format!("{runs}?limit=3")).await.expect(200);
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&page), [&made[3], &made[2], &made[1]].map(String::clone));
    let newest = &page["items"][0];
    assert_eq!(
        (&newest["title"], &newest["verdict"], &newest["mode"]),
        (&json!("a.sim"), &json!("ok"), &json!("batch"))
    );
    assert!(newest["stdout"].is_null(), "a list carries no output: {newest}");
    let rest = world.get(&format!("{runs}?limit=3&cursor={}", page["next_cursor"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (ids(&rest), &rest["next_cursor"], &rest["items"][0]["title"]),
        (vec![made[0].clone()], &Value::Null, &json!("print 0"))
    );
    let queries = world.get(&format!("{runs}?mode=query")).await.expect(200);
    assert_eq!(ids(&queries).len(), 3);
    let given = world.get(&format!("/api/v1/runs/{}/given", made[3])).await.expect(200);
    assert_eq!(given, json!({"files": [{"path": "a.sim", "content": "print batch"}], "args": ["x"], "stdin": "in"}));
    world.get(&format!("{runs}?cursor=nonsense")).await.problem(400, "malformed");
    world.get(&format!("{runs}?limit=0")).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_link_shows_one_run_to_strangers_until_it_is_taken_back_or_ends() {
    let world = World::new().await;
    let session = world.session().await;
    let run = ran(&world, &session, json!({"mode": "query", "code": "print seen"})).await;
    let shares = format!("/api/v1/runs/{run}/shares");
    let made = world.post(&shares, json!({})).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(made["url"].as_str().unwrap().ends_with(&format!("/shared#{secret}")), "{made}");
    let answer = shown(&world, secret).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let seen = answer.expect(200);
    assert_eq!(
        (&seen["stdout"], &seen["verdict"], &seen["given"]["code"]),
        (&json!("seen\n"), &json!("ok"), &json!("print seen"))
    );
    // Nothing by which anything else could be found.
    let text = seen.to_string();
    for hidden in [run.as_str(), session.as_str(), "usr_", "prj_", "org_", secret] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let listed = world.get(&shares).await.expect(200);
    assert_eq!(listed["items"][0]["id"], made["id"]);
    assert!(listed["items"][0]["secret"].is_null() && listed["items"][0]["url"].is_null(), "{listed}");
    // The secret opens nothing else, and what is not one opens nothing.
    let held = [("x-share", secret)];
    let get = async |path: String| world.send_bare(Method::GET, &path, &held, "").await;
    get(format!("/api/v1/runs/{run}")).await.problem(401, "unauthenticated");
    get(format!("/api/v1/sessions/{session}/files")).await.problem(401, "unauthenticated");
    for wrong in ["", "nonsense", made["id"].as_str().unwrap()] {
        shown(&world, wrong).await.problem(404, "not-found");
    }
    let another = world.post(&shares, json!({"expires_in_ms": 86_400_000})).await.expect(201);
    world.delete(&format!("{shares}/{}", made["id"].as_str().unwrap())).await.expect(204);
    shown(&world, secret).await.problem(404, "not-found");
    shown(&world, another["secret"].as_str().unwrap()).await.expect(200);
    world.post(&shares, json!({"expires_in_ms": 0})).await.problem(422, "invalid");
    world.post(&shares, json!({"expires_in_ms": 91 * 86_400_000_u64})).await.problem(422, "invalid");
    let brief = world.post(&shares, json!({"expires_in_ms": 1})).await.expect(201);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    shown(&world, brief["secret"].as_str().unwrap()).await.problem(404, "not-found");
    for _ in 0..15 {
        world.post(&shares, json!({})).await.expect(201);
    }
    world.post(&shares, json!({})).await.problem(429, "too-many");
}

#[tokio::test]
async fn a_link_is_no_good_once_its_maker_is_gone() {
    let stage = crate::stage::Stage::new().await;
    let run = stage.thing(madang_model::access::Thing::Run).await;
    let path = format!("/api/v1/runs/{run}/shares");
    let made = stage.send("ada", Method::POST, &path, json!({})).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    shown(&stage.world, secret).await.expect(200);
    let suspended = json!({"suspended": true});
    stage.send(crate::stage::ROOT, Method::PATCH, "/api/v1/users/ada", suspended).await.expect(200);
    shown(&stage.world, secret).await.problem(404, "not-found");
    stage.world.send_bare(Method::GET, "/api/v1/shared-run", &[], "").await.problem(400, "malformed");
}
