//! `madang up`: everything on this machine, from settings to signals.

use std::{path::PathBuf, sync::Arc};

use madang_control::{ControlConfig, Server, StopHandle};
use madang_node::{Agent, AgentConfig, Pools};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    args::{OnOff, ServeArgs, UpArgs},
    config, descriptors,
    exit::Failure,
    log::Log,
    print,
    proxy::{AppsSettings, Door},
    storage,
};

/// Starts the server and stays until it is told to stop.
pub fn run(args: UpArgs) -> Result<u8, Failure> {
    stay("up", serve(args))
}

/// Everything that a process with a role of its own does, from its first line of log to its last.
pub(crate) fn stay(role: &'static str, work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("starting: {error}")))?;
    let ended = runtime.block_on(async {
        let log = Log::begin(role)?;
        descriptors::raise();
        let ended = work.await;
        log.end().await;
        ended
    });
    // What still blocks is nobody's any more.
    runtime.shutdown_background();
    ended
}

async fn serve(args: UpArgs) -> Result<u8, Failure> {
    let signals = Signals::listen()?;
    let (mut config, apps) = settings(args.serve)?;
    let door = apps.bind(config.listen)?;
    config.apps = door.as_ref().map(|door| door.address.clone());
    config.nodes_listen = args.nodes_listen.or(config.nodes_listen);
    let settings = AgentConfig { devices: args.devices.into(), ..agent_config(&config.home, args.pools)? };
    let agent = Agent::start(settings).await.map_err(node_failure)?;
    let node: Arc<dyn madang_node_api::Node> = agent.clone();
    let server = match Server::build(config, Some(node)).await {
        Ok(server) => server,
        Err(error) => {
            // The slots that it has made meanwhile would outlive us.
            agent.stop().await;
            return Err(control_failure(error));
        }
    };
    let ended = match storage::beside(server, Some(&agent)) {
        Ok(server) => answer(server, door, signals).await,
        Err(failure) => Err(failure),
    };
    agent.stop().await;
    ended
}

/// What the file says, and then the command line.
pub(crate) fn settings(args: ServeArgs) -> Result<(ControlConfig, AppsSettings), Failure> {
    let mut config = ControlConfig::new(args.data.unwrap_or_else(madang_client::data_home));
    let apps = config::apply(&mut config)?.over(args.apps);
    config.connections_max = descriptors::connections(config.connections_max);
    config.listen = args.listen.or(config.listen);
    config.ssh_listen = args.ssh_listen.or(config.ssh_listen);
    config.database = args.database.or(config.database);
    config.advertise = args.advertise.or(config.advertise);
    config.nodes_advertise = args.nodes_advertise.or(config.nodes_advertise);
    Ok((config, apps))
}

/// Greets, and answers until it is told to stop.
pub(crate) async fn answer(server: Server, door: Option<Door>, signals: Signals) -> Result<u8, Failure> {
    greet(&server, door.as_ref()).await;
    let open = door.map(|door| {
        let open = door.open(server.fleet());
        open.proxy.trust(server.ticket_verifier());
        if let Some(web) = server.embedder() {
            open.proxy.embed(&web);
        }
        open
    });
    let running = server.spawn();
    tokio::spawn(signals.obey(running.handle()));
    let ended = running.wait().await.map(|()| 0).map_err(|error| Failure::internal(chain(&error)));
    if let Some(open) = open {
        open.close().await;
    }
    ended
}

/// Without labels and accelerators.
pub(crate) fn agent_config(home: &std::path::Path, pools: OnOff) -> Result<AgentConfig, Failure> {
    let program =
        std::env::current_exe().map_err(|error| Failure::internal(format!("finding this program: {error}")))?;
    let pools = match pools {
        OnOff::On => Pools::On,
        OnOff::Off => Pools::Off,
    };
    let (labels, devices) = Default::default();
    let config::NodeSettings { network, ahead, folders } = config::node()?;
    Ok(AgentConfig { home: PathBuf::from(home), program, pools, ahead, labels, devices, network, folders, apps: None })
}

/// A directory that is taken or cannot be written, an address that is: for the caller to choose another.
pub(crate) fn node_failure(error: madang_node::StartError) -> Failure {
    use madang_node::StartError::{Ahead, FoldersLeft, Home, InUse};
    match error {
        Ahead(_) | FoldersLeft(_) | Home { .. } | InUse(_) => Failure::usage(error.to_string()),
        _ => Failure::internal(chain(&error)),
    }
}

pub(crate) fn control_failure(error: madang_control::StartError) -> Failure {
    use madang_control::StartError::{AdminToken, Home, Listen, SocketInUse};
    match error {
        Home { .. } | AdminToken(_) | Listen { .. } | SocketInUse { .. } => Failure::usage(chain(&error)),
        _ => Failure::internal(chain(&error)),
    }
}

/// The first line is for programs, the others for people.
async fn greet(server: &Server, door: Option<&Door>) {
    if let Some(address) = server.address() {
        print::greeting(&format!("listening on http://{address}"));
    }
    if let Some(door) = door {
        print::greeting(&format!("apps of sessions open at {}", door.address.base()));
    }
    if let Some(socket) = server.socket_path() {
        print::greeting(&format!("on this machine: `madang run FILE` (over {})", socket.display()));
    }
    if let Some(address) = server.nodes_address() {
        print::greeting(&format!("nodes dial {address}: `madang admin node-token create` makes a token for one"));
    }
    if let Some(address) = server.ssh_address() {
        let (host, port, key) = (address.ip(), address.port(), server.ssh_host_key());
        print::greeting(&format!(
            "SSH on {address}: `madang key ssh add ~/.ssh/id_ed25519.pub`, `ssh -p {port} SESSION@{host}` (host key {key})"
        ));
    }
    print::greeting(&format!(
        "from elsewhere: Authorization: Bearer <the token in {}>",
        server.admin_token_path().display()
    ));
    match server.first_link().await {
        Ok(Some(link)) => print::greeting(&format!("set the administrator's password, once: {link}")),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = chain(&error), "no link for the administrator's first password"),
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub fn listen() -> Result<Self, Failure> {
        let both =
            || Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? });
        both().map_err(|error: std::io::Error| Failure::internal(format!("listening for signals: {error}")))
    }

    /// Waits for somebody who wants this process to end.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// The first asks runs to end, the second does not ask.
    pub async fn obey(mut self, handle: StopHandle) {
        self.next().await;
        tracing::info!("stopping: runs in progress may end; again to stop now");
        handle.drain();
        self.next().await;
        handle.stop_now();
    }
}
