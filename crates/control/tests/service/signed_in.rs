//! What is open ends with the right to it: streams, sockets, and the work of users who are suspended.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    harness::World,
    sockets::{Socket, dial_as, next},
    stage::Stage,
};

async fn closed(mut socket: Socket) {
    while !next(&mut socket).await.is_close() {}
}

#[tokio::test]
async fn what_a_suspended_user_has_ends_and_what_others_have_goes_on() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let begun = async |name: &str| {
        let asked = json!({"language": "sim", "project": "maths"});
        let session = stage.send(name, Method::POST, "/api/v1/sessions", asked).await.expect(201);
        let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
        let run = stage.send(name, Method::POST, &format!("{path}/runs"), json!({"code": "hang"})).await.expect(201);
        let attach = format!("/api/v1/runs/{}/attach", run["id"].as_str().unwrap());
        (path, dial_as(world, stage.token(name), &attach).await)
    };
    let (adas, ada) = begun("ada").await;
    let (bens, _ben) = begun("ben").await;
    let hangs = json!({"language": "sim", "code": "hang", "project": "maths"});
    let run = stage.send("ada", Method::POST, "/api/v1/run", hangs).await.expect(201);
    world.patch("/api/v1/users/ada", json!({"suspended": true})).await.expect(200);
    let ended = world.until(&adas, |view| view["state"] == "ended").await;
    assert!(ended["why"].as_str().unwrap().contains("suspended"), "{ended}");
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    assert_eq!(world.until(&run, |view| view["state"] == "finished").await["verdict"], "cancelled");
    closed(ada).await;
    assert_eq!(world.get(&bens).await.expect(200)["runs_live"], 1, "ben's run goes on");
}

#[tokio::test]
async fn a_socket_and_a_stream_end_with_the_token_that_opened_them() {
    let world = World::new().await;
    let session = format!("/api/v1/sessions/{}", world.session().await);
    let made = world.token_with(&["read", "run"]).await;
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let run = world.post(&format!("{session}/runs"), json!({"code": "hang"})).await.expect(201);
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let attached = dial_as(&world, secret, &format!("{run}/attach")).await;
    let events = format!("{run}/events");
    let mut theirs = world.stream_as(secret, &events).await;
    let mut ours = world.stream(Method::GET, &events, &[], "").await;
    world.delete(&format!("/api/v1/tokens/{id}")).await.expect(200);
    closed(attached).await;
    while let Some((_, event)) = theirs.event().await {
        assert_ne!(event["kind"], "finished");
    }
    assert_eq!(world.get(&session).await.expect(200)["runs_live"], json!(1), "the run itself goes on");
    world.delete(&session).await.expect(200);
    let mut last = Value::Null;
    while let Some((_, event)) = ours.event().await {
        last = event;
    }
    assert_eq!(last["kind"], "finished", "who may still listen hears the end");
}

#[tokio::test]
async fn a_stream_of_anothers_work_ends_with_the_role_that_showed_it() {
    let stage = Stage::new().await;
    let world = &stage.world;
    let asked = json!({"language": "sim", "code": "hang", "project": "maths"});
    let run = stage.send("ada", Method::POST, "/api/v1/run", asked).await.expect(201);
    let run = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
    let events = format!("{run}/events");
    let mut orlas = world.stream_as(stage.token("orla"), &events).await;
    let mut adas = world.stream_as(stage.token("ada"), &events).await;
    world.patch("/api/v1/users/orla", json!({"role": "member"})).await.expect(200);
    while let Some((_, event)) = orlas.event().await {
        assert_ne!(event["kind"], "finished");
    }
    world.delete(&run).await.expect(200);
    let mut last = Value::Null;
    while let Some((_, event)) = adas.event().await {
        last = event;
    }
    assert_eq!(last["kind"], "finished", "whose run it is hears the end of it");
}
