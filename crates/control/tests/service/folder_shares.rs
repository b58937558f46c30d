//! Who else may reach a folder: members, shares, invitations, tickets.

use axum::http::Method;
use madang_ids::UserId;
use madang_model::{FolderOwner, FolderPermission};
use madang_public_api::bounds;
use madang_store::{FolderShareRecord, Store};
use madang_ticket::{FolderMay, Right, Signer};
use serde_json::{Value, json};

use crate::{
    folders::{path, place},
    stage::{ROOT, Stage},
};

impl Stage {
    async fn invite(&self, folder: &Value, user: &str, more: Value) -> Value {
        let mut body = json!({"user": user, "permission": "read"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send("ada", Method::POST, &path(folder, "/invitations"), body).await.expect(201)
    }

    async fn may(&self, player: &str, folder: &Value) -> Value {
        self.send(player, Method::GET, &path(folder, ""), Value::Null).await.expect(200)["may"].clone()
    }

    async fn ticket(&self, player: &str, folder: &Value, may: &str) -> u16 {
        let answer = self.send(player, Method::POST, &path(folder, "/tickets"), json!({"may": may})).await;
        answer.status.as_u16()
    }
}

fn answer(invitation: &Value, verb: &str) -> String {
    format!("/api/v1/invitations/{}/{verb}", invitation["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_projects_folder_is_for_its_members_as_far_as_it_says_and_for_one_of_them_by_a_share() {
    let stage = Stage::new().await;
    stage
        .send("ada", Method::POST, "/api/v1/folders", json!({"name": "x", "project": "maths"}))
        .await
        .problem(403, "forbidden");
    stage
        .send("cleo", Method::POST, "/api/v1/folders", json!({"name": "x", "project": "maths"}))
        .await
        .problem(404, "not-found");
    let folder = stage.folder("mona", json!({"name": "set", "project": "maths", "permission": "read"})).await;
    assert_eq!(stage.may("mona", &folder).await, "delete");
    assert_eq!(stage.may("ada", &folder).await, "read");
    stage.send("cleo", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    assert_eq!(stage.may("orla", &folder).await, Value::Null, "who administers knows of it and reaches nothing in it");
    let share = json!({"user": "ada", "permission": "write"});
    stage.send("ben", Method::POST, &path(&folder, "/shares"), share.clone()).await.problem(403, "forbidden");
    stage.send("mona", Method::POST, &path(&folder, "/shares"), share).await.expect(201);
    assert_eq!(stage.may("ada", &folder).await, "write");
    assert_eq!(stage.may("ben", &folder).await, "read");
    for nobody in [json!({"user": "nobody", "permission": "read"}), json!({"project": "", "permission": "read"})] {
        stage.send("mona", Method::POST, &path(&folder, "/shares"), nobody).await.problem(422, "invalid");
    }
    let outside = json!({"user": "cleo", "permission": "read"});
    stage.send("mona", Method::POST, &path(&folder, "/shares"), outside).await.expect(201);
    assert_eq!(stage.may("cleo", &folder).await, "read");
    assert_eq!(stage.named("cleo", "").await, ["set"]);
    stage.send("mona", Method::DELETE, &path(&folder, "/shares/cleo"), Value::Null).await.expect(200);
    stage.send("cleo", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    assert_eq!(stage.named("cleo", "").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_users_folder_is_shared_by_an_invitation_that_is_accepted_and_can_be_left() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "own"})).await;
    let share = json!({"user": "ben", "permission": "read"});
    let refused = stage.send("ada", Method::POST, &path(&folder, "/shares"), share).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("invit"), "{refused}");
    let invitation = stage.invite(&folder, "ben", json!({})).await;
    assert_eq!((&invitation["state"], &invitation["folder_name"]), (&json!("pending"), &json!("own")));
    stage.send("ben", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    stage
        .send("ada", Method::POST, &path(&folder, "/invitations"), json!({"user": "ben", "permission": "read"}))
        .await
        .problem(409, "conflict");
    stage.send("cleo", Method::POST, &answer(&invitation, "accept"), json!({})).await.problem(404, "not-found");
    for player in ["ada", "ben"] {
        let list = stage.send(player, Method::GET, "/api/v1/invitations", Value::Null).await.expect(200);
        assert_eq!(list["items"][0]["id"], invitation["id"], "{player}: {list}");
    }
    let accepted = stage.send("ben", Method::POST, &answer(&invitation, "accept"), json!({})).await.expect(200);
    assert_eq!(accepted["state"], "accepted");
    stage.send("ben", Method::POST, &answer(&invitation, "decline"), json!({})).await.problem(409, "conflict");
    assert_eq!(stage.may("ben", &folder).await, "read");
    for (verb, method) in [("", Method::DELETE), ("", Method::PATCH), ("/shares", Method::POST)] {
        let body = if method == Method::POST { json!({"project": "maths", "permission": "read"}) } else { json!({}) };
        stage.send("ben", method, &path(&folder, verb), body).await.problem(403, "forbidden");
    }
    stage.send("ada", Method::POST, &path(&folder, "/leave"), json!({})).await.problem(409, "conflict");
    stage.send("ben", Method::POST, &path(&folder, "/leave"), json!({})).await.expect(200);
    stage.send("ben", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_invitation_that_is_declined_withdrawn_or_too_old_brings_nothing() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "own"})).await;
    let first = stage.invite(&folder, "ben", json!({})).await;
    assert_eq!(
        stage.send("ben", Method::POST, &answer(&first, "decline"), json!({})).await.expect(200)["state"],
        "declined"
    );
    let second = stage.invite(&folder, "ben", json!({})).await;
    let withdraw = path(&folder, &format!("/invitations/{}", second["id"].as_str().unwrap()));
    stage.send("ben", Method::DELETE, &withdraw, Value::Null).await.problem(404, "not-found");
    assert_eq!(stage.send("ada", Method::DELETE, &withdraw, Value::Null).await.expect(200)["state"], "withdrawn");
    stage.send("ben", Method::POST, &answer(&second, "accept"), json!({})).await.problem(409, "conflict");
    let third = stage.invite(&folder, "ben", json!({"expires_in_ms": 1_000})).await;
    let began = std::time::Instant::now();
    let expired = |list: &Value| list["items"][0]["state"] == "expired";
    while !expired(&stage.send("ben", Method::GET, "/api/v1/invitations", Value::Null).await.expect(200)) {
        assert!(began.elapsed() < crate::harness::PATIENCE, "it never expires");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let refused = stage.send("ben", Method::POST, &answer(&third, "accept"), json!({})).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("expired"), "{refused}");
    stage.send("ben", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    stage.invite(&folder, "ben", json!({})).await;
}

#[tokio::test]
async fn what_a_former_owner_has_promised_ends_with_the_owner() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "own"})).await;
    let invitation = stage.invite(&folder, "ben", json!({})).await;
    let share = json!({"project": "maths", "permission": "read"});
    stage.send("ada", Method::POST, &path(&folder, "/shares"), share).await.expect(201);
    assert_eq!(stage.may("ben", &folder).await, "read");
    stage.send("orla", Method::POST, &path(&folder, "/owner"), json!({"user": "cleo"})).await.expect(200);
    stage.send("ben", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    stage.send("ben", Method::POST, &answer(&invitation, "accept"), json!({})).await.problem(409, "conflict");
    let list = stage.send("ben", Method::GET, "/api/v1/invitations", Value::Null).await.expect(200);
    assert_eq!(list["items"][0]["state"], "withdrawn", "{list}");
    stage.send("ben", Method::GET, &path(&folder, ""), Value::Null).await.problem(404, "not-found");
    let shares = stage.send("cleo", Method::GET, &path(&folder, "/shares"), Value::Null).await.expect(200);
    assert_eq!(shares["items"].as_array().or(shares.as_array()).unwrap().len(), 0, "{shares}");
}

