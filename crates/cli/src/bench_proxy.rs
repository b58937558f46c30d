//! The proxy that `bench proxy` measures: one app, which is a server that the benchmark has started.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use madang_ids::{AppId, SandboxId, UserId};
use madang_model::{AppPrefix, AppProtocol, AppsAddress, app_route::app_path};
use madang_proxy::{BoxStream, ConnectError, Proxy, ProxyConfig, Upstream};
use madang_ticket::{Right, Signer, Ticket};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    args::BenchProxyArgs,
    exit::Failure,
    up::{self, Signals},
};

/// A benchmark is over by then.
const TICKET_MS: u64 = 3_600_000;

/// Every app is the same.
struct One(SocketAddr);

#[async_trait]
impl Upstream for One {
    async fn connect(&self, _: AppId, _: SandboxId) -> Result<BoxStream, ConnectError> {
        let stream = TcpStream::connect(self.0).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        stream.map(|stream| Box::new(stream) as BoxStream).map_err(|error| ConnectError::Unavailable(error.to_string()))
    }
}

pub fn run(args: BenchProxyArgs) -> Result<u8, Failure> {
    up::stay("bench", serve(args))
}

async fn serve(args: BenchProxyArgs) -> Result<u8, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::internal(error.to_string());
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let apps: AppsAddress = format!("http://{address}").parse().map_err(|error| failed(&error))?;
    // The seed is a secret for as long as this process is there.
    let signer = Signer::from_seed(&seed()?);
    let app = AppId::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let right = Right::App { app, sandbox: SandboxId::new(), protocol: AppProtocol::Http, prefix: AppPrefix::Strip };
    let ticket = signer.sign(&Ticket { user: UserId::new(), right, expires_ms: now + TICKET_MS });
    let proxy = Proxy::new(ProxyConfig::new(apps), Arc::new(One(args.upstream)));
    proxy.trust(signer.verifier());
    let mut out = std::io::stdout();
    writeln!(out, "{address} {} {ticket}", app_path(app)).and_then(|()| out.flush()).map_err(|error| failed(&error))?;
    proxy.serve(listener, signals.next()).await;
    Ok(0)
}

fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut seed));
    read.map_err(|error| Failure::internal(format!("reading random bytes: {error}")))?;
    Ok(seed)
}
