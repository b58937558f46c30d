//! Language servers of sessions: bytes both ways, no run, a bound on how many, and the end of whoever holds them.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    harness::World,
    sockets::{Socket, dial_as, next},
};

/// As many as `bounds::LANGUAGE_SERVICES_MAX` says.
const PLACES: usize = 8;

fn path(session: &str, language: &str) -> String {
    format!("/api/v1/sessions/{session}/language-services/{language}")
}

/// The next thing that is no question whether we are there.
async fn said(socket: &mut Socket) -> Message {
    loop {
        match next(socket).await {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

#[tokio::test]
async fn a_language_server_hears_and_says_bytes_and_is_no_run() {
    let world = World::new().await;
    let languages = world.get("/api/v1/languages").await.expect(200);
    let sim = languages["items"].as_array().unwrap().iter().find(|language| language["id"] == "sim").unwrap();
    assert_eq!(sim["service"], json!({"name": "simls", "available": true}));
    let session = world.session().await;
    let mut socket = dial_as(&world, &world.token, &path(&session, "sim")).await;
    // More than any message of it may be long, and no text.
    let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut sink, mut stream) = socket.split();
    let says = async {
        for piece in sent.chunks(900_000) {
            sink.send(Message::binary(piece.to_vec())).await.unwrap();
        }
    };
    let hears = async {
        let mut heard = Vec::new();
        while heard.len() < sent.len() {
            if let Message::Binary(bytes) = stream.next().await.unwrap().unwrap() {
                heard.extend_from_slice(&bytes);
            }
        }
        heard
    };
    let ((), heard) = tokio::join!(says, hears);
    assert!(heard == sent);
    socket = sink.reunite(stream).unwrap();
    let runs = world.get(&format!("/api/v1/sessions/{session}/runs")).await.expect(200);
    assert_eq!(runs["items"], json!([]));
    socket.send(Message::text("{}")).await.unwrap();
    assert!(said(&mut socket).await.is_close());
}

#[tokio::test]
async fn what_has_no_language_server_says_so() {
    let world = World::new().await;
    let session = world.session().await;
    world.get(&path(&session, "sim")).await.problem(426, "upgrade-required");
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "eDp5eDp5eDp5eDp5eDp5eA=="),
    ];
    for language in ["absent", "none-such"] {
        let answer = world.send(axum::http::Method::GET, &path(&session, language), &upgrade, "").await;
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_session_has_so_many_language_servers_and_gets_places_back() {
    let world = World::new().await;
    let session = world.session().await;
    let mut held = Vec::new();
    for _ in 0..PLACES {
        held.push(dial_as(&world, &world.token, &path(&session, "sim")).await);
    }
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "eDp5eDp5eDp5eDp5eDp5eA=="),
    ];
    let problem: Value =
        world.send(axum::http::Method::GET, &path(&session, "sim"), &upgrade, "").await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("8 language servers"), "{problem}");
    let mut first = held.remove(0);
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    // Its place is free before its connection has ended on our side.
    dial_as(&world, &world.token, &path(&session, "sim")).await;
}

#[tokio::test]
async fn a_language_server_ends_with_its_session_and_says_so() {
    let world = World::new().await;
    let session = world.session().await;
    let mut socket = dial_as(&world, &world.token, &path(&session, "sim")).await;
    socket.send(Message::binary(&b"x"[..])).await.unwrap();
    assert_eq!(said(&mut socket).await, Message::binary(&b"x"[..]));
    world.delete(&format!("/api/v1/sessions/{session}")).await.expect(200);
    // What it says of its own end may come first.
    let reason = loop {
        if let Message::Close(Some(frame)) = said(&mut socket).await {
            break frame.reason;
        }
    };
    assert_eq!(reason.as_str(), "the session has ended");
}
