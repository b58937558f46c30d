//! Browsers: passwords, cookies, one-time links, and how often anybody may ask.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use axum::http::Method;
use madang_control::RateLimits;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest};

use crate::{
    harness::{Answer, World},
    sockets::{Socket, next},
};

const SIGNIN: &str = "/api/v1/signin";
const PASSWORD: &str = "correct horse battery";

/// A browser that holds its cookies.
struct Browser<'a> {
    world: &'a World,
    cookies: String,
    csrf: String,
}

impl Browser<'_> {
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let all = [headers, &[("cookie", self.cookies.as_str()), ("content-type", "application/json")]].concat();
        self.world.send_bare(method, path, &all, body.to_string()).await
    }
}

/// The administrator has a password from here on.
async fn with_password(world: &World) {
    assert_eq!(world.get("/api/v1/me").await.expect(200)["has_password"], false);
    let link = world.post("/api/v1/links", json!({"user": "administrator", "kind": "invitation"})).await.expect(201);
    let used = use_link(world, link["secret"].as_str().unwrap(), PASSWORD).await.expect(200);
    assert_eq!(used["name"], "administrator", "whoever sets a password is told with which name to sign in");
    assert_eq!(world.get("/api/v1/me").await.expect(200)["has_password"], true);
}

pub async fn use_link(world: &World, secret: &str, password: &str) -> Answer {
    let headers = [("content-type", "application/json")];
    let body = json!({"secret": secret, "password": password}).to_string();
    world.send_bare(Method::POST, "/api/v1/links/use", &headers, body).await
}

pub async fn try_password(world: &World, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    world.send_bare(Method::POST, SIGNIN, &headers, json!({"name": name, "password": password}).to_string()).await
}

async fn sign_in(world: &World) -> Browser<'_> {
    let answer = try_password(world, "administrator", PASSWORD, &[]).await;
    let csrf = answer.expect(200)["csrf"].as_str().unwrap().to_owned();
    let set = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let pairs: Vec<_> = set.map(|line| line.split(';').next().unwrap()).collect();
    Browser { world, cookies: pairs.join("; "), csrf }
}

