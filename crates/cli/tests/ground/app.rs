//! An app of somebody else, for guests to reach who may not.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use madang_client::Client;
use madang_public_api::{AppCreate, SessionView};

use super::{query, session, verdict};

const PORT: u16 = 18_400;
const WORD: &str = "what only its owner may see";
const SERVICE: &str = "
import socket, threading
door = socket.create_server(('127.0.0.1', PORT))
def serve():
    while True:
        one = door.accept()[0]
        one.recv(65536)
        one.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: LENGTH\\r\\nconnection: close\\r\\n\\r\\nWORD')
        one.close()
threading.Thread(target=serve, daemon=True).start()";
/// Nothing here takes so long, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct OthersApp {
    client: Client,
    session: SessionView,
    /// Where the proxy listens, the app's path there, and the ticket that opens it.
    host: String,
    path: String,
    ticket: String,
}

impl OthersApp {
    pub async fn open(client: &Client) -> Self {
        let session = session(client, "python").await;
        let code = SERVICE.replace("PORT", &PORT.to_string()).replace("LENGTH", &WORD.len().to_string());
        let run = query(client, &session, &code.replace("WORD", WORD), 120_000).await;
        assert_eq!(verdict(&run), "ok", "{run:?}");
        let create = AppCreate { name: "port".into(), port: Some(PORT), ..AppCreate::default() };
        let view = madang_testkit::soon("the app answers", async || {
            client.app_create(&session.id.to_string(), &create).await.map_err(|error| error.to_string())
        });
        let view = view.await;
        let url = view.url.expect("the server has an address for apps");
        let (place, ticket) = url.split_once("?ticket=").unwrap();
        let (host, path) = place.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (host, path, ticket) = (host.to_owned(), format!("/{path}"), ticket.to_owned());
        let app = Self { client: client.clone(), session, host, path, ticket };
        app.is_there();
        app
    }

    /// Whoever may opens it: what guests try is worth something.
    pub fn is_there(&self) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let Self { host, path, ticket, .. } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {ticket}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with(WORD), "{answer}");
    }

    /// What an attempt is told of it.
    pub fn facts(&self) -> String {
        let door = self.host.rsplit(':').next().unwrap();
        format!("app_door={door}\napp_port={PORT}\napp_path={}\napp_ticket={}\n", self.path, self.ticket)
    }

    pub async fn close(self) {
        self.client.session_end(&self.session.id.to_string()).await.unwrap();
    }
}
