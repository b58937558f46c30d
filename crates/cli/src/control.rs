//! `madang control`: the control plane alone; its nodes are other machines.

use std::net::{Ipv4Addr, SocketAddr};

use madang_control::Server;

use crate::{
    args::ControlArgs,
    exit::Failure,
    storage,
    up::{self, Signals},
};

/// Starts a control process and stays until it is told to stop.
pub fn run(args: ControlArgs) -> Result<u8, Failure> {
    up::stay("control", serve(args))
}

async fn serve(args: ControlArgs) -> Result<u8, Failure> {
    let signals = Signals::listen()?;
    let (mut config, apps) = up::settings(args.serve)?;
    let door = apps.bind(config.listen)?;
    config.apps = door.as_ref().map(|door| door.address.clone());
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, madang_node_link::PORT));
    config.nodes_listen = args.nodes_listen.or(config.nodes_listen).or(Some(usual));
    let server = Server::build(config, None).await.map_err(up::control_failure)?;
    up::answer(storage::beside(server, None)?, door, signals).await
}