#[tokio::test]
async fn a_browser_signs_in_works_and_signs_out() {
    let world = World::new().await;
    with_password(&world).await;
    let answer = try_password(&world, "administrator", PASSWORD, &[]).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("madang_signin=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "plain HTTP: {cookie}");
    let browser = sign_in(&world).await;
    let who = browser.send(Method::GET, SIGNIN, &[], Value::Null).await.expect(200);
    assert_eq!((who["name"].as_str(), who["csrf"].as_str()), (Some("administrator"), Some(browser.csrf.as_str())));
    let session = json!({"language": "sim"});
    browser.send(Method::POST, "/api/v1/sessions", &[], session.clone()).await.problem(403, "forbidden");
    let wrong = [("x-csrf-token", "wrong")];
    browser.send(Method::POST, "/api/v1/sessions", &wrong, session.clone()).await.problem(403, "forbidden");
    let csrf = ("x-csrf-token", browser.csrf.as_str());
    let elsewhere = [csrf, ("origin", "https://evil.example")];
    browser.send(Method::POST, "/api/v1/sessions", &elsewhere, session.clone()).await.problem(403, "forbidden");
    let here = [csrf, ("origin", "http://test"), ("sec-fetch-site", "same-origin")];
    browser.send(Method::POST, "/api/v1/sessions", &here, session).await.expect(201);
    let signins = browser.send(Method::GET, "/api/v1/signins", &[], Value::Null).await.expect(200);
    assert_eq!(
        signins["items"].as_array().unwrap().iter().filter(|one| one["current"] == true).count(),
        1,
        "{signins}"
    );
    browser.send(Method::DELETE, SIGNIN, &[csrf], Value::Null).await.expect(204);
    browser.send(Method::GET, SIGNIN, &[], Value::Null).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_websocket_must_come_from_this_host() {
    let world = World::new().await;
    with_password(&world).await;
    let browser = sign_in(&world).await;
    let session = world.session().await;
    let path = format!("/api/v1/sessions/{session}/terminal");
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let from = |origin| [&upgrade[..], &[("origin", origin)]].concat();
    browser.send(Method::GET, &path, &from("http://evil.example"), Value::Null).await.problem(403, "forbidden");
    browser.send(Method::GET, &path, &upgrade, Value::Null).await.problem(403, "forbidden");
}

/// Guesses until whoever does has to wait for so many seconds; how often that was judged.
async fn guess(world: &World, name: &str, thief: &[(&str, &str)], wait_s: u64) -> usize {
    let mut judged = 0;
    loop {
        let wrong = try_password(world, name, "wrong", thief).await;
        if wrong.status == 429 {
            let wait: u64 = wrong.headers["retry-after"].to_str().unwrap().parse().unwrap();
            if wait >= wait_s {
                return judged;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        }
        assert_eq!(wrong.problem(401, "unauthenticated")["detail"], "the name or the password is wrong");
        judged += 1;
    }
}

#[tokio::test]
async fn guessing_locks_out_the_guesser_alone() {
    let world = World::with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    with_password(&world).await;
    let browser = sign_in(&world).await;
    let thief = [("x-forwarded-for", "203.0.113.7")];
    for name in ["administrator", "nobody-of-that-name"] {
        let judged = guess(&world, name, &thief, 1).await;
        assert!(judged >= 5, "the first cost nothing: {judged}");
        let mut locked = try_password(&world, name, PASSWORD, &thief).await;
        // A second may be over before the next question is there, and what is right counts then: longer waits come to whoever goes on.
        for wait_s in [4, 16] {
            if locked.status != 429 {
                guess(&world, name, &thief, wait_s).await;
                locked = try_password(&world, name, PASSWORD, &thief).await;
            }
        }
        // Also with the right password, and also where nobody has that name.
        assert_eq!(locked.problem(429, "too-many")["limit"], "signin.attempts");
        assert!(locked.headers.contains_key("retry-after"));
    }
    let elsewhere = [("x-forwarded-for", "198.51.100.1")];
    try_password(&world, "administrator", PASSWORD, &elsewhere).await.expect(200);
    let known = [thief[0], ("cookie", browser.cookies.as_str())];
    try_password(&world, "administrator", PASSWORD, &known).await.expect(200);
}

#[tokio::test]
async fn a_link_is_good_once_and_replaces_the_earlier() {
    let world = World::new().await;
    with_password(&world).await;
    let browser = sign_in(&world).await;
    let ask = || world.post("/api/v1/links", json!({"user": "administrator", "kind": "reset"}));
    let (first, second) = (ask().await.expect(201), ask().await.expect(201));
    assert!(second["url"].as_str().unwrap().contains("/signin/link#"), "{second}");
    let (first, second) = (first["secret"].as_str().unwrap(), second["secret"].as_str().unwrap());
    use_link(&world, first, "another password").await.problem(404, "not-found");
    use_link(&world, second, "short").await.problem(422, "invalid");
    let uses = (0..4).map(|_| use_link(&world, second, "another password"));
    let answers = futures_util::future::join_all(uses).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404]);
    try_password(&world, "administrator", PASSWORD, &[]).await.problem(401, "unauthenticated");
    try_password(&world, "administrator", "another password", &[]).await.expect(200);
    browser.send(Method::GET, SIGNIN, &[], Value::Null).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_link_made_over_the_socket_leads_to_the_server() {
    let world = World::new().await;
    let link = world.post_unix("/api/v1/links", json!({"user": "administrator", "kind": "reset"})).await.expect(201);
    let url = link["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{}/signin/link#", world.address)), "{url}");
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let world = World::new().await;
    with_password(&world).await;
    let change = |current: &str, password: &str| {
        let body = json!({"current": current, "password": password}).to_string();
        world.send(Method::PUT, "/api/v1/password", &[("content-type", "application/json")], body)
    };
    change("wrong", "the next password").await.problem(401, "unauthenticated");
    change(PASSWORD, "Administrator").await.problem(422, "invalid");
    change(PASSWORD, "the next password").await.expect(204);
    try_password(&world, "administrator", "the next password", &[]).await.expect(200);
}

#[tokio::test]
async fn over_tls_cookies_are_guarded() {
    let world = World::with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    with_password(&world).await;
    let answer = try_password(&world, "administrator", PASSWORD, &[("x-forwarded-proto", "https")]).await;
    answer.expect(200);
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-madang_") && cookie.ends_with("; Secure"), "{cookie}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    // One more is allowed only a minute later.
    let few = NonZeroU32::new(1).unwrap();
    let rates = RateLimits { administrator_per_minute: few, address_per_minute: few, ..RateLimits::default() };
    let world = World::with(|config| config.rates = rates).await;
    let answer = world.get("/api/v1/sessions").await;
    answer.expect(200);
    assert_eq!(answer.headers["ratelimit-remaining"], "0");
    assert_eq!(
        (&answer.headers["ratelimit-limit"], &answer.headers["ratelimit-policy"]),
        (&"1".parse().unwrap(), &"1;w=60".parse().unwrap())
    );
    let refused = world.get("/api/v1/sessions").await;
    assert_eq!(refused.problem(429, "too-many")["limit"], "rate");
    assert_eq!(refused.headers["ratelimit-remaining"], "0");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let socket = world.socket();
    for _ in 0..5 {
        world.send_unix(&socket, Method::GET, "/api/v1/sessions", &[]).await.expect(200);
    }
    let guess = [("authorization", "Bearer guess")];
    world.send_bare(Method::GET, "/api/v1/sessions", &guess, "").await.problem(401, "unauthenticated");
    world.send_bare(Method::GET, "/api/v1/sessions", &guess, "").await.problem(429, "too-many");
    try_password(&world, "x", "y", &[]).await.problem(429, "too-many");
}

