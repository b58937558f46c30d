//! Connections and bodies that stand still, bodies of strangers, and refusals of what is still on its way.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{PATIENCE, World};

async fn dial(world: &World, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("it stays open").unwrap();
    text
}

async fn hasty(head_wait_ms: u64, body_wait_ms: u64) -> World {
    World::with(|config| (config.head_wait_ms, config.body_wait_ms) = (head_wait_ms, body_wait_ms)).await
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_never_ends_its_head_is_closed() {
    let world = hasty(5_000, 6_000).await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        assert_eq!(rest(dial(&world, sent).await).await, "");
    }
    let (began, mut kept) = (Instant::now(), String::new());
    // Whoever stood still before it said anything is closed as well.
    while kept.is_empty() && began.elapsed() < PATIENCE {
        kept = rest(dial(&world, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
    }
    assert!(kept.starts_with("HTTP/1.1 200"), "one that was answered and says no more, too: {kept}");
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let world = hasty(120_000, 6_000).await;
    let token = format!("authorization: Bearer {}\r\n", world.token);
    for (path, signed_in) in [("/api/v1/signin", ""), ("/api/v1/run", &token)] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{signed_in}content-type: application/json\r\n");
        let answer = rest(dial(&world, &format!("{head}content-length: 99\r\n\r\n{{")).await).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("not in time"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_strangers_body_ends_in_time_and_a_users_upload_takes_as_long_as_it_comes() {
    let world = hasty(120_000, 20_000).await;
    let head =
        "POST /api/v1/signin HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n";
    let (mut reading, mut writing) = dial(&world, head).await.into_split();
    let drip = tokio::spawn(async move {
        // Never still for long; ends when the server has closed.
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = String::new();
    // However it ends: what came before counts.
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_string(&mut answer)).await.expect("a drip keeps it open");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    drop(reading);
    drip.abort();

    let path = format!("/api/v1/sessions/{}/files/slow", world.session().await);
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-length: 50\r\n\r\n",
        world.token
    );
    let mut stream = dial(&world, &head).await;
    // In all longer than a stranger's may take.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"size_bytes\":50"), "{answer}");
}

#[tokio::test]
async fn a_strangers_body_is_small() {
    let world = World::new().await;
    let body = json!({"name": "x".repeat(70_000), "password": "y"}).to_string();
    let kind = [("content-type", "application/json")];
    let refused = world.send_bare(Method::POST, "/api/v1/signin", &kind, body.clone()).await.problem(413, "too-large");
    assert_eq!(refused["limit"], "STRANGER_BODY_BYTES_MAX");
    world.send(Method::POST, "/api/v1/run", &kind, body).await.problem(422, "invalid");
}

#[tokio::test]
async fn whoever_is_refused_while_sending_can_read_why() {
    let world = World::with(|config| config.linger_ms = 60_000).await;
    let size = 8 << 20;
    let head = format!(
        "PUT /api/v1/sessions/none/files/big HTTP/1.1\r\nhost: a\r\nauthorization: Bearer wrong\r\ncontent-length: {size}\r\n\r\n"
    );
    for _ in 0..5 {
        let mut stream = dial(&world, &head).await;
        // A plain client: it sends all before it reads.
        stream.write_all(&vec![7; size]).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
}
