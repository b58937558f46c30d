//! Connections are kept, replaced when the server has closed them, and never carry a request twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use madang_client::{Client, ClientError, Endpoint, Place};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};

/// What the server does once it has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}

/// What it has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    closed: Notify,
}

async fn serve(answer: &'static str, after: After) -> (Client, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(connection(stream, answer, after, Arc::clone(&counted)));
        }
    });
    let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    (Client::new(Place { endpoint, token: Some("secret".to_owned()), key: None }), seen)
}

async fn connection(mut stream: TcpStream, answer: &str, after: After, seen: Arc<Seen>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap().to_ascii_lowercase();
        assert!(text.contains("authorization: bearer secret\r\n"), "{text}");
        seen.requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(answer.as_bytes()).await.unwrap();
        if after == After::Close {
            drop(stream);
            seen.closed.notify_one();
            return;
        }
    }
}

const HEALTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"status\":\"ok\",\"notes\":[]}\n";

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let (client, seen) = serve(HEALTH, After::Keep).await;
    for _ in 0..20 {
        assert_eq!(client.ready().await.unwrap().status, "ok");
    }
    assert_eq!(seen.requests.load(Ordering::SeqCst), 20);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

/// More than sockets hold, so that it is still on its way when the answer comes.
const UPLOAD_BYTES: u64 = 64 << 20;

#[tokio::test]
async fn the_answer_is_read_although_the_server_takes_no_more_of_an_upload() {
    let refusal = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
    let (client, seen) = serve(refusal, After::Close).await;
    for time in 0..20 {
        let file = tokio::io::repeat(7).take(UPLOAD_BYTES);
        let refused = client.file_write("ses", "big", file).await.unwrap_err();
        assert!(matches!(&refused, ClientError::Refused(problem) if problem.status == 413), "{time}: {refused:?}");
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 20, "such a connection carries nothing more");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let (client, seen) = serve(HEALTH, After::Close).await;
    for count in 1..=5 {
        client.ready().await.unwrap();
        seen.closed.notified().await;
        assert_eq!(seen.requests.load(Ordering::SeqCst), count, "each request arrives once");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_and_not_asked_for_again() {
    let (client, seen) = serve("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", After::Close).await;
    let error = client.ready().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    // Nobody else gets the port meanwhile, and nobody listens.
    let kept = TcpSocket::new_v4().unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = kept.local_addr().unwrap().port();
    let endpoint: Endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    let error = Client::new(Place { endpoint, token: None, key: None }).version().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}
