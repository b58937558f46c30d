//! A small HTTP server that answers as the contract says and remembers what it was asked. It runs no program.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

use crate::socket::{Heard, converse};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub accept: String,
    /// The key of a request that wants a WebSocket.
    pub key: String,
    pub body: Value,
}

/// Requests in the order of their arrival.
pub type Log = Arc<Mutex<Vec<Asked>>>;

/// What to answer: status, content type, further headers, body.
pub type Answer = (u16, &'static str, &'static str, String);

/// Serves on `home`'s socket until the test process ends; WebSockets hold the one conversation of [`crate::socket`].
pub fn serve(home: &Path, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Log {
    let listener = UnixListener::bind(home.join("madang.sock")).unwrap();
    let log = Log::default();
    let (answer, kept) = (Arc::new(answer), Arc::clone(&log));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, log) = (Arc::clone(&answer), Arc::clone(&kept));
            thread::spawn(move || connection(stream.unwrap(), &*answer, &log));
        }
    });
    log
}

fn connection(stream: UnixStream, answer: &dyn Fn(&Asked) -> Answer, log: &Log) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(asked) = request(&mut reader) {
        log.lock().unwrap().push(asked.clone());
        if !asked.key.is_empty() {
            let heard = Heard::default();
            converse(writer, &asked.key, &heard);
            let said = heard.lock().unwrap().join("|");
            log.lock().unwrap().push(Asked { line: "heard".to_owned(), body: said.into(), ..asked });
            return;
        }
        let (status, kind, headers, body) = answer(&asked);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{headers}\r\n");
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<UnixStream>) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let (mut length, mut accept, mut key) = (0, String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "sec-websocket-key" => key = value.trim().to_owned(),
            "accept" => accept = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, accept, key, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}
