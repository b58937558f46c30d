//! What the benchmarks are told.

use std::path::PathBuf;

use clap::Args;
use madang_client::Endpoint;
use madang_ids::{ByteSize, Millis};

use super::positive;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What to measure
    pub bench: BenchName,
    /// A server to measure instead of one that the benchmark starts
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// How long throughput and compile load the server
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Millis>,
    /// Requests in flight at once
    #[arg(long, value_name = "N", value_parser = positive)]
    pub concurrency: Option<usize>,
    /// How often start, query, folder and app measure
    #[arg(long, value_name = "N", value_parser = positive)]
    pub rounds: Option<usize>,
    /// How many sessions density keeps alive
    #[arg(long, value_name = "N", value_parser = positive)]
    pub sessions: Option<usize>,
    /// How large a file folder moves
    #[arg(long, value_name = "SIZE")]
    pub size: Option<ByteSize>,
    /// How many simulated nodes join for schedule
    #[arg(long, value_name = "N", value_parser = positive)]
    pub nodes: Option<usize>,
    /// An empty PostgreSQL database where schedule lists sessions, besides SQLite
    #[arg(long, value_name = "URL", env = "MADANG_TEST_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// Write the JSON to a file too
    #[arg(long, value_name = "F")]
    pub save: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchName {
    /// How long a fresh sandbox takes, beside bare processes and other sandboxes
    Start,
    /// Fresh sandboxes per second
    Throughput,
    /// Live idle sessions on this machine
    Density,
    /// Round trip in a live session
    Query,
    /// Compile-and-run jobs beside the bare compiler
    Compile,
    /// A class that starts in slots reserved a minute before
    Reservation,
    /// A large file in and out of a folder beside nginx, small files as an archive, an upload that is cut
    Folder,
    /// The scheduler by itself, and a control process with a thousand simulated nodes
    Schedule,
    /// JupyterLab in a new session, kept started and from nothing, beside JupyterHub's spawn
    App,
    /// Sessions suspended and resumed at random while they are asked
    Suspend,
    /// The proxy for apps beside nginx as the proxy of the same upstream
    Proxy,
}

#[derive(Debug, Args)]
pub struct BenchControlArgs {
    #[arg(long)]
    pub data: PathBuf,
    #[arg(long)]
    pub database: Option<String>,
}

#[derive(Debug, Args)]
pub struct BenchProxyArgs {
    #[arg(long)]
    pub upstream: std::net::SocketAddr,
}
