//! What processes with a role of their own are told: a server, a control process, a node.

use std::path::PathBuf;

use clap::Args;
use madang_model::AppsAddress;
use madang_node::device::{DeviceConfig, FakeDevices, NvmlConfig, SHARES_MAX};
use madang_store::StoreConfig;

use super::OnOff;

/// Where apps of sessions are opened.
#[derive(Debug, Clone, Args)]
pub struct AppsArgs {
    /// Address and port to serve apps of sessions on, never the API's; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub apps_listen: Option<std::net::SocketAddr>,
    /// Where people reach that address, as in https://apps.example.org [default: http:// and the address listened on]
    #[arg(long, value_name = "URL")]
    pub apps_url: Option<AppsAddress>,
    /// A domain in which every app has a host name of its own; a wildcard in the name service points it to that address
    #[arg(long, value_name = "DOMAIN")]
    pub apps_domain: Option<String>,
}

/// What a server is told, with a node of its own or without.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one [default: what MADANG_CONFIG says, else 127.0.0.1:8686]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Let people into their sessions over SSH at this address and port; port 0 takes a free one [default: what MADANG_CONFIG says, else
    /// no SSH]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub ssh_listen: Option<std::net::SocketAddr>,
    /// Data directory [default: $MADANG_HOME, else /var/lib/madang as root and ~/.local/share/madang for others]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database: `postgres://user@host/name`, or the path of a file of SQLite [default: what MADANG_CONFIG says, else madang.db in the
    /// data directory]
    #[arg(long, value_name = "URL")]
    pub database: Option<StoreConfig>,
    /// Where other control processes on the same database reach this one [default: http:// and the address listened on]
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Where nodes on other machines reach this one [default: the address nodes are listened for on]
    #[arg(long, value_name = "HOST:PORT")]
    pub nodes_advertise: Option<String>,
    #[command(flatten)]
    pub apps: AppsArgs,
}

/// Where a node's accelerators come from. NVIDIA's are found by themselves.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// Declare accelerators that are none, to try things out, as in fake:2 or fake:2:4; repeat it for more kinds
    #[arg(long, value_name = "KIND:COUNT[:SHARES]")]
    pub fake_accelerator: Vec<FakeDevices>,
    /// So many sandboxes may take turns on each accelerator that is found; 1: each is given whole only
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(SHARES_MAX)))]
    pub accelerator_shares: u32,
}

impl From<DeviceArgs> for DeviceConfig {
    fn from(args: DeviceArgs) -> Self {
        let nvml = NvmlConfig { shares: args.accelerator_shares, ..NvmlConfig::default() };
        Self { fakes: args.fake_accelerator, nvml }
    }
}

/// Settings of the whole server on one machine.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Take nodes on other machines as well, at this address and port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub nodes_listen: Option<std::net::SocketAddr>,
    /// Keep sandboxes started ahead of need
    #[arg(long, default_value = "on", value_name = "on|off")]
    pub pools: OnOff,
    #[command(flatten)]
    pub devices: DeviceArgs,
}

/// Settings of a control process without a node of its own.
#[derive(Debug, Clone, Args)]
pub struct ControlArgs {
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Address and port where nodes dial; port 0 takes a free one [default: what MADANG_CONFIG says, else 127.0.0.1:8687]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub nodes_listen: Option<std::net::SocketAddr>,
}

/// Settings of a node.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Where the control plane takes nodes; several, separated by commas, where it is several processes. Port 8687 where none is named
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',', required = true)]
    pub join: Vec<String>,
    /// What `madang admin node-token create` printed; needed once
    #[arg(long, env = "MADANG_NODE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// What the node is called; this machine's name where left out
    #[arg(long)]
    pub name: Option<String>,
    /// Data directory [default: $MADANG_HOME, else /var/lib/madang as root and ~/.local/share/madang for others]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Something to say of this machine; repeat it for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Keep sandboxes started ahead of need
    #[arg(long, default_value = "on", value_name = "on|off")]
    pub pools: OnOff,
    #[command(flatten)]
    pub devices: DeviceArgs,
    #[command(flatten)]
    pub apps: AppsArgs,
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "it looks like KEY=VALUE".to_owned())
}
