//! The web's page and files: which paths are its own, and what its answers forbid.

use axum::http::Method;

use crate::harness::{Answer, World};

const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[tokio::test]
async fn whatever_a_browser_goes_to_is_the_page() {
    let world = World::new().await;
    for path in ["/", "/w/ses_none", "/apiary", "/signin"] {
        let page = world.send_bare(Method::GET, path, &[PAGE], "").await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8", "{path}");
        assert_eq!(page.headers["cache-control"], "no-cache", "{path}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let scripts = policy.split("; ").find(|rule| rule.starts_with("script-src"));
        assert!(scripts.is_none_or(|rule| rule == "script-src 'self'"), "{policy}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_none_of_the_webs() {
    let world = World::new().await;
    let nowhere = ["/api", "/api/", "/api/v1/nothing", "/api/../nothing", "/metrics/nothing", "/healthz/nothing"];
    for path in nowhere {
        world.send_bare(Method::GET, path, &[PAGE], "").await.problem(404, "not-found");
    }
    world.send_bare(Method::GET, "/w/ses_none", &[("accept", "*/*")], "").await.problem(404, "not-found");
    world.send_bare(Method::GET, "/assets/nothing.js", &[("accept", "*/*")], "").await.problem(404, "not-found");
    world.send_bare(Method::POST, "/w/ses_none", &[PAGE], "").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_nonce_is_good_for_one_answer() {
    let world = World::new().await;
    let page = || world.send_bare(Method::GET, "/", &[PAGE], "");
    let (first, second) = (page().await, page().await);
    let text = String::from_utf8_lossy(&first.body).into_owned();
    if !madang_web_assets::is_built() {
        assert!(text.contains("scripts/build-web"), "a page says how to build the web: {text}");
        return;
    }
    let policy = |answer: &Answer| answer.headers["content-security-policy"].to_str().unwrap().to_owned();
    let nonce = policy(&first).split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    assert!(nonce.len() >= 22 && text.contains(&format!("nonce=\"{nonce}\"")), "{text}");
    assert!(!text.contains(madang_web_assets::NONCE_PLACE), "{text}");
    assert_ne!(policy(&first), policy(&second));
    let script = text.split("src=\"").nth(1).unwrap().split('"').next().unwrap();
    let packed = world.send_bare(Method::GET, script, &[("accept-encoding", "gzip, br;q=0.9")], "").await;
    assert_eq!((packed.status.as_u16(), packed.headers["content-encoding"].to_str().unwrap()), (200, "br"));
    assert_eq!(packed.headers["cache-control"], "public, max-age=31536000, immutable");
    let plain = world.send_bare(Method::GET, script, &[("accept-encoding", "br;q=0, deflate")], "").await;
    assert!(!plain.headers.contains_key("content-encoding") && plain.body.len() > packed.body.len());
    assert_eq!(plain.headers["content-type"], "text/javascript; charset=utf-8");
}

#[tokio::test]
async fn what_is_no_page_cannot_become_one() {
    let world = World::new().await;
    for path in ["/api/v1/version", "/api/v1/sessions", "/api/v1/nothing", "/healthz"] {
        let answer = world.send_bare(Method::GET, path, &[PAGE], "").await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn the_one_worker_is_ours_and_there_is_always_one_to_replace_it() {
    let world = World::new().await;
    let asking = [("service-worker", "script"), ("accept", "*/*")];
    let worker = world.send_bare(Method::GET, "/worker.js", &asking, "").await;
    assert_eq!(worker.status, 200);
    assert_eq!(worker.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(worker.headers["cache-control"], "no-cache");
    assert!(worker.headers.get("service-worker-allowed").is_none());
    let policy = worker.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    let text = String::from_utf8_lossy(&worker.body).into_owned();
    assert_eq!(text.contains("unregister()"), !madang_web_assets::is_built(), "{text}");
    for path in ["/", "/madang.svg", "/signin/page.js", "/api/v1/version", "/api/v1/sessions/ses_1/files/worker.js"] {
        world.send_bare(Method::GET, path, &asking, "").await.problem(404, "not-found");
    }
    if !madang_web_assets::is_built() {
        return;
    }
    let away = world.send_bare(Method::GET, "/offline.html", &[PAGE], "").await;
    let policy = away.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'; style-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(!String::from_utf8_lossy(&away.body).contains(madang_web_assets::NONCE_PLACE));
}
