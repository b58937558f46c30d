//! A machine with an agent: the real member over the simulated network, a simulated node behind it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use madang_node_link::{JoinToken, Member, MemberConfig, hub::Io, member::Dial};
use madang_node_sim::{Clock, Script, SimNode};
use tokio::sync::Notify;

pub const PORT: u16 = 8687;

struct Simulated;

#[async_trait]
impl Dial for Simulated {
    async fn dial(&self, address: &str) -> io::Result<Box<dyn Io>> {
        Ok(Box::new(turmoil::net::TcpStream::connect(address).await?))
    }
}

pub struct Machine {
    pub home: PathBuf,
    pub token: JoinToken,
    /// What is there now; a machine that boots begins with nothing.
    pub node: Mutex<Option<SimNode>>,
    /// The agent is killed and started again.
    pub kill: Notify,
}

fn uptime_ms() -> u64 {
    turmoil::sim_elapsed().unwrap_or_default().as_millis() as u64
}

/// From boot to the end.
pub async fn boot(machine: Arc<Machine>) -> turmoil::Result {
    let script = Script { clock: Clock::Going, ..Script::default() };
    let node = SimNode::scripted(script);
    *machine.node.lock().unwrap() = Some(node.clone());
    // It says which boot it is about: what another one wrote counts for nothing.
    let _ = std::fs::remove_file(machine.home.join("heard"));
    loop {
        let mut config = MemberConfig::new(machine.home.clone(), format!("control:{PORT}"), "a node".to_owned());
        config.token = Some(machine.token.clone());
        config.uptime_ms = uptime_ms;
        let agent = async {
            let member = Member::join(config, Arc::new(Simulated)).await?;
            Err::<(), _>(member.serve(Arc::new(node.clone())).await)
        };
        tokio::select! {
            ended = agent => return Err(format!("the agent gave up: {ended:?}").into()),
            () = machine.kill.notified() => {}
        }
    }
}
