//! What a request leaves at a collector.

use http::Method;
use madang_testkit::{SimNode, TestDatabase};
use serde_json::{Value, json};

use crate::{
    collector::{Seen, shared},
    world::World,
};

/// What must be in no span: the program, its input, what it says, the name of a file, a session's name.
const SECRETS: [&str; 4] = ["print", "wonderful", "hidden", "Bearer"];

fn named<'s>(spans: &'s [Seen], name: &str) -> &'s Seen {
    spans.iter().find(|span| span.name() == name).unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
}

fn has(names: &'static [&'static str]) -> impl Fn(&[Seen]) -> bool {
    move |spans| names.iter().all(|name| spans.iter().any(|span| span.name() == *name))
}

fn no_secret_in(spans: &[Seen]) {
    for (key, value) in spans.iter().flat_map(Seen::attributes) {
        assert!(SECRETS.iter().all(|secret| !value.contains(secret)), "{key}={value}");
    }
    assert!(spans.iter().all(|span| span.events() == 0), "the log goes nowhere");
}

#[tokio::test]
async fn a_run_is_one_trace_that_goes_on_with_the_clients_own() {
    let (collector, world) = (shared(), World::new().await);
    let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let parent = format!("00-{trace}-{caller}-01");
    let headers = [("traceparent", parent.as_str()), ("tracestate", "vendor=1"), ("x-request-id", "asked-1")];
    let request = json!({"language": "sim", "code": "print wonderful", "wait": true});
    let answer = world.post("/api/v1/run", &headers, request).await;
    assert_eq!((answer.status.as_u16(), &answer.body["stdout"]), (200, &json!("wonderful\n")));
    let wanted = ["POST /api/v1/run", "admission", "run", "placement", "run_once", "store"];
    let all = move |spans: &[Seen]| wanted.iter().all(|name| spans.iter().any(|span| span.name() == *name));
    let spans = collector.trace(trace, all).await;
    let (request, run) = (named(&spans, "POST /api/v1/run"), named(&spans, "run"));
    assert_eq!(request.parent(), caller);
    assert_eq!(answer.headers["traceresponse"], format!("00-{trace}-{}-01", request.id()));
    for (child, parent) in
        [("admission", request), ("run", request), ("placement", run), ("run_once", run), ("store", run)]
    {
        assert_eq!(named(&spans, child).parent(), parent.id(), "{child}");
        assert!(named(&spans, child).is_within(parent), "{child}");
    }
    for (span, key, value) in [
        (request, "http.route", "/api/v1/run"),
        (request, "http.request.method", "POST"),
        (request, "http.response.status_code", "200"),
        (request, "madang.request.id", "asked-1"),
        (run, "madang.run.id", answer.body["id"].as_str().unwrap()),
        (run, "madang.verdict", "ok"),
        (run, "madang.language", "sim"),
    ] {
        assert_eq!(span.attribute(key).as_deref(), Some(value), "{key}");
    }
    no_secret_in(&spans);
    assert_eq!(collector.resource("service.name").as_deref(), Some("tried"));
    assert_eq!(collector.resource("madang.role").as_deref(), Some("test"));
}

#[tokio::test]
async fn a_refusal_says_why_and_a_request_of_no_trace_begins_one() {
    let (collector, world) = (shared(), World::new().await);
    for given in [None, Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"), Some("hidden")] {
        let headers: Vec<_> = given.map(|given| ("traceparent", given)).into_iter().collect();
        let answer = world.post("/api/v1/run", &headers, json!({"language": "hidden", "code": "print"})).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        let said = answer.headers["traceresponse"].to_str().unwrap().to_owned();
        let trace = said.split('-').nth(1).unwrap();
        let spans = collector.trace(trace, |spans| !spans.is_empty()).await;
        let request = named(&spans, "POST /api/v1/run");
        assert_eq!(request.parent(), "", "{given:?}");
        assert_eq!(request.attribute("error.type").as_deref(), Some("invalid"));
        assert!(!request.is_failure(), "the client's own fault");
        no_secret_in(&spans);
    }
}

#[tokio::test]
async fn what_is_asked_not_to_be_sampled_is_not() {
    let (collector, world) = (shared(), World::new().await);
    let (quiet, heard) = ("1af7651916cd43dd8448eb211c80319c", "2af7651916cd43dd8448eb211c80319c");
    for (trace, flags) in [(quiet, "00"), (heard, "01")] {
        let parent = format!("00-{trace}-b7ad6b7169203331-{flags}");
        let answer = world.send(Method::GET, "/api/v1/sessions", &[("traceparent", &parent)], Value::Null).await;
        assert_eq!(answer.status, 200);
    }
    // They go one after the other: when the later one is there, the earlier would be.
    collector.trace(heard, has(&["GET /api/v1/sessions"])).await;
    assert!(collector.trace(quiet, |_| true).await.is_empty());
}

