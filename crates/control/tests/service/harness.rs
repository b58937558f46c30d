//! A server per test, and a client that is as thin as HTTP lets it be.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use madang_control::{ControlConfig, Running, Server, StopHandle};
use madang_store::StoreConfig;
use madang_testkit::{SimNode, TestDatabase};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

/// Nothing in these tests takes longer than this, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What outlives a server: its directory, and its database, of the kind that `MADANG_TEST_STORE` says.
pub struct Home {
    directory: TempDir,
    database: TestDatabase,
}

impl Home {
    pub async fn new() -> Arc<Self> {
        Arc::new(Self { directory: TempDir::new().unwrap(), database: TestDatabase::chosen().await })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// On SQLite the server's own default: a file in its directory.
    pub fn database(&self) -> StoreConfig {
        let config = match self.database.is_postgres() {
            true => return shared(&self.database),
            false => StoreConfig::sqlite(self.path().join("madang.db")),
        };
        config.waiting(PATIENCE)
    }
}

/// A database for several servers.
pub fn shared(database: &TestDatabase) -> StoreConfig {
    database.url().parse::<StoreConfig>().unwrap().waiting(PATIENCE)
}

pub struct World {
    pub node: SimNode,
    pub address: SocketAddr,
    /// Where nodes dial, if they may.
    pub nodes: Option<SocketAddr>,
    pub token: String,
    pub home: Arc<Home>,
    pub stop: StopHandle,
    pub fleet: Arc<madang_control::Fleet>,
    /// Checks what the server signs.
    /// Checks the tickets that it signs.
    pub tickets: madang_ticket::Verifier,
    running: tokio::task::JoinHandle<()>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The JSON body, if the status is the expected one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// A problem document that is whole and has this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["type"], format!("urn:madang:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(settle: impl FnOnce(&mut ControlConfig)) -> Self {
        Self::on(Home::new().await, SimNode::new(), settle).await
    }

    /// A server on what another one left behind.
    pub async fn on(home: Arc<Home>, node: SimNode, settle: impl FnOnce(&mut ControlConfig)) -> Self {
        let mut config = ControlConfig::new(home.path());
        config.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.database = Some(home.database());
        config.reconcile_ms = 50;
        patient(&mut config);
        settle(&mut config);
        let server = Server::build(config, Some(Arc::new(node.clone()))).await.unwrap();
        let address = server.address().unwrap();
        let nodes = server.nodes_address();
        let token = std::fs::read_to_string(server.admin_token_path()).unwrap().trim().to_owned();
        let (fleet, tickets) = (server.fleet(), server.ticket_verifier());
        let running: Running = server.spawn();
        let stop = running.handle();
        let running = tokio::spawn(async move { running.wait().await.unwrap() });
        Self { node, address, nodes, token, home, stop, fleet, tickets, running }
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.home.path().join("madang.sock")
    }

    /// Waits until the server has stopped by itself.
    pub async fn stopped(self) -> (Arc<Home>, SimNode) {
        tokio::time::timeout(PATIENCE, self.running).await.expect("the server does not stop").unwrap();
        (self.home, self.node)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub async fn post_keyed(&self, path: &str, key: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(Method::POST, path, &headers, body.to_string()).await
    }

    /// With the token.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [headers, &[("authorization", bearer.as_str())]].concat();
        self.send_bare(method, path, &headers, body).await
    }

    pub async fn send_bare(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        collect(open(stream, method, path, headers, body).await).await
    }

    pub async fn send_unix(&self, socket: &Path, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let stream = UnixStream::connect(socket).await.unwrap();
        collect(open(stream, method, path, headers, "").await).await
    }

    pub async fn post_unix(&self, path: &str, body: Value) -> Answer {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        collect(open(stream, Method::POST, path, &[("content-type", "application/json")], body.to_string()).await).await
    }

    /// An answer whose body is read bit by bit.
    pub async fn stream(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Stream {
        let bearer = format!("Bearer {}", self.token);
        let headers = [headers, &[("authorization", bearer.as_str())]].concat();
        self.stream_bare(method, path, &headers, body).await
    }

    /// With another token.
    pub async fn stream_as(&self, token: &str, path: &str) -> Stream {
        self.stream_bare(Method::GET, path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    async fn stream_bare(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Stream {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let response = open(tcp, method, path, headers, body.to_owned()).await;
        Stream { headers: response.headers().clone(), body: response.into_body(), rest: String::new() }
    }

    /// A session that runs.
    pub async fn session(&self) -> String {
        let view = self.post("/api/v1/sessions", serde_json::json!({"language": "sim"})).await.expect(201);
        assert_eq!(view["state"], "running", "{view}");
        view["id"].as_str().unwrap().to_owned()
    }

    /// Asks until the answer is as wanted; says the last one if it never is.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let last = self.get(path).await.json();
            if wanted(&last) {
                return last;
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays {last}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub struct Stream {
    pub headers: HeaderMap,
    body: Incoming,
    rest: String,
}

impl Stream {
    /// The next server-sent event: its id and its data; None at the end.
    pub async fn event(&mut self) -> Option<(u64, Value)> {
        // Comments come all the time, so that patience with each piece would never end.
        tokio::time::timeout(PATIENCE, self.next_event()).await.expect("nothing happens")
    }

    async fn next_event(&mut self) -> Option<(u64, Value)> {
        loop {
            let block = self.until_mark("\n\n").await?;
            let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) else { continue };
            let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            return Some((id.parse().unwrap(), serde_json::from_str(data).unwrap()));
        }
    }

    pub async fn line(&mut self) -> Option<Value> {
        let line = self.until_mark("\n").await?;
        Some(serde_json::from_str(&line).unwrap())
    }

    async fn until_mark(&mut self, mark: &str) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.rest.split_once(mark) {
                let block = block.to_owned();
                self.rest = rest.to_owned();
                return Some(block);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("the stream stands still")?;
            self.rest.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
    }
}

/// What a server gives up after seconds it waits for here: no test shall fail because the machine stood still for a while.
fn patient(config: &mut ControlConfig) {
    let (long, longer) = (60_000, 120_000);
    (config.session_start_wait_ms, config.drain_ms, config.task_wait_ms) = (longer, longer, longer);
    (config.node_silent_ms, config.lease_ms, config.process_wait_ms) = (long, long, long);
    (config.leader_wait_ms, config.cancel_ms) = (longer, longer);
}

async fn open<S>(
    stream: S,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Incoming>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("no answer").unwrap()
}

async fn collect(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("the body stands still").unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}
