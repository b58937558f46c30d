//! Organizations, projects, users, memberships and tokens, through the front door.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, World};

const JSON: (&str, &str) = ("content-type", "application/json");

impl World {
    /// As the owner of another token.
    pub async fn send_as(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [JSON, ("authorization", bearer.as_str())];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send_bare(method, path, &headers, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, &[JSON], body.to_string()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[JSON], body.to_string()).await
    }

    /// A token of the administrator's with these scopes.
    pub async fn token_with(&self, scopes: &[&str]) -> Value {
        let request = json!({"name": "t", "scopes": scopes, "expires_in_ms": 3_600_000});
        self.post("/api/v1/tokens", request).await.expect(201)
    }
}

#[tokio::test]
async fn organizations_projects_and_users_are_made_changed_and_archived() {
    let world = World::new().await;
    let school = world.post("/api/v1/organizations", json!({"name": "school"})).await.expect(201);
    world.post("/api/v1/organizations", json!({"name": "school"})).await.problem(409, "conflict");
    let maths = json!({"name": "maths", "organization": "school"});
    let maths = world.post("/api/v1/projects", maths).await.expect(201);
    assert_eq!(maths["organization"], school["id"]);
    let ada = json!({"name": "ada", "organization": "school", "project": "maths", "email": "ada@school.example"});
    let ada = world.post("/api/v1/users", ada).await.expect(201);
    assert_eq!((&ada["role"], &ada["project"]), (&json!("member"), &maths["id"]));
    let project = format!("/api/v1/projects/{}", maths["id"].as_str().unwrap());
    let members = world.get(&format!("{project}/members")).await.expect(200);
    assert_eq!(members["items"][0]["name"], "ada");
    let manager = world.put(&format!("{project}/members/ada"), json!({"role": "project-manager"})).await.expect(200);
    assert_eq!(manager["role"], "project-manager");
    world.put(&format!("{project}/members/administrator"), json!({})).await.problem(404, "not-found");
    world.delete(&format!("{project}/members/ada")).await.expect(200);
    let renamed = world.patch("/api/v1/users/ada", json!({"name": "ada.l", "email": ""})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["email"]), (&json!("ada.l"), &Value::Null));
    assert!(world.delete("/api/v1/users/ada.l").await.expect(200)["archived_at"].is_string());
    assert!(world.delete(&project).await.expect(200)["archived_at"].is_string());
    assert!(world.delete("/api/v1/organizations/school").await.expect(200)["archived_at"].is_string());
    world.delete("/api/v1/organizations/default").await.problem(409, "conflict");
    world.delete("/api/v1/users/administrator").await.problem(409, "conflict");
    world.patch("/api/v1/users/administrator", json!({"suspended": true})).await.problem(409, "conflict");
}

#[tokio::test]
async fn fields_that_make_no_sense_are_refused_by_name() {
    let world = World::new().await;
    for (path, body, field) in [
        ("/api/v1/organizations", json!({"name": "a b"}), "name"),
        ("/api/v1/users", json!({"name": "u", "role": "king"}), "role"),
        ("/api/v1/users", json!({"name": "u", "email": "nowhere"}), "email"),
        ("/api/v1/users", json!({"name": "u", "project": "none"}), "project"),
        ("/api/v1/users", json!({"nome": "u"}), "nome"),
        ("/api/v1/tokens", json!({"name": "t", "scopes": []}), "scopes"),
        ("/api/v1/tokens", json!({"name": "t", "expires_in_ms": 1}), "expires_in_ms"),
        ("/api/v1/tokens", json!({"name": "administrator"}), "name"),
        ("/api/v1/run", json!({"language": "sim", "code": "x", "project": "none"}), "project"),
    ] {
        assert_eq!(world.post(path, body.clone()).await.problem(422, "invalid")["field"], field, "{path} {body}");
    }
}

#[tokio::test]
async fn a_token_does_what_it_is_for_and_never_widens_itself() {
    let world = World::new().await;
    let narrow = world.token_with(&["read"]).await;
    let secret = narrow["secret"].as_str().unwrap();
    let me = world.send_as(secret, Method::GET, "/api/v1/me", Value::Null).await.expect(200);
    assert_eq!((&me["name"], &me["scopes"]), (&json!("administrator"), &json!(["read"])));
    for (path, body) in [
        ("/api/v1/run", json!({"language": "sim", "code": "print x"})),
        ("/api/v1/users", json!({"name": "eve"})),
        ("/api/v1/tokens", json!({"name": "wide", "scopes": ["read", "run", "manage", "secret"]})),
    ] {
        world.send_as(secret, Method::POST, path, body).await.problem(403, "forbidden");
    }
    let maker = world.token_with(&["read", "secret"]).await;
    let wide = json!({"name": "wide", "scopes": ["manage"]});
    let maker = maker["secret"].as_str().unwrap();
    let refused = world.send_as(maker, Method::POST, "/api/v1/tokens", wide).await.problem(422, "invalid");
    assert_eq!(refused["field"], "scopes");
    let listed = world.get("/api/v1/tokens").await.expect(200);
    assert!(!listed.to_string().contains(secret), "a secret is shown once");
    let path = format!("/api/v1/tokens/{}", narrow["id"].as_str().unwrap());
    world.delete(&path).await.expect(200);
    world.send_as(secret, Method::GET, "/api/v1/me", Value::Null).await.problem(401, "unauthenticated");
    world.delete(&path).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_token_ends_by_itself() {
    let world = World::new().await;
    let request = json!({"name": "t", "scopes": ["read"], "expires_in_ms": 1_000});
    let made = world.post("/api/v1/tokens", request).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    let began = std::time::Instant::now();
    while world.send_as(secret, Method::GET, "/api/v1/me", Value::Null).await.status == 200 {
        assert!(began.elapsed() < crate::harness::PATIENCE, "the token never ends");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