#[tokio::test]
async fn an_invitation_is_worth_what_its_sender_may_and_what_the_folder_has_room_for() {
    let stage = Stage::new().await;
    let folder = stage.folder("ada", json!({"name": "own"})).await;
    let invitation = stage.invite(&folder, "ben", json!({})).await;
    stage.send("orla", Method::PATCH, "/api/v1/users/ada", json!({"suspended": true})).await.expect(200);
    let refused = stage.send("ben", Method::POST, &answer(&invitation, "accept"), json!({})).await;
    let refused = refused.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("no more"), "{refused}");
    stage.send("orla", Method::PATCH, "/api/v1/users/ada", json!({"suspended": false})).await.expect(200);

    let config = stage.world.home.database();
    let store = Store::open(&config).await.unwrap();
    let place = place(&folder);
    let seen = store.folder_get(place.folder).await.unwrap().unwrap();
    let share = |_| FolderShareRecord {
        folder: place.folder,
        grantee: FolderOwner::User(UserId::new()),
        permission: FolderPermission::Read,
        created_by: UserId::new(),
        created_ms: 1,
    };
    for share in (0..bounds::FOLDER_SHARES_MAX).map(share) {
        store.folder_share_set(&seen, &share, bounds::FOLDER_SHARES_MAX).await.unwrap();
    }
    let accept = answer(&invitation, "accept");
    let full = stage.send("ben", Method::POST, &accept, json!({})).await.problem(422, "limit");
    assert_eq!(full["limit"], "FOLDER_SHARES_MAX", "{full}");
    let last = store.folder_share_list(&[place.folder]).await.unwrap().pop().unwrap();
    store.folder_share_remove(place.folder, last.grantee).await.unwrap();
    stage.send("ben", Method::POST, &accept, json!({})).await.expect(200);
    assert_eq!(stage.may("ben", &folder).await, "read");
}

