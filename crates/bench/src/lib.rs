//! Measures what SPECIFICATION.md promises, as a client over HTTP.
//!
//! `madang bench` calls [`run`] and prints the [`Report`]. It starts its own servers with a home that goes away, unless it is pointed at
//! one; it never reaches into a server, and what a peer cannot do here is said rather than left out silently.
//! Start at [`start`] for the promise that matters most, at [`peer`] for whom we compare with.

mod app;
mod census;
mod compile;
mod density;
mod folder;
mod machine;
mod peer;
mod proxy;
mod query;
mod report;
mod reservation;
mod sample;
mod schedule;
mod server;
mod start;
mod suspend;
mod throughput;

use std::{io, path::PathBuf, time::Duration};

use madang_client::{ClientError, Endpoint};

pub use report::Report;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    /// A fresh sandbox from asking to answer, beside bare processes and other sandboxes.
    Start,
    /// Fresh sandboxes per second, and compile jobs beside the bare compiler.
    Throughput,
    /// Live idle sessions, what one costs, what teardown leaves behind.
    Density,
    /// Round trip in a live session.
    Query,
    /// Compile-and-run jobs beside the bare compiler.
    Compile,
    /// Reserved slots ready at their time, and a class that starts in them.
    Reservation,
    /// A large file in and out of a folder beside nginx, small files as one archive, an upload that is cut.
    Folder,
    /// The scheduler by itself, and a control process with a thousand nodes that are simulated.
    Schedule,
    /// JupyterLab in a new session, kept started and from nothing, beside JupyterHub's spawn.
    App,
    /// Sessions suspended and resumed at random while they are asked.
    Suspend,
    /// The proxy for apps beside nginx as the proxy of the same upstream.
    Proxy,
}

impl Bench {
    pub fn name(self) -> &'static str {
        match self {
            Bench::Start => "start",
            Bench::Throughput => "throughput",
            Bench::Density => "density",
            Bench::Query => "query",
            Bench::Compile => "compile",
            Bench::Reservation => "reservation",
            Bench::Folder => "folder",
            Bench::Schedule => "schedule",
            Bench::Proxy => "proxy",
            Bench::Suspend => "suspend",
            Bench::App => "app",
        }
    }
}

/// How to measure. What is none takes each benchmark's own default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This program, to start servers and to measure as a command.
    pub madang: PathBuf,
    /// A server to measure instead of one that we start; what needs our own is then left out.
    pub endpoint: Option<Endpoint>,
    /// `throughput`, `compile`, `suspend`, `proxy`: how long to load the server; `reservation`: how long ahead.
    pub duration: Option<Duration>,
    /// `throughput`, `compile`, `density`, `suspend`, `proxy`: requests in flight at once.
    pub concurrency: Option<usize>,
    /// `start`, `query`, `suspend`, `folder`, `proxy`, `app`: how often.
    pub rounds: Option<usize>,
    /// `density`, `reservation`, `suspend`, `proxy`: how many sessions.
    pub sessions: Option<usize>,
    /// `folder`: how large the large file is.
    pub bytes: Option<u64>,
    /// `schedule`: how many nodes join.
    pub nodes: Option<usize>,
    /// `schedule`: an empty database to measure lists on besides SQLite.
    pub database: Option<String>,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("the server that was started said: {0}")]
    Server(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("{0}")]
    Wrong(String),
}

impl BenchError {
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| BenchError::Io { doing, source }
    }
}

/// Measures; takes a minute or two. Must be called outside any runtime.
pub fn run(bench: Bench, settings: &Settings) -> Result<Report, BenchError> {
    // One thread: the machine's other cores belong to the server.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the benchmark"))?;
    let mut report = Report::new(bench);
    runtime.block_on(async {
        match bench {
            Bench::Start => start::measure(settings, &mut report).await,
            Bench::Throughput => throughput::measure(settings, &mut report).await,
            Bench::Density => density::measure(settings, &mut report).await,
            Bench::Query => query::measure(settings, &mut report).await,
            Bench::Compile => compile::measure(settings, &mut report).await,
            Bench::Reservation => reservation::measure(settings, &mut report).await,
            Bench::Folder => folder::measure(settings, &mut report).await,
            Bench::Schedule => schedule::measure(settings, &mut report).await,
            Bench::Proxy => proxy::measure(settings, &mut report).await,
            Bench::App => app::measure(settings, &mut report).await,
            Bench::Suspend => suspend::measure(settings, &mut report).await,
        }
    })?;
    Ok(report)
}
