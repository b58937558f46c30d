//! The madang binary: every role, one command line.
//!
//! People and scripts call it; it talks to a server through `madang-client` and starts one with `madang up`. It holds no rules of its own:
//! what may be asked and what comes of it is the server's to say. Start at [`args`] for the commands, at [`exit`] for how they end,
//! at [`run`] for the one that matters most, at [`up`] for the server.

mod admin;
mod app;
mod args;
mod bench;
mod bench_control;
mod bench_proxy;
mod config;
mod control;
mod copy;
mod descriptors;
mod doctor;
mod exec;
mod exit;
mod folder;
mod image;
mod key;
mod lists;
mod log;
mod node;
mod print;
mod proxy;
mod query;
mod run;
mod session;
mod smoke;
mod stdin;
mod storage;
mod terminal;
mod up;
mod usage;
mod watch;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::{
    args::{Cli, Command, Later},
    exit::Failure,
};

/// Requests come and go with a dozen small pieces each, on threads of their own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    // The spawner clones itself and must be alone: before any thread, runtime or allocation of ours.
    if std::env::args_os().nth(1).is_some_and(|first| first == madang_sandbox::spawner::SUBCOMMAND) {
        std::process::exit(madang_sandbox::spawner::serve());
    }
    let code = match Cli::try_parse() {
        Ok(cli) => dispatch(cli),
        Err(error) => exit::usage(&error),
    };
    // Reading standard input may be stuck in a thread; nobody waits for it.
    std::process::exit(code.into());
}

fn dispatch(cli: Cli) -> u8 {
    let ended = match cli.command {
        Command::Up(Later(args)) => up::run(args),
        Command::Control(Later(args)) => control::run(args),
        Command::Node(Later(args)) => node::run(*args),
        Command::Bench(Later(args)) => bench::run(args),
        Command::BenchControl(Later(args)) => bench_control::run(args),
        Command::BenchProxy(Later(args)) => bench_proxy::run(args),
        command => runtime().and_then(|runtime| runtime.block_on(talk(command))),
    };
    ended.unwrap_or_else(|failure| {
        print::complain(&failure.line);
        failure.code
    })
}

/// Client commands need one thread and no more.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("starting: {error}")))
}

async fn talk(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(args) => run::run(*args).await,
        Command::Session(Later(args)) => session::run(args).await,
        Command::Exec(Later(args)) => exec::exec(args).await,
        Command::Attach(Later(args)) => exec::attach(args).await,
        Command::App(Later(args)) => app::run(*args).await,
        Command::Query(Later(args)) => query::run(args).await,
        Command::Logs(Later(args)) => lists::logs(args).await,
        Command::Cp(Later(args)) => copy::run(args).await,
        Command::Folder(Later(args)) => folder::run(args).await,
        Command::Image(Later(args)) => image::run(args).await,
        Command::Lang(Later(args)) => lists::languages(args).await,
        Command::Usage(Later(args)) => usage::run(args).await,
        Command::Key(Later(args)) => key::run(args).await,
        Command::Admin(Later(args)) => admin::run(args).await,
        Command::Doctor(Later(args)) => doctor::run(args).await,
        Command::Version(Later(args)) => lists::version(args).await,
        Command::Smoke(Later(args)) => smoke::run(args).await,
        Command::Up(_)
        | Command::Control(_)
        | Command::Node(_)
        | Command::Bench(_)
        | Command::BenchControl(_)
        | Command::BenchProxy(_) => Err(Failure::internal("this command takes another way".to_owned())),
    }
}
