//! The command line: what may be said, and nothing of what it does.

mod bench;
mod cluster;
mod later;
mod network;
mod serve;

use std::path::PathBuf;

use crate::admin::AdminArgs;
use clap::{Args, Parser, Subcommand};
use madang_ids::{ByteSize, Millis};
use madang_model::LimitsAsked;

pub use bench::{BenchArgs, BenchControlArgs, BenchName, BenchProxyArgs};
pub use cluster::{ClusterMode, SandboxArgs};
pub use later::Later;
pub use network::NetworkArgs;
pub use serve::{AppsArgs, ControlArgs, NodeArgs, ServeArgs, UpArgs};

/// A private sandbox for any program, in milliseconds.
#[derive(Debug, Parser)]
#[command(name = "madang", disable_version_flag = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine; prints the address and how to sign in
    Up(Later<UpArgs>),
    /// Start a control plane whose nodes are other machines; several on one PostgreSQL stand in for each other
    Control(Later<ControlArgs>),
    /// Make this machine a node of a control plane elsewhere
    Node(Later<Box<NodeArgs>>),
    /// Run a program in a fresh sandbox
    Run(Box<RunArgs>),
    /// Create, list and end sessions
    Session(Later<SessionArgs>),
    /// Run a command in a session
    Exec(Later<ExecArgs>),
    /// Run code in a session's interpreter, which keeps its state
    Query(Later<QueryArgs>),
    /// Open an app in a session, such as JupyterLab, or a tunnel to a port of it
    App(Later<Box<crate::app::AppArgs>>),
    /// Open a terminal in a session
    Attach(Later<AttachArgs>),
    /// Print what a session's programs wrote
    Logs(Later<LogsArgs>),
    /// Copy files into or out of a session or a folder: `madang cp FILE SESSION:PATH`, `madang cp FILE folder:NAME/PATH`, or the other way
    /// round
    Cp(Later<CpArgs>),
    /// Make, share and remove folders, which outlive sessions
    Folder(Later<crate::folder::FolderArgs>),
    /// Pull, import, list and remove images
    Image(Later<ImageArgs>),
    /// Languages
    Lang(Later<LangArgs>),
    /// Say what you have used, and what it cost
    Usage(Later<crate::usage::UsageArgs>),
    /// Your keys: `madang key ssh add ~/.ssh/id_ed25519.pub`
    Key(Later<crate::key::KeyArgs>),
    /// Administer a server: access keys, one-time links, the audit log, copies of its database
    Admin(Later<AdminArgs>),
    /// Say what works here, what is missing, and what that costs
    Doctor(Later<JsonArgs>),
    /// Measure what SPECIFICATION.md promises
    Bench(Later<BenchArgs>),
    /// Print the versions of this program and of the server
    Version(Later<JsonArgs>),
    /// Greet from every available language through the public API
    #[command(hide = true)]
    Smoke(Later<SmokeArgs>),
    /// The control process that `bench schedule` measures
    #[command(hide = true)]
    BenchControl(Later<BenchControlArgs>),
    /// The proxy that `bench proxy` measures
    #[command(hide = true)]
    BenchProxy(Later<BenchProxyArgs>),
}

#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A switch with a word for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The program: one file, several, or a directory; the first with the language's extension is the main one. `-` reads it from
    /// standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Language; told by the main file's extension where left out
    #[arg(long, value_name = "L")]
    pub lang: Option<String>,
    /// Image; this machine's own software where left out
    #[arg(long)]
    pub image: Option<String>,
    /// Standard input from a file; `-` reads all of ours first
    #[arg(long, value_name = "F", conflicts_with = "input")]
    pub stdin: Option<PathBuf>,
    /// Run against this input; repeat it for a table of outcomes
    #[arg(long, value_name = "F")]
    pub input: Vec<PathBuf>,
    /// An argument for the program; repeat it for more
    #[arg(long = "arg", value_name = "A", allow_hyphen_values = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Print the result as JSON when it has finished
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct LimitArgs {
    /// Time limit, wall and CPU: 10s, 250ms, 5m
    #[arg(long, value_name = "TIME")]
    pub time: Option<Millis>,
    /// Memory limit: 256MiB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Limit on files written: 128MiB
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<ByteSize>,
    /// Limit on output: 8MiB
    #[arg(long, value_name = "SIZE")]
    pub output: Option<ByteSize>,
    /// Limit on processes and threads
    #[arg(long, value_name = "N")]
    pub pids: Option<u64>,
}

