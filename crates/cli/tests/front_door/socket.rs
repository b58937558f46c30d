//! The WebSocket side of the server: enough of RFC 6455 to hold one conversation, by the library that the client uses.

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, handshake::derive_accept_key, protocol::Role};

/// What the client said: bytes as text, control frames as they are.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// Plays a program that asks for two lines and greets, then ends with code 7.
pub fn converse(mut stream: UnixStream, key: &str, heard: &Heard) {
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    let mut seq = 0;
    let mut say = |socket: &mut WebSocket<UnixStream>, mut event: Value| {
        event["seq"] = seq.into();
        event["at"] = "2026-01-02T03:04:05.678Z".into();
        seq += 1;
        socket.send(Message::text(event.to_string())).unwrap();
    };
    say(&mut socket, json!({ "kind": "started" }));
    let mut input = String::new();
    for prompt in ["name? ", "age? "] {
        say(&mut socket, json!({ "kind": "waiting-input", "prompt": prompt, "echo": true }));
        let line = loop {
            if let Some((line, rest)) = input.clone().split_once('\n') {
                input = rest.to_owned();
                break line.to_owned();
            }
            match socket.read().unwrap() {
                Message::Binary(bytes) => input.push_str(std::str::from_utf8(&bytes).unwrap()),
                Message::Text(text) => heard.lock().unwrap().push(text.to_string()),
                other => panic!("{other:?}"),
            }
        };
        heard.lock().unwrap().push(line.clone());
        say(&mut socket, json!({ "kind": "stdout", "data": format!("<{line}>\n") }));
    }
    // Only the end of our input ends the program.
    while !heard.lock().unwrap().iter().any(|said| said.contains("stdin_end")) {
        if let Message::Text(text) = socket.read().unwrap() {
            heard.lock().unwrap().push(text.to_string());
        }
    }
    let usage = super::usage();
    say(
        &mut socket,
        json!({ "kind": "finished", "outcome": { "verdict": "nonzero-exit", "exit_code": 7, "usage": usage } }),
    );
}
