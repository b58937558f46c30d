//! From outside into an app of a session, through the listener for apps: pages, WebSockets, and who is kept out.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use madang_model::Verdict;
use madang_public_api::{AppCreate, AppView, SessionCreate, SessionState};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client as handshake};

use crate::{
    server::{PATIENCE, Server, soon},
    session::{Session, app_opened, query, told},
};

/// Answers a request with its head, and a WebSocket's every message with the same.
const SERVICE: &str = r#"
import base64, hashlib, socket, threading
door = socket.create_server(('127.0.0.1', PORT))
def talk(one):
    stream = one.makefile('rwb')
    while True:
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            line = stream.readline()
            if not line:
                return
            head += line
        fields = dict(line.split(': ', 1) for line in head.decode().lower().split('\r\n')[1:] if line)
        if fields.get('upgrade') == 'websocket':
            key = [line for line in head.decode().split('\r\n') if line.lower().startswith('sec-websocket-key')][0].split(': ')[1]
            accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest())
            stream.write(b'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ' + accept + b'\r\n\r\n')
            stream.flush()
            while True:
                start = stream.read(2)
                if len(start) < 2 or start[0] & 15 == 8:
                    return
                length = start[1] & 127
                mask = stream.read(4)
                said = bytes(byte ^ mask[at % 4] for at, byte in enumerate(stream.read(length)))
                stream.write(bytes([start[0], length]) + said)
                stream.flush()
        stream.write(b'HTTP/1.1 200 OK\r\ncontent-length: %d\r\nset-cookie: madang_app=mine; path=/\r\n\r\n' % len(head) + head)
        stream.flush()
