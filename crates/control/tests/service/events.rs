//! Streams of events: resumed, cut, ended.

use axum::http::Method;
use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn a_finished_run_can_be_resumed_anywhere() {
    let world = World::new().await;
    let run =
        world.post("/api/v1/run", json!({"language": "sim", "code": "say a\nsay b", "wait": true})).await.expect(200);
    let path = format!("/api/v1/runs/{}/events", run["id"].as_str().unwrap());
    for (last, kinds) in [
        (None, vec!["started", "stdout", "stdout", "finished"]),
        (Some("1"), vec!["stdout", "finished"]),
        (Some("3"), vec![]),
        (Some("18446744073709551615"), vec![]),
    ] {
        let headers: Vec<_> = last.iter().map(|last| ("last-event-id", *last)).collect();
        let mut stream = world.stream(Method::GET, &path, &headers, "").await;
        let mut seen = Vec::new();
        while let Some((_, event)) = stream.event().await {
            seen.push(event["kind"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen, kinds, "after {last:?}");
    }
}

#[tokio::test]
async fn a_live_run_is_followed_from_where_the_reader_was() {
    let world = World::new().await;
    let code = "say a\nsleep 1000\nsay b";
    let run = world.post("/api/v1/run", json!({"language": "sim", "code": code})).await.expect(201);
    let path = format!("/api/v1/runs/{}/events", run["id"].as_str().unwrap());
    let mut first = world.stream(Method::GET, &path, &[], "").await;
    assert_eq!(first.event().await.unwrap().1["kind"], "started");
    let (at, event) = first.event().await.unwrap();
    assert_eq!(event["data"], "a");
    drop(first);
    let at = at.to_string();
    let mut second = world.stream(Method::GET, &path, &[("last-event-id", at.as_str())], "").await;
    world.node.advance(1_000);
    assert_eq!(second.event().await.unwrap().1["data"], "b");
    let (_, last) = second.event().await.unwrap();
    assert_eq!((&last["kind"], &last["outcome"]["verdict"]), (&json!("finished"), &json!("ok")));
    assert!(second.event().await.is_none());
}

#[tokio::test]
async fn the_server_tells_what_happens_in_it() {
    let world = World::new().await;
    let mut news = world.stream(Method::GET, "/api/v1/events", &[("last-event-id", "0")], "").await;
    let id = world.session().await;
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "running") {
        let (_, event) = news.event().await.unwrap();
        assert_eq!(event["session"], id.as_str());
        states.push(event["state"].as_str().unwrap().to_owned());
    }
    world.post(&format!("/api/v1/sessions/{id}/runs"), json!({"code": "print x", "wait": true})).await.expect(200);
    assert_eq!(news.event().await.unwrap().1["kind"], "run-started");
    assert_eq!(news.event().await.unwrap().1["verdict"], "ok");
    world.stop.stop_now();
    assert!(news.event().await.is_none(), "streams end cleanly");
}
