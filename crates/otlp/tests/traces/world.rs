//! A server with a simulated node, one on another machine if wanted, and a client that is as thin as HTTP lets it be.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use madang_control::{ControlConfig, Server, StopHandle};
use madang_node_link::{Member, MemberConfig, member::Tcp};
use madang_store::StoreConfig;
use madang_testkit::SimNode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Nothing in these tests takes longer than this, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct World {
    address: SocketAddr,
    nodes: Option<SocketAddr>,
    token: String,
    stop: StopHandle,
    _home: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl World {
    pub async fn new() -> Self {
        Self::on(None, SimNode::new()).await
    }

    /// One of several on the same database, which see the same node.
    pub async fn on(database: Option<StoreConfig>, node: SimNode) -> Self {
        let home = TempDir::new().unwrap();
        let mut config = ControlConfig::new(home.path());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        (config.listen, config.database) = (Some(any), database);
        // What a server gives up after seconds it waits for here: the machine may stand still for a while.
        (config.session_start_wait_ms, config.drain_ms, config.leader_wait_ms) = (120_000, 120_000, 120_000);
        (config.node_silent_ms, config.lease_ms, config.process_wait_ms) = (60_000, 60_000, 60_000);
        // Several that see one node are all at home on this machine.
        config.nodes_listen = config.database.is_none().then_some(any);
        let server = Server::build(config, Some(Arc::new(node))).await.unwrap();
        let token = std::fs::read_to_string(server.admin_token_path()).unwrap().trim().to_owned();
        let (address, nodes) = (server.address().unwrap(), server.nodes_address());
        let running = server.spawn();
        let stop = running.handle();
        tokio::spawn(running.wait());
        Self { address, nodes, token, stop, _home: home }
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.send(Method::POST, path, headers, body).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "test");
        request = request.header("content-type", "application/json");
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
        let answered = async {
            let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Answer { status: parts.status, headers: parts.headers, body }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("no answer")
    }

    /// The node in this process takes nothing from now on.
    pub async fn cordon_own(&self) {
        let all = self.send(Method::GET, "/api/v1/nodes", &[], Value::Null).await.body;
        let own = format!("/api/v1/nodes/{}", all["items"][0]["id"].as_str().unwrap());
        let cordoned = self.send(Method::PATCH, &own, &[], json!({"state": "cordoned"})).await;
        assert_eq!(cordoned.status, 200, "{}", cordoned.body);
    }

    /// A machine that joins over the network.
    pub async fn far(&self) -> AbortOnDropHandle<()> {
        let token = self.post("/api/v1/node-tokens", &[], json!({})).await.body;
        let home = TempDir::new().unwrap();
        let controls = self.nodes.unwrap().to_string();
        let mut config = MemberConfig::new(home.path().join("m"), controls, "far".to_owned());
        config.token = Some(token["secret"].as_str().unwrap().parse().unwrap());
        config.silent = Duration::from_secs(50);
        let member = Member::join(config, Arc::new(Tcp)).await.unwrap();
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _home = home;
            member.serve(Arc::new(SimNode::new())).await;
        }))
    }

    /// Asks until the answer is as wanted; says the last one if it never is.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let last = self.send(Method::GET, path, &[], Value::Null).await.body;
            if wanted(&last) {
                return last;
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays {last}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.stop_now();
    }
}
