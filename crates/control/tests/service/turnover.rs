//! What others may know of a way to be somebody ends with a new password, another role, and a suspension.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    access_key::{Key, Sent, send_plain},
    browser::{try_password, use_link},
    harness::World,
};

const PASSWORD: &str = "correct horse battery";

/// A user with a password, and a token of the administrator's to act with.
async fn world() -> World {
    let world = World::new().await;
    world.post("/api/v1/users", json!({"name": "ada"})).await.expect(201);
    let invitation = link(&world, "invitation").await;
    use_link(&world, &invitation, PASSWORD).await.expect(200);
    world
}

async fn link(world: &World, kind: &str) -> String {
    let made = world.post("/api/v1/links", json!({"user": "ada", "kind": kind})).await.expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

/// The cookies of a browser in which ada has just signed in with this password, and what it repeats.
async fn sign_in(world: &World, password: &str) -> Option<(String, String)> {
    let answer = try_password(world, "ada", password, &[]).await;
    if answer.status != 200 {
        return None;
    }
    let set = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let cookies: Vec<_> = set.map(|line| line.split(';').next().unwrap()).collect();
    Some((cookies.join("; "), answer.json()["csrf"].as_str().unwrap().to_owned()))
}

async fn me(world: &World, cookies: &str) -> u16 {
    world.send_bare(Method::GET, "/api/v1/me", &[("cookie", cookies)], "").await.status.as_u16()
}

/// Somebody signed in by a cookie asks for something with a body.
async fn ask(world: &World, browser: &(String, String), method: Method, path: &str, body: Value) -> (u16, Value) {
    let (cookies, csrf) = browser;
    let headers = [("cookie", cookies.as_str()), ("x-csrf-token", csrf.as_str()), ("content-type", "application/json")];
    let answer = world.send_bare(method, path, &headers, body.to_string()).await;
    let view = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status.as_u16(), view)
}

fn key(view: &Value) -> Key {
    let text = |name: &str| view[name].as_str().unwrap_or_else(|| panic!("{view}")).to_owned();
    Key { access: text("access_key"), secret: text("secret_key") }
}

async fn signs(world: &World, key: &Key) -> bool {
    send_plain(world, key, "v5.20191215", &Sent::get("/api/v1/me")).await.status == 200
}

/// Everything that lets somebody be ada.
struct Ways {
    link: String,
    theirs: Key,
    own: Key,
    browser: (String, String),
}

impl Ways {
    async fn new(world: &World) -> Self {
        let browser = sign_in(world, PASSWORD).await.unwrap();
        let theirs = world.post("/api/v1/access-keys", json!({"name": "theirs", "user": "ada"})).await.expect(201);
        let (status, own) = ask(world, &browser, Method::POST, "/api/v1/access-keys", json!({"name": "own"})).await;
        assert_eq!(status, 201, "{own}");
        assert_ne!(theirs["made_by"], own["made_by"]);
        let ways = Self { link: link(world, "reset").await, theirs: key(&theirs), own: key(&own), browser };
        assert!(signs(world, &ways.theirs).await && signs(world, &ways.own).await);
        assert_eq!(me(world, &ways.browser.0).await, 200);
        ways
    }

    /// Only what ada alone knows is left.
    async fn are_turned_over(&self, world: &World) {
        use_link(world, &self.link, "yet another password").await.problem(404, "not-found");
        assert!(!signs(world, &self.theirs).await, "a key that somebody else made");
        assert!(signs(world, &self.own).await, "ada's own key");
        assert_eq!(me(world, &self.browser.0).await, 401, "a browser from before");
    }
}

#[tokio::test]
async fn a_new_password_ends_links_browsers_and_keys_that_others_made() {
    let world = world().await;
    let ways = Ways::new(&world).await;
    let change = json!({"current": PASSWORD, "password": "the next password"});
    assert_eq!(ask(&world, &ways.browser, Method::PUT, "/api/v1/password", change).await.0, 204);
    ways.are_turned_over(&world).await;
    let browser = sign_in(&world, "the next password").await.unwrap();
    let resume = format!("/api/v1/access-keys/{}/resume", ways.theirs.access);
    assert_eq!(ask(&world, &browser, Method::POST, &resume, json!({})).await.0, 200);
    assert!(signs(&world, &ways.theirs).await, "the user may have it taken again");
}

