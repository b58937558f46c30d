//! Signing in with a real OpenID provider, which `scripts/with-oidc-provider` starts: its forms are filled in by plain HTTP.

use std::{
    collections::{BTreeMap, HashMap},
    env,
};

use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use madang_control::ProviderConfig;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, World};

/// The issuer of a provider that runs.
const ISSUER: &str = "MADANG_TEST_OIDC";
/// With `1` it is a failure if there is none, rather than a line of output.
const REQUIRED: &str = "MADANG_REQUIRE_OIDC";
const BEGIN: &str = "/api/v1/signin/providers/school";
/// More hops than any sign-in takes.
const HOPS_MAX: usize = 20;

fn issuer() -> Option<String> {
    let issuer = env::var(ISSUER).ok();
    let required = env::var_os(REQUIRED).is_some_and(|value| value == "1");
    assert!(issuer.is_some() || !required, "{REQUIRED}=1 and {ISSUER} is not set; use scripts/with-oidc-provider");
    if issuer.is_none() {
        println!("left out: {ISSUER} is not set; use scripts/with-oidc-provider");
    }
    issuer
}

fn config(issuer: &str) -> ProviderConfig {
    ProviderConfig {
        name: "school".into(),
        title: "The school".into(),
        issuer: issuer.into(),
        client_id: "madang".into(),
        client_secret: Some("a-secret-of-the-client".into()),
        scopes: ["profile", "email", "groups"].map(str::to_owned).into(),
        groups_claim: "groups".into(),
        groups: BTreeMap::from([("physics".to_owned(), vec!["default".to_owned()])]),
        organization: Some("default".into()),
    }
}

/// A browser of sorts: keeps cookies by host, follows nothing by itself.
#[derive(Default)]
struct Browser(HashMap<String, BTreeMap<String, String>>);

struct Page {
    url: String,
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Browser {
    async fn visit(&mut self, method: Method, url: &str, form: &str) -> Page {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let held = self.0.entry(host.to_owned()).or_default();
        let cookies: Vec<_> = held.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(format!("/{path}"))
            .header(header::HOST, host)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.to_owned())))
            .unwrap();
        let stream = TcpStream::connect(host).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("no answer").unwrap();
        let (parts, body) = answer.into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            held.insert(name.to_owned(), value.to_owned());
        }
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Page { url: url.to_owned(), status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Signs in at the provider as `name`; stops where the provider sends the browser back to us.
    async fn sign_in(&mut self, world: &World, name: &str) -> String {
        let here = format!("http://{}", world.address);
        let mut page = self.visit(Method::GET, &format!("{here}{BEGIN}"), "").await;
        assert_eq!(page.status, 303, "{}", page.body);
        for _ in 0..HOPS_MAX {
            let next = match page.headers.get(header::LOCATION) {
                Some(to) => absolute(&page.url, to.to_str().unwrap()),
                None => {
                    let form = if page.body.contains("name=\"login\"") {
                        format!("prompt=login&login={}&password=any", name.replace('+', "%2B"))
                    } else {
                        "prompt=consent".to_owned()
                    };
                    let action = between(&page.body, "action=\"", "\"").unwrap_or_else(|| panic!("{}", page.body));
                    page = self.visit(Method::POST, &absolute(&page.url, &action), &form).await;
                    continue;
                }
            };
            if next.starts_with(&here) {
                return next;
            }
            page = self.visit(Method::GET, &next, "").await;
        }
        panic!("the provider sends us in circles: {} {}", page.status, page.url)
    }
}

fn between(text: &str, from: &str, to: &str) -> Option<String> {
    Some(text.split_once(from)?.1.split_once(to)?.0.to_owned())
}

fn absolute(base: &str, to: &str) -> String {
    if to.starts_with("http://") {
        return to.to_owned();
    }
    let host = base.strip_prefix("http://").unwrap().split('/').next().unwrap();
    format!("http://{host}{to}")
}

async fn world(issuer: &str) -> World {
    let provider = config(issuer);
    World::with(|config| config.providers = vec![provider]).await
}

