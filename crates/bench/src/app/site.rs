//! A Jupyter server as a browser's code sees it: pages, the API, a kernel's channels; the same whoever has started it.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::BenchError;

/// An answer that has not come by then never will.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Its bytes at most.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// A page that sends us on more often sends us in circles.
const REDIRECTS_MAX: usize = 5;
/// What a kernel is asked, and what it says to that.
const CODE: &str = "print(6 * 7)";
const SAID: &str = "42\n";

/// A server, how we show who we are, and the cookies that it has set.
#[derive(Debug, Default)]
pub struct Site {
    pub authority: String,
    /// `Authorization`, where that is how.
    pub authorization: Option<String>,
    cookies: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    fn heads<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs.filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> Result<Value, BenchError> {
        let wrong = |error| BenchError::Wrong(format!("an answer of {} that is no JSON: {error}", self.status));
        serde_json::from_slice(&self.body).map_err(wrong)
    }
}

/// What came of a line in a new kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Shown,
    Lost,
}

impl Site {
    pub fn at(authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), ..Self::default() }
    }

    /// A page, wherever we are sent on the way to it.
    pub async fn page(&mut self, path: &str) -> Result<Answer, BenchError> {
        let mut path = path.to_owned();
        for _ in 0..REDIRECTS_MAX {
            let answer = self.ask("GET", &path, None).await?;
            let next = answer.heads("location").next().filter(|_| (300..400).contains(&answer.status));
            let next = next.map(|next| next.split_once(&self.authority).map_or(next, |(_, path)| path).to_owned());
            match next {
                Some(next) => path = next,
                None => return Ok(answer),
            }
        }
        Err(BenchError::Wrong(format!("{path} sends us in circles")))
    }

    /// One request on a connection of its own, as the first of a page is.
    pub async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, BenchError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.authority);
        for (name, value) in self.shown() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let answer = timeout(ANSWER_WAIT, self.exchange(&request)).await;
        let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let answer = answer.map_err(BenchError::io(format!("{method} {path} at {}", self.authority)))?;
        for cookie in answer.heads("set-cookie") {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            self.cookies.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(answer)
    }

    async fn exchange(&self, request: &str) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await?;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.ok_or(std::io::ErrorKind::InvalidData)?, head, body })
    }

    fn shown(&self) -> Vec<(&'static str, String)> {
        let mut shown = Vec::new();
        shown.extend(self.authorization.clone().map(|line| ("Authorization", line)));
        if !self.cookies.is_empty() {
            let all: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            shown.push(("Cookie", all.join("; ")));
        }
        shown.extend(self.cookies.get("_xsrf").map(|token| ("X-XSRFToken", token.clone())));
        shown
    }

    /// Asks for a kernel, and a line of it: until it says that it has run. `base` ends in a slash.
    pub async fn kernel(&mut self, base: &str) -> Result<Output, BenchError> {
        let made = self.ask("POST", &format!("{base}api/kernels"), Some(&json!({ "name": "python3" }))).await?;
        let id = made.json()?["id"].as_str().map(str::to_owned);
        let id = id.ok_or_else(|| {
            BenchError::Wrong(format!("no kernel: {} {}", made.status, String::from_utf8_lossy(&made.body)))
        })?;
        let mut channels = self.channels(&format!("{base}api/kernels/{id}/channels")).await?;
        let header = json!({ "msg_id": "bench", "msg_type": "execute_request", "username": "", "session": "bench", "version": "5.3" });
        let content = json!({ "code": CODE, "silent": false });
        let ask =
            json!({ "header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell" });
        let sent = channels.send(Message::text(ask.to_string())).await;
        sent.map_err(|error| BenchError::Wrong(format!("asking a kernel: {error}")))?;
        timeout(ANSWER_WAIT, run(&mut channels)).await.map_err(|_| BenchError::Wrong("a kernel says nothing".into()))?
    }

    async fn channels(&self, path: &str) -> Result<WebSocketStream<TcpStream>, BenchError> {
        let wrong = |error| BenchError::Wrong(format!("opening the channels of a kernel: {error}"));
        let mut request = format!("ws://{}{path}", self.authority).into_client_request().map_err(wrong)?;
        for (name, value) in self.shown() {
            let value = HeaderValue::from_str(&value).map_err(|error| BenchError::Wrong(error.to_string()))?;
            request.headers_mut().insert(name, value);
        }
        let stream = TcpStream::connect(&self.authority).await.map_err(BenchError::io("connecting to a kernel"))?;
        stream.set_nodelay(true).map_err(BenchError::io("connecting to a kernel"))?;
        Ok(client_async(request, stream).await.map_err(wrong)?.0)
    }
}

/// Until the line has run and the kernel is idle after it: whatever it has shown has come by then.
async fn run(channels: &mut WebSocketStream<TcpStream>) -> Result<Output, BenchError> {
    let (mut replied, mut idle, mut output) = (false, false, Output::Lost);
    while !(replied && (idle || output == Output::Shown)) {
        let said = channels.next().await.transpose();
        let said = said.map_err(|error| BenchError::Wrong(format!("hearing a kernel: {error}")))?;
        let Some(Message::Text(text)) = said else {
            match said {
                Some(_) => continue,
                None => return Err(BenchError::Wrong("a kernel hangs up".to_owned())),
            }
        };
        let said: Value = serde_json::from_str(&text).map_err(|error| BenchError::Wrong(error.to_string()))?;
        if said["parent_header"]["msg_id"] != "bench" {
            continue;
        }
        match said["msg_type"].as_str() {
            Some("stream") if said["content"]["text"] == SAID => output = Output::Shown,
            Some("status") if said["content"]["execution_state"] == "idle" => idle = true,
            Some("execute_reply") if said["content"]["status"] == "ok" => replied = true,
            Some("execute_reply") => return Err(BenchError::Wrong(format!("a kernel answers {}", said["content"]))),
            _ => {}
        }
    }
    Ok(output)
}