#[tokio::test]
async fn a_session_on_another_machine_and_its_run_are_in_the_traces_that_asked_for_them() {
    let (collector, world) = (shared(), World::new().await);
    world.cordon_own().await;
    let _far = world.far().await;
    let here = |nodes: &Value| {
        nodes["items"].as_array().unwrap().iter().any(|node| node["name"] == "far" && node["presence"] == "here")
    };
    world.until("/api/v1/nodes", here).await;
    let (start, query) = ("3af7651916cd43dd8448eb211c80319c", "4af7651916cd43dd8448eb211c80319c");
    let parent = |trace: &str| format!("00-{trace}-b7ad6b7169203331-01");
    let request = json!({"language": "sim", "name": "hidden"});
    let made = world.post("/api/v1/sessions", &[("traceparent", &parent(start))], request).await;
    assert_eq!((made.status.as_u16(), &made.body["state"]), (201, &json!("running")), "{}", made.body);
    let id = made.body["id"].as_str().unwrap();
    let spans = collector
        .trace(start, has(&["node sandbox_open", "session start", "sandbox_open", "POST /api/v1/sessions"]))
        .await;
    let request = named(&spans, "POST /api/v1/sessions");
    let chain =
        [request, named(&spans, "session start"), named(&spans, "sandbox_open"), named(&spans, "node sandbox_open")];
    for pair in chain.windows(2) {
        assert_eq!(pair[1].parent(), pair[0].id(), "{}", pair[1].name());
    }
    assert_eq!(named(&spans, "admission").parent(), request.id());
    assert_eq!(chain[1].attribute("madang.session.id").as_deref(), Some(id));
    no_secret_in(&spans);
    let path = format!("/api/v1/sessions/{id}/runs");
    let request = json!({"code": "print wonderful", "wait": true});
    let ran = world.post(&path, &[("traceparent", &parent(query))], request).await;
    assert_eq!((ran.status.as_u16(), &ran.body["stdout"]), (200, &json!("wonderful\n")));
    let spans =
        collector.trace(query, has(&["node run_start", "run_start", "run", "POST /api/v1/sessions/{id}/runs"])).await;
    assert_eq!(named(&spans, "node run_start").parent(), named(&spans, "run_start").id());
    assert_eq!(named(&spans, "run_start").parent(), named(&spans, "run").id());
    assert_eq!(named(&spans, "run").attribute("madang.session.id").as_deref(), Some(id));
    no_secret_in(&spans);
}

#[tokio::test]
async fn a_session_that_waits_is_placed_in_the_trace_that_asked_for_it() {
    let (collector, world) = (shared(), World::new().await);
    let trace = "5af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    world.cordon_own().await;
    let made = world.post("/api/v1/sessions", &[("traceparent", &parent)], json!({"language": "sim"})).await;
    assert_eq!((made.status.as_u16(), &made.body["state"]), (201, &json!("queued")), "{}", made.body);
    let _far = world.far().await;
    let placed = |spans: &[Seen]| spans.iter().any(|span| span.attribute("madang.waited_ms").is_some());
    let spans =
        collector.trace(trace, |spans| placed(spans) && has(&["node sandbox_open", "session start"])(spans)).await;
    let request = named(&spans, "POST /api/v1/sessions");
    let placement = spans.iter().find(|span| span.attribute("madang.waited_ms").is_some()).unwrap();
    assert_eq!((placement.name(), placement.parent()), ("placement", request.id()));
    assert!(placement.attribute("madang.node.id").is_some_and(|node| node.starts_with("nod_")), "{placement:?}");
    assert_eq!(named(&spans, "session start").parent(), request.id());
    no_secret_in(&spans);
}

#[tokio::test]
async fn what_nobody_can_do_is_a_failure_wherever_it_was_asked_for() {
    let (collector, world) = (shared(), World::new().await);
    let trace = "6af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    world.cordon_own().await;
    let request = json!({"language": "sim", "code": "print wonderful", "wait": true});
    let answer = world.post("/api/v1/run", &[("traceparent", &parent)], request).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    let spans = collector.trace(trace, has(&["POST /api/v1/run", "run", "placement"])).await;
    for name in ["POST /api/v1/run", "run", "placement"] {
        assert!(named(&spans, name).is_failure(), "{name} in {spans:#?}");
    }
    assert!(!named(&spans, "admission").is_failure());
    no_secret_in(&spans);
}

#[tokio::test]
async fn a_request_that_another_process_answers_is_one_trace_in_both() {
    let Some(database) = TestDatabase::postgres_if_any().await else { return };
    let (collector, node) = (shared(), SimNode::new());
    let first = World::on(Some(database.url().parse().unwrap()), node.clone()).await;
    // It must lead before there is another.
    assert_eq!(first.send(Method::GET, "/api/v1/languages", &[], Value::Null).await.status, 200);
    let second = World::on(Some(database.url().parse().unwrap()), node).await;
    let trace = "7af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let request = json!({"language": "sim", "code": "print wonderful", "wait": true});
    let answer = second.post("/api/v1/run", &[("traceparent", &parent)], request).await;
    assert_eq!((answer.status.as_u16(), &answer.body["stdout"]), (200, &json!("wonderful\n")), "{}", answer.body);
    let both = |spans: &[Seen]| spans.iter().filter(|span| span.name() == "POST /api/v1/run").count() == 2;
    let spans = collector.trace(trace, |spans| both(spans) && has(&["forward", "run"])(spans)).await;
    let forward = named(&spans, "forward");
    let far = spans.iter().find(|span| span.parent() == forward.id()).unwrap();
    let near = spans.iter().find(|span| span.id() == forward.parent()).unwrap();
    assert_eq!((near.name(), near.parent()), ("POST /api/v1/run", "b7ad6b7169203331".to_owned()));
    assert_eq!((far.name(), &named(&spans, "run").parent()), ("POST /api/v1/run", &far.id()));
    assert_eq!(answer.headers["traceresponse"], format!("00-{trace}-{}-01", near.id()));
}
