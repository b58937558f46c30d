//! The control process that `madang bench schedule` measures: a server and its link for nodes, where anybody with the benchmark's
//! token joins. Who has joined is kept in memory and gone with the process.

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use madang_control::{ControlConfig, Fleet, Member, MemberState, Server};
use madang_ids::NodeId;
use madang_node_link::{
    Authority, Hub, HubConfig, JoinToken, RemoteNode,
    hub::{JoinAsked, Refusal, Registry},
};
use madang_node_sim::{Clock, Script, SimNode};
use tokio::net::TcpListener;

use crate::{args::BenchControlArgs, exit::Failure, up};

/// Whoever has the token.
struct Open {
    token: JoinToken,
    fleet: Arc<Fleet>,
    /// Where it says how many are here.
    here: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<String, NodeId>,
    by_certificate: HashMap<String, NodeId>,
    here: usize,
}

impl Open {
    fn known<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Registry for Open {
    async fn join(&self, asked: JoinAsked) -> Result<NodeId, Refusal> {
        if asked.secret_hash != JoinToken::hash(self.token.secret()) {
            return Err(Refusal::Token);
        }
        Ok(self.known(|known| *known.by_key.entry(asked.key).or_insert_with(NodeId::new)))
    }

    async fn certificate_put(&self, node: NodeId, fingerprint: &str, _: u64) -> Result<(), Refusal> {
        self.known(|known| known.by_certificate.insert(fingerprint.to_owned(), node));
        Ok(())
    }

    async fn certificate_of(&self, fingerprint: &str) -> Result<Option<NodeId>, Refusal> {
        Ok(self.known(|known| known.by_certificate.get(fingerprint).copied()))
    }

    async fn arrived(&self, node: Arc<RemoteNode>) {
        let (id, name, group) = (node.id(), node.id().to_string(), "default".to_owned());
        self.fleet.join(Member { id, name, group, state: MemberState::Schedulable, node });
        let here = self.known(|known| {
            known.here += 1;
            known.here
        });
        if let Err(error) = replace(&self.here, &here.to_string()) {
            tracing::error!(%error, "the benchmark does not hear of its nodes");
        }
    }
}

pub fn run(args: BenchControlArgs) -> Result<u8, Failure> {
    up::stay("bench", serve(args))
}

async fn serve(args: BenchControlArgs) -> Result<u8, Failure> {
    let signals = up::Signals::listen()?;
    let mut config = ControlConfig::new(&args.data);
    config.listen = Some(([127, 0, 0, 1], 0).into());
    let database = args.database.map(|url| url.parse()).transpose();
    config.database = database.map_err(|error| Failure::usage(format!("--database: {error}")))?;
    let own = SimNode::scripted(Script { clock: Clock::Going, ..Script::default() });
    let server = Server::build(config, Some(Arc::new(own))).await.map_err(up::control_failure)?;
    let linked = link(&args.data, server.fleet()).await.map_err(Failure::internal)?;
    if let Some(address) = server.address() {
        println!("listening on http://{address}");
    }
    let running = server.spawn();
    tokio::spawn(signals.obey(running.handle()));
    let ended = running.wait().await;
    linked.abort();
    ended.map(|()| 0).map_err(|error| Failure::internal(up::chain(&error)))
}

/// Listens for nodes and writes down how they join.
async fn link(home: &Path, fleet: Arc<Fleet>) -> Result<tokio::task::JoinHandle<()>, String> {
    let authority = Authority::make().map_err(|error| error.to_string())?;
    let token = JoinToken::make(authority.fingerprint()).map_err(|error| error.to_string())?;
    let registry = Open { token: token.clone(), fleet, here: home.join("here"), known: Mutex::default() };
    let hub = Hub::new(authority, Arc::new(registry), HubConfig::default()).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    replace(&home.join("join"), &format!("{address} {token}")).map_err(|error| error.to_string())?;
    Ok(tokio::spawn(async move {
        if let Err(error) = hub.serve(listener, std::future::pending()).await {
            tracing::error!(%error, "nodes are not served any more");
        }
    }))
}

/// Whoever reads sees the text before or the text after.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::File::create(&new)?.write_all(text.as_bytes())?;
    std::fs::rename(new, path)
}