impl LimitArgs {
    pub fn asked(&self) -> LimitsAsked {
        LimitsAsked {
            wall_ms: self.time.map(|time| time.0),
            cpu_ms: self.time.map(|time| time.0),
            memory_bytes: self.memory.map(|size| size.0),
            disk_bytes: self.disk.map(|size| size.0),
            output_bytes: self.output.map(|size| size.0),
            pids: self.pids,
            ..LimitsAsked::default()
        }
    }
}

#[derive(Debug, Args)]
pub struct SessionArgs {
    #[command(subcommand)]
    pub command: SessionCommand,
}

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Create a session and print its id
    Create(Box<SessionCreateArgs>),
    /// List sessions that live
    Ls {
        /// Those that have ended too
        #[arg(long)]
        all: bool,
        /// Only those: `state:running,queued owner:ada image:host name:train* tag:course=ml created>=2026-01-02`
        #[arg(long, default_value_t)]
        filter: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Show one session
    Info {
        session: String,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// End sessions and everything in them
    Rm {
        #[arg(required = true)]
        sessions: Vec<String>,
    },
    /// Let a session's programs stand still and give its memory back; whatever uses it next resumes it
    Suspend {
        session: String,
        /// Also runs that are in progress
        #[arg(long)]
        now: bool,
    },
    /// Make an image of what is in a session's work directory
    Commit {
        session: String,
        /// What to call the image
        name: String,
        /// Also files that look like secrets
        #[arg(long)]
        allow_secrets: bool,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Let a suspended session go on
    Resume { session: String },
    /// End every program in a session and start its interpreter anew; files stay
    Restart {
        session: String,
        #[command(flatten)]
        at: SandboxArgs,
    },
    /// Interrupt what a session's interpreter is doing
    Interrupt {
        session: String,
        #[command(flatten)]
        at: SandboxArgs,
    },
}

#[derive(Debug, Args)]
pub struct SessionCreateArgs {
    /// Language
    #[arg(long, value_name = "L")]
    pub lang: Option<String>,
    /// Image; this machine's own software where left out
    #[arg(long)]
    pub image: Option<String>,
    /// The app that will be opened in it first; one that is kept started opens at once
    #[arg(long)]
    pub app: Option<String>,
    /// A name, unique among sessions that live
    #[arg(long)]
    pub name: Option<String>,
    /// CPUs, fractions allowed
    #[arg(long, allow_negative_numbers = true, value_parser = cpus)]
    pub cpu: Option<f64>,
    /// Memory limit: 256MiB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Limit on files written: 128MiB
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<ByteSize>,
    /// Limit on processes and threads
    #[arg(long, value_name = "N")]
    pub pids: Option<u64>,
    /// Accelerators of a kind: so many devices, or a share of one, as in cuda=0.5
    #[arg(long, value_name = "KIND=AMOUNT")]
    pub accelerator: Vec<String>,
    /// A label that its node must have
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// An environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// A folder that its programs see, at its name or at a path below /home/work; `:ro` for reading only
    #[arg(long, value_name = "FOLDER[:PATH][:ro|:rw]")]
    pub mount: Vec<String>,
    /// A tag
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,
    /// End the session this long after its start
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Millis>,
    /// End the session when nothing has run in it for this long
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<Millis>,
    /// Suspend the session when nothing has run in it for this long; 0: never
    #[arg(long, value_name = "TIME")]
    pub suspend_after: Option<Millis>,
    /// Resource group
    #[arg(long)]
    pub group: Option<String>,
    /// Higher starts earlier
    #[arg(long, allow_negative_numbers = true)]
    pub priority: Option<i64>,
    /// Start once the session of this id has ended well
    #[arg(long, value_name = "SESSION")]
    pub after: Vec<String>,
    /// Give up when it has waited for so long
    #[arg(long, value_name = "TIME")]
    pub wait: Option<Millis>,
    /// Start anew on another node when its own is lost
    #[arg(long)]
    pub restart: bool,
    /// Run this shell command and end with it
    #[arg(long, value_name = "COMMAND")]
    pub batch: Option<String>,
    /// So many sandboxes, `main1`, `sub1`, …, which start and end together
    #[arg(long, value_name = "N")]
    pub cluster: Option<u32>,
    /// Where they may be
    #[arg(long, value_name = "MODE", requires = "cluster", default_value = "single-node")]
    pub cluster_mode: ClusterMode,
    /// Take the session of this name where there is one
    #[arg(long, requires = "name")]
    pub reuse: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExecArgs {
    pub session: String,
    #[command(flatten)]
    pub at: SandboxArgs,
    /// Run it on a terminal
    #[arg(short = 't', long = "tty")]
    pub terminal: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Print the result as JSON when it has finished
    #[arg(long, conflicts_with = "terminal")]
    pub json: bool,
    /// Program and arguments, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    pub argv: Vec<String>,
}

#[derive(Debug, Args)]
pub struct QueryArgs {
    pub session: String,
    /// Code; `-` or nothing reads it from standard input
    #[arg(allow_hyphen_values = true)]
    pub code: Option<String>,
    #[command(flatten)]
    pub at: SandboxArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Print the result as JSON when it has finished
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AttachArgs {
    pub session: String,
    #[command(flatten)]
    pub at: SandboxArgs,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    pub session: String,
    #[command(flatten)]
    pub json: JsonArgs,
}

#[derive(Debug, Args)]
pub struct CpArgs {
    /// A file, a directory, `-`, SESSION:PATH, or folder:NAME/PATH
    pub source: String,
    /// A file, a directory, `-`, SESSION:PATH, or folder:NAME/PATH
    pub destination: String,
    #[command(flatten)]
    pub at: SandboxArgs,
}

#[derive(Debug, Args)]
pub struct ImageArgs {
    #[command(subcommand)]
    pub command: ImageCommand,
}

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Fetch an image from a registry
    Pull(PullArgs),
    /// Import an OCI layout or a `docker save` archive
    Import {
        file: PathBuf,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Send an image to a registry, from here
    Push(PushArgs),
    /// Make an image from a recipe: a base, files, and commands that run in a session
    Build {
        /// A TOML file; `docs/howto/suggested-images.md` has some
        recipe: PathBuf,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Bring an image that was made of a session to nodes ahead of its use
    Prefetch {
        image: String,
        /// Names or ids; every node that takes sessions where left out
        nodes: Vec<String>,
    },
    /// Write an image to a file, as an OCI layout in a tar
    Export { image: String, file: PathBuf },
    /// List images
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Let members of your project use an image that you made of a session
    Share { image: String },
    /// Let nobody but yourself use it any more
    Unshare { image: String },
    /// Remove images and what only they needed
    Rm {
        #[arg(required = true)]
        images: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct PullArgs {
    /// As in `registry.example.org/team/image:tag`
    pub reference: String,
    /// What to call it here; the reference where left out
    #[arg(long)]
    pub name: Option<String>,
    /// Sign in as this user, with the password in MADANG_REGISTRY_PASSWORD
    #[arg(long)]
    pub user: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PushArgs {
    /// One that was made of a session, or one in this machine's store
    pub image: String,
    /// As in `registry.example.org/team/image:tag`
    pub reference: String,
    /// Sign in as this user, with the password in MADANG_REGISTRY_PASSWORD
    #[arg(long)]
    pub user: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LangArgs {
    #[command(subcommand)]
    pub command: LangCommand,
}

#[derive(Debug, Subcommand)]
pub enum LangCommand {
    /// List languages, with versions; an unavailable one says why
    Ls {
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub fn cpus(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if f64::is_finite(number) && number > 0.0 => Ok(number),
        _ => Err("a number above 0".to_owned()),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a whole number from 1 on".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct SmokeArgs {
    /// Wait this long for the server to come up
    #[arg(long, default_value = "0s", value_name = "TIME")]
    pub wait: Millis,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
