//! HTTP by hand: a request as it goes over the wire, an answer read to its end.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// No answer takes so long, also on a machine with much to do.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub folder: String,
    pub ticket: String,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub heads: HashMap<String, String>,
    pub body: Vec<u8>,
    /// It came to its end as the server meant it.
    pub whole: bool,
}

impl Answer {
    pub fn head(&self, name: &str) -> &str {
        self.heads.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks the status, and says what came instead.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.heads, String::from_utf8_lossy(&self.body));
        self
    }
}

impl Client {
    pub async fn send(&self, method: &str, target: &str, heads: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let heads = [heads, &[("Content-Length", length.as_str())]].concat();
        let mut stream = self.begin(method, target, &heads).await;
        // A server that has refused already does not take all of it.
        let _ = stream.write_all(body).await;
        read(stream, method).await
    }

    pub async fn get(&self, target: &str, heads: &[(&str, &str)]) -> Answer {
        self.send("GET", target, heads, b"").await
    }

    pub async fn put(&self, target: &str, body: &[u8]) -> Answer {
        self.send("PUT", target, &[], body).await
    }

    /// The head of a request; what follows is the caller's.
    pub async fn begin(&self, method: &str, target: &str, heads: &[(&str, &str)]) -> TcpStream {
        let mut text =
            format!("{method} /storage/v1/{}/{target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n", self.folder);
        if !self.ticket.is_empty() {
            text.push_str(&format!("Authorization: Bearer {}\r\n", self.ticket));
        }
        for (name, value) in heads {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

pub async fn read(mut stream: TcpStream, method: &str) -> Answer {
    let mut bytes = Vec::new();
    let ended = timeout(ANSWER_WAIT, stream.read_to_end(&mut bytes)).await.expect("an answer in time");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?} ({ended:?})", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let heads: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect();
    let raw = bytes[end + 4..].to_vec();
    let (body, whole) = if heads.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        unchunked(&raw)
    } else {
        let length = heads.get("content-length").map(|length| length.parse::<usize>().unwrap());
        let whole = method == "HEAD" || length.is_none_or(|length| length == raw.len());
        (raw, whole)
    };
    Answer { status, heads, body, whole }
}

fn unchunked(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(at) = raw.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..at]).unwrap(), 16).unwrap();
        let Some(chunk) = raw.get(at + 2..at + 2 + length) else { break };
        if length == 0 {
            return (body, true);
        }
        body.extend_from_slice(chunk);
        raw = raw.get(at + 4 + length..).unwrap_or_default();
    }
    (body, false)
}
