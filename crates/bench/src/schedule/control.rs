//! A control process of our own, and the simulated nodes that dial in to it.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use madang_client::Client;
use madang_node_link::{JoinToken, Member, MemberConfig, member::Tcp};
use madang_node_sim::{Clock, Script, SimNode, Start};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{BenchError, Settings, server::Server};

/// What a start takes on a node with a full pool.
const START_MS: u64 = 5;
/// Nodes that join at once: each makes a key.
const JOINING_MAX: usize = 32;
/// Nodes that are there and heard, at the latest after so long.
const JOIN_WAIT: Duration = Duration::from_secs(120);

/// A server with a link for nodes.
pub struct Control {
    server: Server,
}

/// Nodes that have joined, until they are stopped.
pub struct Nodes {
    _homes: TempDir,
    members: JoinSet<String>,
}

/// What control used while nothing happened.
pub struct Idle {
    pub core_share: f64,
    pub rss_mib: f64,
}

impl Control {
    pub async fn start(settings: &Settings, database: Option<&str>) -> Result<Self, BenchError> {
        let mut role = vec!["bench-control"];
        role.extend(database.into_iter().flat_map(|url| ["--database", url]));
        Ok(Self { server: Server::launch(&settings.madang, &role).await? })
    }

    pub fn client(&self) -> &Client {
        &self.server.client
    }

    pub async fn stop(self) -> Result<(), BenchError> {
        self.server.stop().await.map(drop)
    }

    /// So many nodes, each with its own key and certificate, all of them heard.
    pub async fn join(&self, count: usize) -> Result<Nodes, BenchError> {
        let home = self.server.home().ok_or_else(|| BenchError::Wrong("the server is not ours".to_owned()))?;
        let said = fs::read_to_string(home.join("join")).map_err(BenchError::io("reading how nodes join"))?;
        let (address, token) = said.trim().split_once(' ').ok_or_else(|| BenchError::Wrong(said.clone()))?;
        let token: JoinToken = token.parse().map_err(|error| BenchError::Wrong(format!("{error:?}")))?;
        let homes = TempDir::with_prefix("madang-nodes-").map_err(BenchError::io("making homes for nodes"))?;
        let mut members = JoinSet::new();
        let places = Arc::new(tokio::sync::Semaphore::new(JOINING_MAX));
        for number in 0..count {
            let mut config = config(homes.path(), number, address);
            config.token = Some(token.clone());
            let places = Arc::clone(&places);
            members.spawn(async move {
                let place = places.acquire_owned().await;
                match Member::join(config, Arc::new(Tcp)).await {
                    Ok(member) => {
                        drop(place);
                        member.serve(Arc::new(node())).await.to_string()
                    }
                    Err(error) => error.to_string(),
                }
            });
        }
        let mut nodes = Nodes { _homes: homes, members };
        self.until_heard(&mut nodes, count).await?;
        Ok(nodes)
    }

    async fn until_heard(&self, nodes: &mut Nodes, count: usize) -> Result<(), BenchError> {
        let until = Instant::now() + JOIN_WAIT;
        let here = self.server.home().unwrap_or(Path::new("")).join("here");
        loop {
            let heard = fs::read_to_string(&here).ok().and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
            if heard >= count {
                return Ok(());
            }
            if let Some(ended) = nodes.members.try_join_next() {
                return Err(BenchError::Wrong(format!("a node has ended: {ended:?}")));
            }
            if Instant::now() >= until {
                return Err(BenchError::Wrong(format!("{heard} of {count} nodes are here")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// CPU time and memory of the process over so long.
    pub async fn watch(&self, wait: Duration) -> Result<Idle, BenchError> {
        let process = self.server.process().ok_or_else(|| BenchError::Wrong("the server is not ours".to_owned()))?;
        let (began, before) = (Instant::now(), cpu_seconds(process)?);
        tokio::time::sleep(wait).await;
        let core_share = (cpu_seconds(process)? - before) / began.elapsed().as_secs_f64();
        Ok(Idle { core_share, rss_mib: rss_mib(process)? })
    }
}

impl Nodes {
    pub fn stop(mut self) {
        self.members.abort_all();
    }
}

fn config(homes: &Path, number: usize, address: &str) -> MemberConfig {
    MemberConfig::new(homes.join(number.to_string()), address.to_owned(), format!("sim-{number}"))
}

fn node() -> SimNode {
    let starts = vec![Start::Done { after_ms: START_MS }];
    SimNode::scripted(Script { clock: Clock::Going, starts, ..Script::default() })
}

fn proc(process: u32, file: &str) -> Result<String, BenchError> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))
}

fn cpu_seconds(process: u32) -> Result<f64, BenchError> {
    let stat = proc(process, "stat")?;
    // Behind the name, which may hold anything: utime and stime are the 14th and 15th field.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(|| BenchError::Wrong(stat.clone()))?;
    Ok((user + system) / rustix::param::clock_ticks_per_second() as f64)
}

fn rss_mib(process: u32) -> Result<f64, BenchError> {
    let status = proc(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| BenchError::Wrong("its status says no VmRSS".to_owned()))
}