def serve():
    while True:
        threading.Thread(target=talk, args=(door.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
"#;

/// A session with the service, and what is said of it.
async fn serving(port: u16) -> (Session, AppView) {
    let session = Session::of("python").await;
    let app = serve_in(&session, port).await;
    (session, app)
}

async fn serve_in(session: &Session, port: u16) -> AppView {
    let run = session.run(query(&SERVICE.replace("PORT", &port.to_string()))).await;
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
    let create = AppCreate { name: "port".into(), port: Some(port), ..AppCreate::default() };
    app_opened(&session.client, &session.id(), &create).await
}

/// Where an app is, its path, and the ticket that its address carries.
fn address(app: &AppView) -> (String, String, String) {
    let url = app.url.clone().expect("the server has an address for apps");
    let (place, ticket) = url.split_once("?ticket=").unwrap();
    let (host, path) = place.strip_prefix("http://").unwrap().split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"), ticket.to_owned())
}

fn get(host: &str, path: &str, lines: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn an_app_opens_for_whoever_carries_its_ticket_and_for_nobody_else() {
    let (_session, app) = serving(18_310).await;
    let (_other, others) = serving(18_310).await;
    let (host, path, ticket) = address(&app);
    let (_, _, foreign) = address(&others);
    let entered = get(&host, &format!("{path}?ticket={ticket}"), "");
    assert!(entered.starts_with("HTTP/1.1 303") && entered.contains("set-cookie: madang_app="), "{entered}");
    let page = get(&host, &format!("{path}hello"), &format!("cookie: madang_app={ticket}\r\n"));
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("GET /hello HTTP/1.1\r\n"), "{page}");
    assert!(!page.contains(&ticket) && !page.contains("madang_app=mine"), "{page}");
    for (lines, code) in [
        (String::new(), "ticket-missing"),
        (format!("authorization: Bearer {foreign}\r\n"), "ticket-foreign"),
        (format!("cookie: madang_app={foreign}\r\n"), "ticket-foreign"),
    ] {
        let refused = get(&host, &path, &lines);
        assert!(refused.starts_with("HTTP/1.1 40") && refused.contains(code), "{refused}");
    }
    let elsewhere = get(&host, "/api/v1/sessions", &format!("authorization: Bearer {ticket}\r\n"));
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "the API is not here: {elsewhere}");
}

/// A session that is idle after so long.
const IDLE_MS: u64 = 7_000;

fn say(socket: &mut WebSocket<TcpStream>, said: &str) {
    socket.send(Message::text(said)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(said));
}

#[tokio::test]
async fn whoever_uses_an_app_keeps_its_session_awake_and_wakes_it() {
    let request = SessionCreate {
        language: Some("python".to_owned()),
        suspend_idle_ms: Some(IDLE_MS),
        ..SessionCreate::default()
    };
    let session = Session::made(request).await;
    let app = serve_in(&session, 18_312).await;
    let (host, path, ticket) = address(&app);
    let (client, id) = (session.client.clone(), session.id());
    let state = async || client.session_get(&id).await.unwrap().state;
    let stream = TcpStream::connect(&host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, _) = handshake(format!("ws://{host}{path}?ticket={ticket}"), stream).unwrap();
    let idle = Duration::from_millis(IDLE_MS);
    let (mut began, mut used) = (Instant::now(), Instant::now());
    while began.elapsed() < idle + Duration::from_secs(3) {
        // It may have become idle before this use, too.
        let used_before = std::mem::replace(&mut used, Instant::now());
        say(&mut socket, "used");
        let seen = state().await;
        if used_before.elapsed() < idle / 2 {
            assert_eq!(seen, SessionState::Running);
        } else {
            // The machine had something else to do, and the session was idle meanwhile.
            began = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // An open connection that carries nothing is no use.
    soon("it is suspended", async || match state().await {
        SessionState::Suspended => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    say(&mut socket, "awake?");
    soon("its record follows", async || match state().await {
        SessionState::Running => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    session.client.session_end(&session.id()).await.unwrap();
}

#[tokio::test]
async fn a_websocket_goes_through_and_ends_with_its_session() {
    let (session, app) = serving(18_311).await;
    let (host, path, ticket) = address(&app);
    let ended = tokio::task::spawn_blocking(move || {
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut socket, _) = handshake(format!("ws://{host}{path}?ticket={ticket}"), stream).unwrap();
        for said in ["hello", "마당"] {
            socket.send(Message::text(said)).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text(said));
        }
        (socket, host, path, ticket)
    });
    let (mut socket, host, path, ticket) = ended.await.unwrap();
    session.client.session_end(&session.id()).await.unwrap();
    let gone = tokio::task::spawn_blocking(move || {
        assert!(socket.read().is_err(), "nothing is left to answer");
        get(&host, &path, &format!("authorization: Bearer {ticket}\r\naccept: text/html\r\n"))
    });
    let gone = gone.await.unwrap();
    assert!(gone.starts_with("HTTP/1.1 50") && gone.contains("http-equiv=\"refresh\""), "{gone}");
}

/// Nobody takes a connection there, but it is made.
const DOOR: &str = "import socket\ndoor = socket.create_server(('127.0.0.1', 18317))";

#[tokio::test]
async fn an_app_that_does_not_answer_just_now_stays() {
    let session = Session::of("python").await;
    session.shown(DOOR).await;
    let create = AppCreate { name: "port".into(), port: Some(18_317), ..AppCreate::default() };
    let open = async || session.client.app_create(&session.id(), &create).await;
    let app = open().await.unwrap().id;
    session.shown("door.close()").await;
    let refused = open().await.unwrap_err();
    assert!(refused.to_string().contains("did not answer"), "{refused}");
    session.shown(DOOR).await;
    assert_eq!(open().await.unwrap().id, app, "whoever has its address goes on with it");
}

/// More than a process with so few descriptors can take, and fewer than wait to be taken.
#[test]
fn strangers_who_say_nothing_leave_descriptors_for_the_rest() {
    let server = Server::start_with_descriptors(1_024);
    let strangers: Vec<TcpStream> = (0..1_050).map(|_| TcpStream::connect(server.apps()).unwrap()).collect();
    let program = server.file("here.py", "print('here')");
    let (code, out, err) = server.madang(&["run", &program]);
    assert!(code == 0 && out == "here\n", "{code} {out:?} {err:?}");
    drop(strangers);
}