#[tokio::test]
async fn a_new_user_comes_in_and_joins_its_groups_projects() {
    let Some(issuer) = issuer() else { return };
    let world = world(&issuer).await;
    let list = world.get("/api/v1/signin/providers").await.expect(200);
    assert_eq!(list["items"][0]["url"], BEGIN);
    let mut browser = Browser::default();
    let back = browser.sign_in(&world, "ada+physics").await;
    let page = browser.visit(Method::GET, &back, "").await;
    assert_eq!((page.status, &page.headers["location"]), (303, &"/".parse().unwrap()), "{}", page.body);
    let here = format!("http://{}/api/v1", world.address);
    let page = browser.visit(Method::GET, &format!("{here}/signin"), "").await;
    let who: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!((who["name"].as_str(), who["role"].as_str()), (Some("ada"), Some("member")), "{who}");
    let page = browser.visit(Method::GET, &format!("{here}/me"), "").await;
    let me: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!((&me["signed_in_by"], &me["has_password"]), (&"cookie".into(), &false.into()), "{me}");
    let log = world.get("/api/v1/audit?operation=provider_end").await.expect(200);
    assert_eq!((&log["items"][0]["actor"], &log["items"][0]["name"]), (&who["user"], &who["name"]), "{log}");
    // In the project: it may work there. The same user again, without the group: no more.
    assert!(may_work(&world, &browser, who["csrf"].as_str().unwrap()).await);
    let mut other = Browser::default();
    let back = other.sign_in(&world, "ada+poetry").await;
    assert_eq!(other.visit(Method::GET, &back, "").await.status, 303);
    let page = other.visit(Method::GET, &format!("{here}/signin"), "").await;
    let again: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(again["user"], who["user"], "the same user");
    assert!(!may_work(&world, &other, again["csrf"].as_str().unwrap()).await);
    // A name that is taken here stays its owner's.
    let mut thief = Browser::default();
    let back = thief.sign_in(&world, "administrator").await;
    thief.visit(Method::GET, &back, "").await;
    let page = thief.visit(Method::GET, &format!("{here}/signin"), "").await;
    assert!(page.body.contains("\"administrator-2\"") && page.body.contains("\"member\""), "{}", page.body);
}

async fn may_work(world: &World, browser: &Browser, csrf: &str) -> bool {
    let held = &browser.0[&world.address.to_string()];
    let cookies: Vec<_> = held.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies = cookies.join("; ");
    let headers = [("cookie", cookies.as_str()), ("x-csrf-token", csrf), ("content-type", "application/json")];
    let answer = world.send_bare(Method::POST, "/api/v1/sessions", &headers, r#"{"language":"sim"}"#).await;
    match answer.status.as_u16() {
        201 => true,
        422 => false,
        other => panic!("{other}: {}", String::from_utf8_lossy(&answer.body)),
    }
}

#[tokio::test]
async fn what_comes_back_must_belong_to_this_browser() {
    let Some(issuer) = issuer() else { return };
    let world = world(&issuer).await;
    let mut browser = Browser::default();
    let back = browser.sign_in(&world, "bob").await;
    let mut stranger = Browser::default();
    assert_eq!(stranger.visit(Method::GET, &back, "").await.status, 401, "no flow of its own");
    let begin = format!("http://{}{BEGIN}", world.address);
    stranger.visit(Method::GET, &begin, "").await;
    assert_eq!(stranger.visit(Method::GET, &back, "").await.status, 401, "another flow's state");
    let state = between(&back, "state=", "&").unwrap_or_else(|| back.split("state=").nth(1).unwrap().to_owned());
    let forged = back.replace(&state, "forged");
    assert_eq!(browser.visit(Method::GET, &forged, "").await.status, 401);
    assert_eq!(browser.visit(Method::GET, &back, "").await.status, 303, "the right browser");
    assert_eq!(browser.visit(Method::GET, &back, "").await.status, 401, "once");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_said_to_be() {
    let world = world("http://127.0.0.1:9").await;
    world.send_bare(Method::GET, BEGIN, &[], "").await.problem(503, "unavailable");
    world.send_bare(Method::GET, "/api/v1/signin/providers/other", &[], "").await.problem(404, "not-found");
}
