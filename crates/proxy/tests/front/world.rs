//! A proxy on a free port, apps that are plain sockets behind it, and a client that says exactly what it is told.

use std::{
    collections::HashMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use madang_ids::{AppId, SandboxId, UserId};
use madang_model::{AppPrefix, AppProtocol, AppsAddress};
use madang_proxy::{BoxStream, ConnectError, Proxy, ProxyConfig, Upstream};
use madang_ticket::{Right, Signer, Ticket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// Nothing here takes so long, on the busiest machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
const HOUR_MS: u64 = 3_600_000;

/// Where apps are, in place of a node.
#[derive(Default)]
pub struct Places {
    apps: Mutex<HashMap<AppId, SocketAddr>>,
    pub connections: AtomicUsize,
}

#[async_trait]
impl Upstream for Places {
    async fn connect(&self, app: AppId, _: SandboxId) -> Result<BoxStream, ConnectError> {
        let address = self.apps.lock().unwrap().get(&app).copied();
        let address = address.ok_or_else(|| ConnectError::Gone("no such app".to_owned()))?;
        self.connections.fetch_add(1, Ordering::SeqCst);
        let stream = TcpStream::connect(address).await;
        stream.map(|stream| Box::new(stream) as BoxStream).map_err(|error| ConnectError::Unavailable(error.to_string()))
    }
}

pub struct World {
    pub address: SocketAddr,
    pub places: Arc<Places>,
    pub proxy: Arc<Proxy>,
    signer: Signer,
    stop: Option<oneshot::Sender<()>>,
    pub serving: JoinHandle<()>,
}

impl World {
    pub async fn new() -> Self {
        Self::with("http://apps.example:8688", |_| {}).await
    }

    /// Reached at `base`, and in the domain `apps.example`.
    pub async fn with(base: &str, set: impl FnOnce(&mut ProxyConfig)) -> Self {
        let address: AppsAddress = base.parse().unwrap();
        let mut config = ProxyConfig::new(address.with_domain("apps.example").unwrap());
        set(&mut config);
        let (places, signer) = (Arc::new(Places::default()), Signer::from_seed(&[5; 32]));
        let proxy = Proxy::new(config, Arc::<Places>::clone(&places));
        proxy.trust(signer.verifier());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(Arc::clone(&proxy).serve(listener, async { drop(stopped.await) }));
        Self { address, places, proxy, signer, stop: Some(stop), serving }
    }

    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// An app that answers every connection by `serve`.
    pub async fn app<F, R>(&self, serve: F) -> AppId
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = AppId::new();
        self.places.apps.lock().unwrap().insert(app, listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        app
    }

    /// An app that answers every request with what it was sent.
    pub async fn mirror(&self) -> AppId {
        self.app(|mut stream| async move {
            while let Some(head) = read_head(&mut stream).await {
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
                let mut body = vec![0; length];
                if head.contains("transfer-encoding: chunked") {
                    body = read_chunks(&mut stream).await;
                } else if stream.read_exact(&mut body).await.is_err() {
                    return;
                }
                let told = [head.as_bytes(), &body].concat();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", told.len());
                if stream.write_all(&[answer.as_bytes(), &told].concat()).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// An app that says the same to every request.
    pub async fn saying(&self, answer: &'static str) -> AppId {
        self.app(move |mut stream| async move {
            while read_head(&mut stream).await.is_some() {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    pub fn ticket(&self, app: AppId) -> String {
        self.ticket_of(app, AppPrefix::Strip, AppProtocol::Http, HOUR_MS)
    }

    pub fn ticket_of(&self, app: AppId, prefix: AppPrefix, protocol: AppProtocol, ms: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let right = Right::App { app, sandbox: SandboxId::fixed(1), protocol, prefix };
        self.signer.sign(&Ticket { user: UserId::fixed(3), right, expires_ms: now + ms })
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Says exactly this and reads until the proxy closes, which the request should ask for.
    pub async fn raw(&self, said: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // A refusal may come before everything is said.
        let _ = stream.write_all(said.as_ref()).await;
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One GET by path with these lines besides, each with its end.
    pub async fn get(&self, path: &str, lines: &str) -> String {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{lines}\r\n")).await
    }

    pub fn bearer(&self, app: AppId) -> String {
        format!("authorization: Bearer {}\r\n", self.ticket(app))
    }

    pub fn connections(&self) -> usize {
        self.places.connections.load(Ordering::SeqCst)
    }
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

/// A head with the empty line at its end, and not a byte more.
pub async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// The data of a chunked body; trailers follow it as they came.
pub async fn read_chunks(stream: &mut TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.unwrap());
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        data.extend_from_slice(&chunk[..size]);
    }
    let mut rest = vec![b'\r', b'\n'];
    while !rest.ends_with(b"\r\n\r\n") {
        rest.push(stream.read_u8().await.unwrap());
    }
    data.extend_from_slice(&rest[2..]);
    data
}

pub fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "));
    code.and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The value of a header line of an answer.
pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
