//! What a sandbox may reach, as it is asked for and shown. Pure.

use madang_model::{AllowList, Network, network::AllowFault};
use madang_public_api::{NetworkAllow, NetworkAsked, NetworkPolicy};

use super::Failure;

pub(crate) fn asked(asked: Option<&NetworkAsked>) -> Result<Network, Failure> {
    match asked {
        None | Some(NetworkAsked::Policy(NetworkPolicy::None)) => Ok(Network::None),
        Some(NetworkAsked::Policy(NetworkPolicy::Internet)) => Ok(Network::Internet),
        Some(NetworkAsked::Allow(NetworkAllow { allow })) => {
            AllowList::parse(allow.iter().map(String::as_str)).map(Network::AllowList).map_err(|fault| failure(&fault))
        }
    }
}

fn failure(fault: &AllowFault) -> Failure {
    let field = match fault {
        AllowFault::Malformed { index, .. } | AllowFault::Version6 { index, .. } => format!("network.allow[{index}]"),
        AllowFault::TooMany => "network.allow".to_owned(),
    };
    Failure::invalid(field, fault.to_string())
}

pub(crate) fn view(network: &Network) -> NetworkAsked {
    match network {
        Network::AllowList(list) => NetworkAsked::Allow(NetworkAllow { allow: list.entries().collect() }),
        Network::None => NetworkAsked::Policy(NetworkPolicy::None),
        Network::Internet => NetworkAsked::Policy(NetworkPolicy::Internet),
    }
}