/// How many statements of a kind the deed is worth, those left out that tasks of the server make in such a time.
async fn statements_of(world: &World, kind: &str, deed: impl Future<Output = ()>) -> u64 {
    let (began, before) = (Instant::now(), statements(world, kind).await);
    deed.await;
    let (took, after) = (began.elapsed(), statements(world, kind).await);
    tokio::time::sleep(took).await;
    let idle = statements(world, kind).await - after;
    (after - before).saturating_sub(idle + idle / 2)
}

/// Statements of a kind so far, as the metrics count them.
async fn statements(world: &World, kind: &str) -> u64 {
    let text = String::from_utf8(world.get("/metrics").await.body.to_vec()).unwrap();
    let name = format!("madang_store_statement_seconds_count{{statement=\"{kind}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn strangers_and_those_who_ask_too_often_do_not_reach_the_database() {
    const MANY: u64 = 300;
    let rates = RateLimits { client_per_minute: NonZeroU32::new(5).unwrap(), ..RateLimits::default() };
    let quiet = |config: &mut madang_control::ControlConfig| {
        (config.reconcile_ms, config.refresh_ms, config.rates) = (60_000, 60_000, rates);
    };
    let world = World::with(quiet).await;
    with_password(&world).await;
    let browser = sign_in(&world).await;
    let forged = browser.cookies.replace("madang_signin=", "madang_signin=0");
    let guess = async {
        for _ in 0..MANY {
            let cookie = [("cookie", forged.as_str())];
            world.send_bare(Method::GET, SIGNIN, &cookie, "").await.problem(401, "unauthenticated");
        }
    };
    let asked = statements_of(&world, "select", guess).await;
    assert!(asked < MANY / 2, "{asked} statements for {MANY} made-up cookies");

    let member = json!({"name": "ada"});
    world.post("/api/v1/users", member).await.expect(201);
    let key = world.post("/api/v1/access-keys", json!({"name": "k", "user": "ada"})).await.expect(201);
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let key = crate::access_key::Key { access: text("access_key"), secret: text("secret_key") };
    let mut limited = 0;
    let ask = async {
        for number in 0..MANY {
            let nonce = format!("nonce-of-a-test-{number}");
            let sent = crate::access_key::Sent::get("/api/v1/me");
            let answer = crate::access_key::send_covered(&world, &key, &nonce, &sent, "").await;
            limited += u64::from(answer.status == 429);
        }
    };
    let asked = statements_of(&world, "insert", ask).await;
    assert!(limited > MANY / 2, "{limited} of {MANY} were turned away");
    assert!(asked < MANY / 2, "{asked} statements for {limited} requests that were turned away");
}

#[tokio::test]
async fn another_servers_key_is_noticed() {
    let world = World::new().await;
    world.stop.drain();
    let (home, node) = world.stopped().await;
    let key = home.path().join("server.key");
    if home.database().is_shared() {
        assert!(!key.exists(), "servers that share a database find the key there");
        return;
    }
    std::fs::write(&key, "00".repeat(32)).unwrap();
    let mut config = madang_control::ControlConfig::new(home.path());
    config.listen = None;
    let refused = madang_control::Server::build(config, Some(std::sync::Arc::new(node))).await.unwrap_err();
    assert!(refused.to_string().contains("the server's key"), "{refused}");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = World::new().await;
    for path in ["/signin", "/signin/link", "/signin/page.js"] {
        let page = world.send_bare(Method::GET, path, &[], "").await;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!String::from_utf8_lossy(&page.body).contains("://"), "{path} names no other place");
    }
}

#[tokio::test]
async fn what_a_browser_has_open_ends_when_it_is_signed_out() {
    let world = World::new().await;
    with_password(&world).await;
    let (browser, other) = (sign_in(&world).await, sign_in(&world).await);
    let run = world.post("/api/v1/run", json!({"language": "sim", "code": "hang"})).await.expect(201);
    let attach = format!("/api/v1/runs/{}/attach", run["id"].as_str().unwrap());
    let (mut mine, mut others) = (dial_by(&browser, &attach).await, dial_by(&other, &attach).await);
    for socket in [&mut mine, &mut others] {
        assert!(!next(socket).await.is_close());
    }
    browser.send(Method::DELETE, SIGNIN, &[("x-csrf-token", &browser.csrf)], Value::Null).await.expect(204);
    while !next(&mut mine).await.is_close() {}
    // The run goes on and says nothing: there is only the end to wait for, which does not come.
    let silent = tokio::time::timeout(Duration::from_millis(300), next(&mut others)).await;
    assert!(silent.is_err(), "another browser of the same user stays: {silent:?}");
    let passwords = json!({"current": PASSWORD, "password": "another long password"});
    world.put("/api/v1/password", passwords).await.expect(204);
    while !next(&mut others).await.is_close() {}
}

async fn dial_by(browser: &Browser<'_>, path: &str) -> Socket {
    let address = browser.world.address;
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("cookie", browser.cookies.parse().unwrap());
    headers.insert("origin", format!("http://{address}").parse().unwrap());
    client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap().0
}
