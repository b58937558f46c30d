//! Apps that people bring, on both ways to them: through control, and on their node itself, which needs nobody for it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use madang_client::Client;
use madang_public_api::{AppCreate, AppView, SessionState};
use tokio_tungstenite::tungstenite::{Message, client as handshake};

use crate::process::{Address, PATIENCE, Role, control, control_at, here, says, session, soon, token};

/// Flask on one port, a WebSocket that says everything again on the next.
const SERVICE: &str = r#"
import base64, hashlib, logging, socket, threading
import flask
logging.getLogger('werkzeug').disabled = True
app = flask.Flask('bring')
go = threading.Event()
@app.route('/')
def page():
    return '<a href="' + flask.url_for('page') + '">hello</a>'
@app.route('/form', methods=['POST'])
def form():
    return 'heard ' + flask.request.form['said']
@app.route('/move')
def move():
    return flask.redirect('/')
@app.route('/events')
def events():
    def all():
        yield 'data: one\n\n'
        # Nothing more is said before somebody has heard the first.
        go.wait()
        go.clear()
        yield 'data: two\n\n'
    return flask.Response(all(), mimetype='text/event-stream')
@app.route('/go')
def on():
    go.set()
    return 'gone'
import werkzeug.serving
server = werkzeug.serving.make_server('127.0.0.1', 5000, app, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
door = socket.create_server(('127.0.0.1', 5001))
def talk(one):
    stream = one.makefile('rwb')
    lines = []
    while not lines or lines[-1] != b'\r\n':
        lines.append(stream.readline())
    key = [line for line in lines if line.lower().startswith(b'sec-websocket-key')][0].split(b': ')[1].strip()
    accept = base64.b64encode(hashlib.sha1(key + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest())
    stream.write(b'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ' + accept + b'\r\n\r\n')
    stream.flush()
    while True:
        start = stream.read(2)
        if len(start) < 2 or start[0] & 15 == 8:
            return
        mask = stream.read(4)
        said = bytes(byte ^ mask[at % 4] for at, byte in enumerate(stream.read(start[1] & 127)))
        stream.write(bytes([start[0], start[1] & 127]) + said)
        stream.flush()
def serve():
    while True:
        threading.Thread(target=talk, args=(door.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
print('serving')"#;

/// Where an app is, its path, and the ticket that its address carries.
#[derive(Debug, Clone)]
struct Opened {
    host: String,
    path: String,
    ticket: String,
}

impl Opened {
    fn of(app: &AppView) -> Self {
        let url = app.url.clone().expect("somebody has an address for apps");
        let (place, ticket) = url.split_once("?ticket=").unwrap();
        let (host, path) = place.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Self { host: host.to_owned(), path: format!("/{path}"), ticket: ticket.to_owned() }
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A request with lines of its head besides, and what it is answered.
    fn ask(&self, method: &str, name: &str, lines: &str, body: &str) -> String {
        let mut stream = self.stream();
        let Self { host, path, .. } = self;
        let request =
            format!("{method} {path}{name} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{lines}\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, name: &str) -> String {
        self.ask("GET", name, &self.bearer(), "")
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.ticket)
    }
}

async fn open(client: &Client, session: &str, port: u16) -> Opened {
    let create = AppCreate { name: "port".into(), port: Some(port), ..AppCreate::default() };
    let app =
        soon("the app answers", async || client.app_create(session, &create).await.map_err(|error| error.to_string()));
    Opened::of(&app.await)
}

/// A node that serves its apps at an address, or does not.
fn node(control: &Role, apps: &[&str]) -> Role {
    let (token, join) = token(control);
    let words = ["node", "--join", &join, "--token", &token, "--name", "alpha"];
    Role::start(None, &[&words, apps].concat())
}

/// Everything that such an app does.
fn works(flask: &Opened, echo: &Opened) {
    let page = flask.get("");
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with(">hello</a>"), "{page}");
    let lines = format!("{}content-type: application/x-www-form-urlencoded\r\ncontent-length: 8\r\n", flask.bearer());
    let heard = flask.ask("POST", "form", &lines, "said=yes");
    assert!(heard.starts_with("HTTP/1.1 200") && heard.ends_with("heard yes"), "{heard}");
    let moved = flask.get("move");
    assert!(moved.contains(&format!("\r\nlocation: {}\r\n", flask.path)), "it stays beneath its prefix: {moved}");
    events(flask);
    let stream = echo.stream();
    let (mut socket, _) = handshake(format!("ws://{}{}?ticket={}", echo.host, echo.path, echo.ticket), stream).unwrap();
    for said in ["hello", "마당"] {
        socket.send(Message::text(said)).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(said));
    }
}

/// Each arrives when it is said: the second is not said before the first was heard.
fn events(flask: &Opened) {
    let mut stream = flask.stream();
    let request = format!("GET {}events HTTP/1.1\r\nhost: {}\r\n{}\r\n", flask.path, flask.host, flask.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "data: one"));
    assert!(flask.get("go").ends_with("gone"));
    assert!(lines.any(|line| line == "data: two"));
}

fn refuses_others(flask: &Opened, other: &Opened) {
    for (lines, code) in [(String::new(), "ticket-missing"), (other.bearer(), "ticket-foreign")] {
        let refused = flask.ask("GET", "", &lines, "");
        assert!(refused.starts_with("HTTP/1.1 40") && refused.contains(code), "{refused}");
    }
}

#[tokio::test]
async fn what_people_bring_opens_through_control() {
    let control = control(None, "");
    let node = node(&control, &[]);
    let client = control.client();
    here(&client, 1).await;
    let session = session(&client).await.id.to_string();
    assert_eq!(says(&client, &session, SERVICE).await, "serving\n");
    let (flask, echo) = (open(&client, &session, 5_000).await, open(&client, &session, 5_001).await);
    works(&flask, &echo);
    refuses_others(&flask, &echo);
    client.session_end(&session).await.unwrap();
    drop(node);
}

#[tokio::test]
async fn what_people_bring_opens_on_its_node_without_control() {
    let (nodes, apps) = (Address::new(), Address::new());
    let mut control = control_at(&nodes);
    let mut node = node(&control, &["--apps-listen", &apps.to_string()]);
    let client = control.client();
    here(&client, 1).await;
    let session = session(&client).await.id.to_string();
    assert_eq!(says(&client, &session, SERVICE).await, "serving\n");
    let (flask, echo) = (open(&client, &session, 5_000).await, open(&client, &session, 5_001).await);
    works(&flask, &echo);
    control.kill();
    works(&flask, &echo);
    refuses_others(&flask, &echo);
    // Not even an agent that has never heard control needs it for that.
    node.kill();
    node.again();
    soon("the agent serves apps again", async || {
        let page = flask.get("");
        if page.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(page) }
    })
    .await;
    works(&flask, &echo);
    refuses_others(&flask, &echo);
    control.again();
    here(&client, 1).await;
    client.session_end(&session).await.unwrap();
}

#[tokio::test]
async fn an_address_where_nobody_is_keeps_no_session_from_ending() {
    let control = control(None, "");
    // Nobody listens there, and as long as it is one's own end of a connection nobody else does.
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let held = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let nowhere = held.local_addr().unwrap();
    let url = format!("http://{nowhere}");
    let node = node(&control, &["--apps-listen", "127.0.0.1:0", "--apps-url", &url]);
    let client = control.client();
    here(&client, 1).await;
    let session = session(&client).await.id.to_string();
    assert_eq!(says(&client, &session, SERVICE).await, "serving\n");
    let flask = open(&client, &session, 5_000).await;
    assert_eq!(flask.host, nowhere.to_string());
    assert!(TcpStream::connect(&flask.host).is_err());
    client.session_end(&session).await.unwrap();
    soon("it ends", async || match client.session_get(&session).await.map_err(|error| error.to_string())?.state {
        SessionState::Ended => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    drop(node);
}
