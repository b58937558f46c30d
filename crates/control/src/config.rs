//! What the server can be told. `cli` reads files and environment; here everything is typed.

use std::{net::SocketAddr, path::PathBuf};

use madang_model::{AppsAddress, Limits};
use madang_store::{ResultsConfig, StoreConfig};

use crate::signin::{address::AddressRange, oidc::ProviderConfig, rate::RateLimits};

/// Settings of the control plane. [`ControlConfig::new`] gives the defaults for a directory.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// Directory of `madang.db`, `admin.token` and, unless told otherwise, `madang.sock`. Made with mode 0700 if it is not there.
    pub home: PathBuf,
    /// Where records are kept. None: `madang.db` in `home`.
    pub database: Option<StoreConfig>,
    /// Where other control processes on the same database reach this one: `http://host:port`. None: at `listen`.
    pub advertise: Option<String>,
    /// TCP address where nodes on other machines dial; port 0 takes a free one. None: no such nodes.
    pub nodes_listen: Option<SocketAddr>,
    /// `host:port` where nodes reach this one. None: at `nodes_listen`.
    pub nodes_advertise: Option<String>,
    /// TCP address; port 0 takes a free one, see [`Server::address`](crate::Server::address). None: no TCP.
    pub listen: Option<SocketAddr>,
    /// TCP address for SSH; port 0 takes a free one. None: no SSH.
    pub ssh_listen: Option<SocketAddr>,
    /// Unix socket; its peers are known by their uid. None: no socket.
    pub socket: Option<PathBuf>,
    /// Permission bits of the Unix socket: 0o600, or 0o660 for a group.
    pub socket_mode: u32,
    /// Connections at once, for each address that is listened on; more wait to be taken.
    pub connections_max: usize,
    /// The most anybody may ask for one run or session.
    pub limits_max: Limits,
    /// Live sessions.
    pub sessions_max: usize,
    /// Runs in progress.
    pub runs_max: usize,
    /// Longest life of a session, and its default.
    pub session_timeout_ms_max: u64,
    /// Default of the time after which a session with nothing to do ends.
    pub session_idle_ms: u64,
    /// Sessions that say nothing of it are suspended when they were idle for so long; 0: never by themselves.
    pub session_suspend_idle_ms: u64,
    /// How long creating a session waits for its start before it answers with a session that is still starting.
    pub session_start_wait_ms: u64,
    /// A node that was not heard for so long is silent: nothing new goes there, and what was asked of it has failed.
    pub node_silent_ms: u64,
    /// What is on a node that was not heard for so long is given up.
    pub node_lease_ms: u64,
    /// Where several processes share a database: what one leads another takes over when it was not heard for so long.
    pub lease_ms: u64,
    /// How long a request waits for a process that leads, or a node that has not dialled yet. Longer than a lease lasts.
    pub leader_wait_ms: u64,
    /// How long an answer waits for what other processes know.
    pub process_wait_ms: u64,
    /// How long whoever runs a task by hand waits for its end.
    pub task_wait_ms: u64,
    /// How long runs in progress may go on once the server drains.
    pub drain_ms: u64,
    /// How long those that end with the server may take to do so once that time is over; half of it before they are given up.
    pub cancel_ms: u64,
    /// Time between two looks of the reconciler; it also looks whenever the node reports a change. Five seconds is the promise.
    pub reconcile_ms: u64,
    /// Time between two looks at how much of sessions their programs use.
    pub utilization_ms: u64,
    /// Time between two looks at what another process may have changed of people and the service; hints make it sooner.
    pub refresh_ms: u64,
    /// A process that has been there for so long is given the resource groups that it should lead.
    pub handover_ms: u64,
    /// Finished runs, ended sessions and idempotency keys are kept for so many days.
    pub keep_days: u64,
    /// At most so many runs are kept.
    pub keep_runs: u64,
    /// Entries of the audit log are kept for so many days.
    pub keep_audit_days: u64,
    /// Records of use are kept for so many days; their sums by day stay.
    pub keep_usage_days: u64,
    /// The file with the server's key, mode 0600; made if it is not there. None: `server.key` in `home`, or the database where it is shared.
    pub key_file: Option<PathBuf>,
    /// Where people reach the server, as in `https://madang.example.org`. None: where they say they did.
    pub public_url: Option<String>,
    /// Where people reach apps of sessions. None: nowhere, and whoever opens one is told so.
    pub apps: Option<AppsAddress>,
    /// Proxies whose word about a client's address and TLS is taken.
    pub trusted_proxies: Vec<AddressRange>,
    /// How long a connection may take for the head of its next request.
    pub head_wait_ms: u64,
    /// How long a request's body may stand still; the whole body of somebody who has not signed in may take no longer.
    pub body_wait_ms: u64,
    /// How long what somebody still sends who was refused is read, so that they can read why.
    pub linger_ms: u64,
    /// How often anybody may ask.
    pub rates: RateLimits,
    /// Where large results of runs are kept. None: with the others, in the database.
    pub results: Option<ResultsConfig>,
    /// Other providers that know our users.
    pub providers: Vec<ProviderConfig>,
}

impl ControlConfig {
    /// The defaults: loopback, port 8686, the socket in `home`.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8686))),
            ssh_listen: None,
            socket: Some(home.join("madang.sock")),
            socket_mode: 0o600,
            home,
            database: None,
            advertise: None,
            nodes_listen: None,
            nodes_advertise: None,
            connections_max: 16_384,
            limits_max: Limits {
                wall_ms: 24 * 3_600_000,
                cpu_ms: 24 * 3_600_000,
                memory_bytes: 64 << 30,
                disk_bytes: 64 << 30,
                pids: 32_768,
                open_files: 65_536,
                output_bytes: 64 << 20,
                cpu_millis: 64_000,
            },
            sessions_max: 20_000,
            runs_max: 10_000,
            session_timeout_ms_max: 7 * 86_400_000,
            session_idle_ms: 3_600_000,
            session_suspend_idle_ms: 0,
            session_start_wait_ms: 10_000,
            node_silent_ms: 5_000,
            node_lease_ms: 120_000,
            lease_ms: 3_000,
            leader_wait_ms: 10_000,
            process_wait_ms: 3_000,
            task_wait_ms: 10_000,
            drain_ms: 10_000,
            cancel_ms: 4_000,
            reconcile_ms: 2_000,
            utilization_ms: 60_000,
            refresh_ms: 1_000,
            handover_ms: 300_000,
            keep_days: 7,
            keep_runs: 100_000,
            keep_audit_days: 400,
            keep_usage_days: 400,
            key_file: None,
            public_url: None,
            apps: None,
            trusted_proxies: Vec::new(),
            // Proxies keep connections for a minute.
            head_wait_ms: 65_000,
            body_wait_ms: 30_000,
            linger_ms: 2_000,
            rates: RateLimits::default(),
            results: None,
            providers: Vec::new(),
        }
    }
}
