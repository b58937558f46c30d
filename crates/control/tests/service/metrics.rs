//! What Prometheus reads: everything that the alert rules and the dashboard ask for is there, and nobody outside can make it grow.

use std::{collections::BTreeSet, path::Path};

use axum::http::Method;
use serde_json::json;

use crate::harness::World;

/// Whatever begins like one of ours.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("madang_")).map(str::to_owned).collect()
}

async fn served(world: &World) -> String {
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status.as_u16(), 200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|known| known.strip_prefix(line));
    found.unwrap_or_else(|| panic!("{line} is not in\n{text}")).trim().parse().unwrap()
}

#[tokio::test]
async fn what_alerts_and_dashboard_name_is_served() {
    let world = World::new().await;
    let session = world.session().await;
    world.post("/api/v1/run", json!({"language": "sim", "code": "print a", "wait": true})).await.expect(200);
    world.get("/api/v1/sessions/none").await.problem(404, "not-found");
    world.delete(&format!("/api/v1/sessions/{session}")).await.expect(200);
    world.until(&format!("/api/v1/sessions/{session}"), |view| view["state"] == "ended").await;
    let text = served(&world).await;
    let there = named_in(&text);
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["prometheus/alerts.yml", "grafana/madang.json"] {
        let asked = named_in(&std::fs::read_to_string(deploy.join(file)).unwrap());
        assert!(asked.len() > 10, "{file} names {asked:?}");
        let missing: Vec<_> = asked.difference(&there).collect();
        assert!(missing.is_empty(), "{file} names what is not served: {missing:?}\n{text}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_slice(&std::fs::read(deploy.join("grafana/madang.json")).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

#[tokio::test]
async fn sessions_nodes_and_refusals_are_counted() {
    let world = World::with(|config| config.sessions_max = 1).await;
    world.session().await;
    let refused = world.post("/api/v1/sessions", json!({"language": "sim"})).await;
    assert_eq!(refused.json()["limit"], "sessions_max", "{:?}", refused.body);
    let text = served(&world).await;
    assert_eq!(value(&text, r#"madang_sessions{state="running"}"#), 1.0);
    assert_eq!(value(&text, r#"madang_sessions{state="queued"}"#), 0.0);
    assert_eq!(value(&text, r#"madang_nodes{state="schedulable"}"#), 1.0);
    assert_eq!(value(&text, r#"madang_nodes{state="silent"}"#), 0.0);
    assert_eq!(value(&text, r#"madang_service_state{state="running"}"#), 1.0);
    assert_eq!(value(&text, r#"madang_pool_ready{pool="host/sim"}"#), 4.0);
    assert_eq!(value(&text, r#"madang_drift_total{kind="stray-process"}"#), 2.0);
    assert_eq!(value(&text, r#"madang_drift_total{kind="sandbox-missing"}"#), 0.0);
    assert_eq!(value(&text, r#"madang_session_events_total{event="placed"}"#), 1.0);
    assert_eq!(value(&text, r#"madang_session_wait_seconds_count{stage="start"}"#), 1.0);
    let code = refused.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(value(&text, &format!(r#"madang_refusals_total{{code="{code}",limit="sessions_max"}}"#)), 1.0);
    assert!(value(&text, r#"madang_store_statement_seconds_count{statement="insert"}"#) >= 1.0);
}

#[tokio::test]
async fn strangers_cannot_make_it_grow() {
    let world = World::new().await;
    for number in 0..20 {
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        world.send(method, &format!("/made/up/{number}"), &[], "").await;
    }
    let text = served(&world).await;
    assert!(!text.contains("made/up") && !text.contains("M7"), "{text}");
    assert!(text.contains(r#"method="other",route="none""#), "{text}");
}
