//! WebSockets: input flows in, events flow out.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::harness::{PATIENCE, World};

pub type Socket = WebSocketStream<TcpStream>;

async fn dial(world: &World, path: &str) -> Socket {
    dial_as(world, &world.token, path).await
}

pub async fn dial_as(world: &World, token: &str, path: &str) -> Socket {
    let mut request = format!("ws://{}{path}", world.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let stream = TcpStream::connect(world.address).await.unwrap();
    client_async(request, stream).await.unwrap().0
}

pub async fn next(socket: &mut Socket) -> Message {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("the socket is silent").unwrap().unwrap()
}

async fn event(socket: &mut Socket) -> Value {
    serde_json::from_str(next(socket).await.to_text().unwrap()).unwrap()
}

async fn say(socket: &mut Socket, value: Value) {
    socket.send(Message::text(value.to_string())).await.unwrap();
}

#[tokio::test]
async fn a_program_that_asks_twice_is_answered() {
    let world = World::new().await;
    let body = json!({"language": "sim", "code": "input name?\ninput age?", "stdin_live": true});
    let run = world.post("/api/v1/run", body).await.expect(201);
    let mut socket = dial(&world, &format!("/api/v1/runs/{}/attach", run["id"].as_str().unwrap())).await;
    assert_eq!(event(&mut socket).await["kind"], "started");
    assert_eq!(event(&mut socket).await["prompt"], "name?");
    say(&mut socket, json!({"stdin": "Ada\n"})).await;
    assert_eq!(event(&mut socket).await["data"], "got Ada\n");
    assert_eq!(event(&mut socket).await["kind"], "waiting-input");
    say(&mut socket, json!({"resize": {"rows": 10, "cols": 20}})).await;
    assert_eq!(event(&mut socket).await["data"], "size 10x20\n");
    socket.send(Message::binary(&b"36\n"[..])).await.unwrap();
    assert_eq!(event(&mut socket).await["data"], "got 36\n");
    assert_eq!(event(&mut socket).await["outcome"]["verdict"], "ok");
    assert!(next(&mut socket).await.is_close());
}

#[tokio::test]
async fn interrupt_end_of_input_and_nonsense() {
    let world = World::new().await;
    for (code, said, verdict) in
        [("hang", json!({"interrupt": true}), "signaled"), ("input x", json!({"stdin_end": true}), "nonzero-exit")]
    {
        let body = json!({"language": "sim", "code": code, "stdin_live": true});
        let run = world.post("/api/v1/run", body).await.expect(201);
        let path = format!("/api/v1/runs/{}", run["id"].as_str().unwrap());
        let mut nonsense = dial(&world, &format!("{path}/attach")).await;
        say(&mut nonsense, json!({"format": "disk"})).await;
        while !next(&mut nonsense).await.is_close() {}
        let mut socket = dial(&world, &format!("{path}/attach")).await;
        say(&mut socket, said).await;
        assert_eq!(world.until(&path, |view| view["state"] == "finished").await["verdict"], verdict);
    }
}

#[tokio::test]
async fn a_terminal_is_bytes_and_ends_with_its_connection() {
    let world = World::new().await;
    let id = world.session().await;
    let mut socket = dial(&world, &format!("/api/v1/sessions/{id}/terminal?rows=5&cols=7")).await;
    // The simulated shell knows no `if`: it says so on the terminal and ends.
    let mut bytes = Vec::new();
    let verdict = loop {
        match next(&mut socket).await {
            Message::Binary(more) => bytes.extend(more),
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).unwrap();
                if event["kind"] == "finished" {
                    break event["outcome"]["exit_code"].clone();
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((String::from_utf8_lossy(&bytes).as_ref(), verdict), ("no command `if`\n", json!(127)));
    world.get(&format!("/api/v1/sessions/{id}/terminal")).await.problem(426, "upgrade-required");
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "eDp5eDp5eDp5eDp5eDp5eA=="),
    ];
    let path = format!("/api/v1/sessions/{id}/terminal?rows=0");
    world.send(axum::http::Method::GET, &path, &upgrade, "").await.problem(422, "invalid");
}