/// A token that ada makes for herself, in her browser.
async fn token(world: &World, ways: &Ways) -> String {
    let asked = json!({"name": "mine", "scopes": ["read"]});
    let (status, made) = ask(world, &ways.browser, Method::POST, "/api/v1/tokens", asked).await;
    assert_eq!(status, 201, "{made}");
    made["secret"].as_str().unwrap().to_owned()
}

async fn is_good(world: &World, token: &str) -> bool {
    world.send_as(token, Method::GET, "/api/v1/me", Value::Null).await.status == 200
}

#[tokio::test]
async fn whoever_fears_a_thief_ends_tokens_and_keys_as_well() {
    let world = world().await;
    let ways = Ways::new(&world).await;
    let mine = token(&world, &ways).await;
    // A reset alone leaves what ada made.
    use_link(&world, &ways.link, PASSWORD).await.expect(200);
    assert!(signs(&world, &ways.own).await && is_good(&world, &mine).await);
    // With a link that an administrator makes all of it ends before the link is used.
    let asked = json!({"user": "ada", "kind": "reset", "revoke_all": true});
    let browser = sign_in(&world, PASSWORD).await.unwrap();
    let made = world.post("/api/v1/links", asked).await.expect(201);
    assert!(!signs(&world, &ways.own).await && !is_good(&world, &mine).await);
    assert_eq!(me(&world, &browser.0).await, 401);
    world.get("/api/v1/me").await.expect(200);
    use_link(&world, made["secret"].as_str().unwrap(), PASSWORD).await.expect(200);
    // What ada makes from then on is ended by a change of her own.
    let ways = Ways::new(&world).await;
    let mine = token(&world, &ways).await;
    let change = json!({"current": PASSWORD, "password": "the next password", "revoke_all": true});
    assert_eq!(ask(&world, &ways.browser, Method::PUT, "/api/v1/password", change).await.0, 204);
    assert!(!signs(&world, &ways.own).await && !is_good(&world, &mine).await);
    // Or by the link.
    let secret = link(&world, "reset").await;
    let browser = sign_in(&world, "the next password").await.unwrap();
    let resume = format!("/api/v1/access-keys/{}/resume", ways.own.access);
    assert_eq!(ask(&world, &browser, Method::POST, &resume, json!({})).await.0, 200);
    assert!(signs(&world, &ways.own).await);
    let body = json!({"secret": secret, "password": PASSWORD, "revoke_all": true}).to_string();
    let headers = [("content-type", "application/json")];
    world.send_bare(Method::POST, "/api/v1/links/use", &headers, body).await.expect(200);
    assert!(!signs(&world, &ways.own).await);
}

#[tokio::test]
async fn the_token_in_a_servers_own_file_is_nobodys_to_revoke_from_afar() {
    let world = world().await;
    let made = world.token_with(&["read"]).await;
    let asked = json!({"user": "administrator", "kind": "reset", "revoke_all": true});
    world.post("/api/v1/links", asked).await.expect(201);
    assert!(!is_good(&world, made["secret"].as_str().unwrap()).await);
    world.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn another_role_and_a_suspension_do_so_too() {
    let world = world().await;
    let ways = Ways::new(&world).await;
    world.patch("/api/v1/users/ada", json!({"role": "organization-administrator"})).await.expect(200);
    ways.are_turned_over(&world).await;
    let ways = Ways::new(&world).await;
    world.patch("/api/v1/users/ada", json!({"suspended": true})).await.expect(200);
    assert!(!signs(&world, &ways.own).await);
    world.patch("/api/v1/users/ada", json!({"suspended": false})).await.expect(200);
    ways.are_turned_over(&world).await;
    let ways = Ways::new(&world).await;
    world.patch("/api/v1/users/ada", json!({"email": "ada@example.org"})).await.expect(200);
    assert!(signs(&world, &ways.theirs).await, "what changes nothing of that ends nothing");
    assert_eq!(me(&world, &ways.browser.0).await, 200);
}

#[tokio::test]
async fn whoever_signs_in_while_the_password_is_reset_has_not_signed_in_with_the_old_one() {
    let world = world().await;
    let reset = link(&world, "reset").await;
    let tries = futures_util::future::join_all((0..4).map(|_| sign_in(&world, PASSWORD)));
    let (browsers, used) = tokio::join!(tries, use_link(&world, &reset, "the next password"));
    used.expect(200);
    for (cookies, _) in browsers.into_iter().flatten() {
        assert_eq!(me(&world, &cookies).await, 401, "the old password still counts");
    }
    assert!(sign_in(&world, "the next password").await.is_some());
}