#[tokio::test]
async fn a_ticket_says_no_more_than_its_asker_may_and_is_signed_by_the_servers_key() {
    let stage = Stage::new().await;
    let folder = stage.folder("mona", json!({"name": "set", "project": "maths", "permission": "read"})).await;
    assert_eq!(stage.ticket("ada", &folder, "read").await, 201);
    assert_eq!(stage.ticket("ada", &folder, "write").await, 403);
    assert_eq!(stage.ticket("mona", &folder, "delete").await, 201);
    assert_eq!(stage.ticket("orla", &folder, "read").await, 403, "who administers reaches nothing in it");
    assert_eq!(stage.ticket("cleo", &folder, "read").await, 404);
    assert_eq!(stage.ticket(ROOT, &folder, "read").await, 201);
    let body = json!({"may": "write", "path": "a/b", "ttl_ms": 5_000});
    let made = stage.send("mona", Method::POST, &path(&folder, "/tickets"), body).await.expect(201);
    assert_eq!(made["url"], format!("/storage/v1/{}", folder["id"].as_str().unwrap()));
    let text = made["ticket"].as_str().unwrap();
    let stranger = Signer::from_seed(&[7; 32]).verifier();
    assert!(stranger.check(text, 0).is_err());
    let ticket = stage.world.tickets.check(text, 0).unwrap();
    let right = Right::Folder {
        folder: folder["id"].as_str().unwrap().parse().unwrap(),
        path: "a/b".into(),
        may: FolderMay::Write,
    };
    assert_eq!(ticket.right, right);
    for path_asked in ["../x", "/a", "a//b", "a/./b", "a/"] {
        let body = json!({"may": "read", "path": path_asked});
        stage.send("mona", Method::POST, &path(&folder, "/tickets"), body).await.problem(422, "invalid");
    }
    stage.send("mona", Method::DELETE, &path(&folder, ""), Value::Null).await.expect(200);
    assert_eq!(stage.ticket("mona", &folder, "read").await, 409, "nothing is reached in the trash");
}
