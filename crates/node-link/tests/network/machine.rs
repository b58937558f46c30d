//! A machine with an agent: the real member over the simulated network, a simulated node behind it.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use async_trait::async_trait;
use madang_node_link::{JoinToken, Member, MemberConfig, hub::Io, member::Dial};
use madang_node_sim::{Clock, Script, SimNode};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, watch},
};

pub const PORT: u16 = 8687;

struct Simulated(Arc<Machine>);

#[async_trait]
impl Dial for Simulated {
    async fn dial(&self, address: &str) -> io::Result<Box<dyn Io>> {
        let stream = turmoil::net::TcpStream::connect(address).await?;
        let mut resets = self.0.resets.subscribe();
        let reset = Box::pin(async move { drop(resets.changed().await) });
        Ok(Box::new(Connection { stream, reset: Some(reset) }))
    }
}

/// A connection that something between may reset at any moment: what is on its way is lost, and both ends go on.
struct Connection {
    stream: turmoil::net::TcpStream,
    reset: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reset.as_mut().is_none_or(|reset| reset.as_mut().poll(cx).is_ready()) {
            self.reset = None;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.reset.is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

pub struct Machine {
    pub home: PathBuf,
    pub token: JoinToken,
    /// What is there now.
    pub node: Mutex<Option<SimNode>>,
    /// What was there before the machine stopped: what is on its disk is read from it at boot.
    pub disk: Mutex<Option<SimNode>>,
    /// The agent is killed and started again.
    pub kill: Notify,
    /// Its connections are reset.
    pub resets: watch::Sender<u64>,
}

fn uptime_ms() -> u64 {
    turmoil::sim_elapsed().unwrap_or_default().as_millis() as u64
}

/// From boot to the end.
pub async fn boot(machine: Arc<Machine>) -> turmoil::Result {
    let script = Script { clock: Clock::Going, ..Script::default() };
    let before = machine.disk.lock().unwrap().take();
    let node = match before {
        Some(before) => before.rebooted(script),
        None => SimNode::scripted(script),
    };
    *machine.node.lock().unwrap() = Some(node.clone());
    // It says which boot it is about: what another one wrote counts for nothing.
    let _ = std::fs::remove_file(machine.home.join("heard"));
    loop {
        let mut config = MemberConfig::new(machine.home.clone(), format!("control:{PORT}"), "a node".to_owned());
        config.token = Some(machine.token.clone());
        config.uptime_ms = uptime_ms;
        let agent = async {
            let member = Member::join(config, Arc::new(Simulated(Arc::clone(&machine)))).await?;
            Err::<(), _>(member.serve(Arc::new(node.clone())).await)
        };
        tokio::select! {
            ended = agent => return Err(format!("the agent gave up: {ended:?}").into()),
            () = machine.kill.notified() => {}
        }
    }
}
