//! `madang node`: the agent alone, in the hands of a control plane elsewhere.

use std::{
    net::{IpAddr, ToSocketAddrs as _},
    sync::Arc,
};

use madang_model::network::Ipv4Range;
use madang_node::{Agent, AgentConfig};
use madang_node_api::Node;
use madang_node_link::{
    JoinToken, Member, MemberConfig,
    member::{MemberError, Tcp},
};

use crate::{
    args::NodeArgs,
    exit::Failure,
    print,
    proxy::AppsSettings,
    storage,
    up::{self, Signals, chain},
};

/// Below the data directory: the node's key, its certificate and who control is.
const MEMBERSHIP: &str = "membership";

/// Joins, and stays until it is told to stop or to go.
pub fn run(args: NodeArgs) -> Result<u8, Failure> {
    up::stay("node", serve(args))
}

async fn serve(args: NodeArgs) -> Result<u8, Failure> {
    let mut signals = Signals::listen()?;
    let home = args.data.clone().unwrap_or_else(madang_client::data_home);
    let config = member_config(&args, &home)?;
    let member = tokio::select! {
        joined = Member::join(config, Arc::new(Tcp)) => joined.map_err(|error| member_failure(&error))?,
        () = signals.next() => return Ok(0),
    };
    let closed = control_addresses(&args);
    let labels = args.labels.into_iter().collect();
    let door = AppsSettings::default().over(args.apps).bind(None)?;
    let apps = door.as_ref().map(|door| door.address.clone());
    let (devices, usual) = (args.devices.into(), up::agent_config(&home, args.pools)?);
    let mut settings = AgentConfig { labels, devices, apps, ..usual };
    settings.network.closed.extend(closed);
    let agent = Agent::start(settings).await.map_err(up::node_failure)?;
    print::greeting(&format!("node {} of {}", member.id(), args.join.join(",")));
    let node: Arc<dyn Node> = agent.clone();
    let open = door.map(|door| door.open_with(Arc::clone(&node), member.ticket_key()));
    let serving = tokio::spawn(storage::serve(Arc::clone(&agent), member.ticket_key()));
    let ended = tokio::select! {
        ended = member.serve(node) => Some(ended),
        () = signals.next() => None,
    };
    if let Some(error) = &ended {
        tracing::error!(%error, "this is no node any more: what runs here is ended");
        close_all(&*agent).await;
    }
    if let Some(open) = open {
        open.close().await;
    }
    serving.abort();
    // Sessions go on without the agent, unless they were ended.
    agent.stop().await;
    ended.map_or(Ok(0), |error| Err(member_failure(&error)))
}

/// Where control is: nothing that a sandbox may speak to, wherever that is.
fn control_addresses(args: &NodeArgs) -> Vec<Ipv4Range> {
    let found = args.join.iter().filter_map(|address| with_port(address).to_socket_addrs().ok());
    let addresses = found.flatten().filter_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(Ipv4Range::one(address)),
        IpAddr::V6(_) => None,
    });
    addresses.collect()
}

fn member_config(args: &NodeArgs, home: &std::path::Path) -> Result<MemberConfig, Failure> {
    let controls: Vec<_> = args.join.iter().map(|address| with_port(address)).collect();
    let name = match &args.name {
        Some(name) => name.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    let mut config = MemberConfig::new(home.join(MEMBERSHIP), controls.join(","), name);
    let token = args.token.as_deref().map(str::parse::<JoinToken>).transpose();
    config.token = token.map_err(|error| Failure::usage(format!("--token: {error}")))?;
    Ok(config)
}

/// `host`, `host:port`, `[v6]:port`, or an address of the sixth version alone.
fn with_port(address: &str) -> String {
    let port = madang_node_link::PORT;
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        Err(_) if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => address.to_owned(),
        _ => format!("{address}:{port}"),
    }
}

/// Control has given up what runs here: it must not run beside what takes its place.
async fn close_all(node: &dyn Node) {
    for seen in node.sandboxes() {
        if let Err(error) = node.sandbox_close(seen.id).await {
            tracing::error!(sandbox = %seen.id, %error, "a sandbox could not be ended");
        }
    }
}

fn member_failure(error: &MemberError) -> Failure {
    match error {
        MemberError::NoToken => Failure::usage(format!("{error}: make one with `madang admin node-token create`")),
        MemberError::Keep { .. } | MemberError::Damaged { .. } | MemberError::OtherControl { .. } => {
            Failure::usage(chain(error))
        }
        MemberError::Refused(_) => Failure::usage(format!(
            "{error}; a machine that was removed joins anew with a new token once `{MEMBERSHIP}` in its data directory is removed"
        )),
        _ => Failure::internal(chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_port() {
        for (given, wanted) in [
            ("control", "control:8687"),
            ("control:1", "control:1"),
            ("10.0.0.1", "10.0.0.1:8687"),
            ("10.0.0.1:2", "10.0.0.1:2"),
            ("fd00::1", "[fd00::1]:8687"),
            ("[fd00::1]:3", "[fd00::1]:3"),
        ] {
            assert_eq!(with_port(given), wanted);
        }
    }
}
