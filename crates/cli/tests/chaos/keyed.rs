//! Requests under an `Idempotency-Key`, sent again until they are answered.

use std::path::Path;

use madang_public_api::RunView;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

/// A request and what came of it.
#[derive(Debug, Clone)]
pub struct Keyed {
    pub key: String,
    pub body: String,
    pub run: madang_ids::RunId,
}

/// Sends once. `Err` holds what the server said if it said no, or nothing where the connection broke.
pub async fn post(home: &Path, key: &str, body: &str) -> Result<RunView, Option<(u16, String)>> {
    let gone = |_| None;
    let mut stream = UnixStream::connect(home.join("madang.sock")).await.map_err(gone)?;
    let head = format!(
        "POST /api/v1/run HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(gone)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(gone)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(None)?;
    let status: u16 = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(None)?;
    match (status, serde_json::from_str(body)) {
        (200 | 201, Ok(view)) => Ok(view),
        // Cut off in the middle.
        (200 | 201, Err(_)) => Err(None),
        _ => Err(Some((status, body.to_owned()))),
    }
}
