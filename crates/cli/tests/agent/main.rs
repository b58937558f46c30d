//! The real agent, asked as control asks it: it keeps what every node keeps, and reads what sandboxes use. Needs root and Python.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accelerator;
mod apps;
mod contract;
mod readings;
mod twice;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use madang_ids::SandboxId;
use madang_node::{Agent, AgentConfig, NetworkConfig, Pools, device::DeviceConfig};
use rustix::process::Pid;
use tempfile::TempDir;

/// An agent with a home of its own.
struct Home {
    agent: Arc<Agent>,
    directory: TempDir,
}

impl Home {
    async fn new(devices: DeviceConfig) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test makes sandboxes with all their walls and needs root");
        let directory = tempfile::tempdir().unwrap();
        let config = AgentConfig {
            home: directory.path().to_owned(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_madang")),
            pools: Pools::Off,
            ahead: Vec::new(),
            labels: BTreeMap::new(),
            devices,
            network: NetworkConfig::default(),
            folders: Default::default(),
            apps: None,
        };
        Self { agent: Agent::start(config).await.unwrap(), directory }
    }

    /// The init of a session's sandbox.
    fn init_of(&self, sandbox: SandboxId) -> Pid {
        self.inits_of(sandbox)[0]
    }

    fn inits_of(&self, sandbox: SandboxId) -> Vec<Pid> {
        let slots = std::fs::read_dir(self.directory.path().join("slots")).unwrap().flatten();
        let claims = slots.filter_map(|slot| std::fs::read(slot.path().join("claim.json")).ok());
        let claims = claims.map(|claim| serde_json::from_slice::<serde_json::Value>(&claim).unwrap());
        let its = claims.filter(|claim| claim["spec"]["id"] == sandbox.to_string());
        let pids = its.filter_map(|claim| claim["pid"].as_i64());
        pids.map(|pid| Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()).collect()
    }

    /// Whatever the test has left: sandboxes of sessions would live on.
    async fn close(&self) {
        use madang_node_api::Node as _;
        for seen in self.agent.sandboxes() {
            self.agent.sandbox_close(seen.id).await.unwrap();
        }
        self.agent.stop().await;
    }
}

/// Runs `work` with an agent, and takes the agent apart whether it succeeds or not.
async fn with_agent<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Arc<Home>) -> F) {
    with_devices(DeviceConfig::default(), work).await;
}

/// The same, on a machine with accelerators.
async fn with_devices<F: Future<Output = ()> + Send + 'static>(
    devices: DeviceConfig,
    work: impl FnOnce(Arc<Home>) -> F,
) {
    let home = Arc::new(Home::new(devices).await);
    let done = tokio::spawn(work(Arc::clone(&home))).await;
    home.close().await;
    if let Err(error) = done {
        std::panic::resume_unwind(error.into_panic());
    }
}
