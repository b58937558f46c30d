//! `madang app`: services of a session, opened in a browser or over a tunnel.

use std::{
    io::IsTerminal as _,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
};

use clap::{Args, Subcommand};
use madang_client::{At, Attachment, Client, Said};
use madang_public_api::{AppCreate, app::AppLife};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    args::{JsonArgs, SandboxArgs},
    exit::Failure,
    print,
    print::Cell,
};

/// Bytes of a tunnel on their way at once.
const PIECE_BYTES: usize = 32 << 10;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct AppArgs {
    #[command(subcommand)]
    pub command: Option<AppCommand>,
    #[command(flatten)]
    pub open: OpenArgs,
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// List what sessions can open, or the apps of a session
    Ls {
        /// The session, by id or name; what can be opened where left out
        session: Option<String>,
        #[command(flatten)]
        at: SandboxArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// End an app of a session
    Rm {
        session: String,
        /// Its id or name
        app: String,
        #[command(flatten)]
        at: SandboxArgs,
    },
}

#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The session, by id or name
    pub session: Option<String>,
    /// The app, as `madang app ls` lists them; `port` for what the session's own programs listen on
    pub name: Option<String>,
    /// Where it listens, or where a program of the session does
    #[arg(long)]
    pub port: Option<u16>,
    /// Carry connections to this port of this machine into the app, until interrupted; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    pub local: Option<u16>,
    /// Open it in a browser
    #[arg(long)]
    pub open: bool,
    /// An argument for the app; repeat it for more
    #[arg(long = "arg", value_name = "A", allow_hyphen_values = true)]
    pub args: Vec<String>,
    #[command(flatten)]
    pub at: SandboxArgs,
    #[command(flatten)]
    pub json: JsonArgs,
}

pub async fn run(args: AppArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    match (args.command, args.open) {
        (Some(AppCommand::Ls { session: None, json, .. }), _) => offers(&client, json.json).await?,
        (Some(AppCommand::Ls { session: Some(session), at, json }), _) => {
            list(&client, at.of(&session), json.json).await?;
        }
        (Some(AppCommand::Rm { session, app, at }), _) => remove(&client, at.of(&session), &app).await?,
        (None, args) => open(&client, args).await?,
    }
    Ok(0)
}

async fn offers(client: &Client, json: bool) -> Result<(), Failure> {
    let offers = client.app_offers().await?;
    if json {
        return print::json(&offers);
    }
    let row = |offer: &madang_public_api::AppOffer| -> Vec<Cell> {
        let state = offer.unavailable.clone().unwrap_or_else(|| "available".to_owned());
        vec![offer.name.clone().into(), offer.title.clone().into(), print::judged(state, offer.available)]
    };
    print::table(&["NAME", "TITLE", "STATE"], &offers.iter().map(row).collect::<Vec<_>>())
}

async fn list(client: &Client, at: At<'_>, json: bool) -> Result<(), Failure> {
    let apps = client.apps(at).await?;
    if json {
        return print::json(&apps);
    }
    let row = |app: &madang_public_api::AppView| -> Vec<Cell> {
        let runs = app.state == AppLife::Running;
        let state = app.status.map_or_else(|| "running".to_owned(), |status| format!("ended ({status})"));
        vec![
            app.id.to_string().into(),
            app.name.clone().into(),
            app.port.to_string().into(),
            print::judged(state, runs),
        ]
    };
    print::table(&["ID", "NAME", "PORT", "STATE"], &apps.iter().map(row).collect::<Vec<_>>())
}

async fn remove(client: &Client, at: At<'_>, app: &str) -> Result<(), Failure> {
    let apps = client.apps(at).await?;
    for found in apps.iter().filter(|found| found.name == app || found.id.to_string() == app) {
        client.app_remove(at, &found.id.to_string()).await?;
    }
    Ok(())
}

async fn open(client: &Client, args: OpenArgs) -> Result<(), Failure> {
    let (Some(session), Some(name)) = (&args.session, &args.name) else {
        return Err(Failure::usage("which session, and which app?".to_owned()));
    };
    let create =
        AppCreate { name: name.clone(), port: args.port, arguments: args.args.clone(), ..AppCreate::default() };
    let at = args.at.of(session);
    let app = client.app_create(at, &create).await?;
    if args.json.json {
        print::json(&app)?;
    } else if let Some(url) = &app.url {
        print::say(&format!("{url}\n"))?;
    }
    if args.open {
        let url = app.url.as_ref().ok_or_else(|| no_address(app.no_url.as_deref()))?;
        browse(url)?;
    }
    match args.local {
        Some(local) => tunnel(client, at, app.port, local).await,
        None if app.url.is_none() && !args.json.json => Err(no_address(app.no_url.as_deref())),
        None => Ok(()),
    }
}

fn no_address(why: Option<&str>) -> Failure {
    let why = why.unwrap_or("the server gives no address");
    Failure::usage(format!("the app runs, but {why}; --local PORT carries connections to it"))
}

/// Whatever this machine opens addresses with.
fn browse(url: &str) -> Result<(), Failure> {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = std::process::Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    started.map(drop).map_err(|error| Failure::usage(format!("{program}: {error}; open the address by hand")))
}

/// Carries connections until interrupted.
async fn tunnel(client: &Client, at: At<'_>, port: u16, local: u16) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, local));
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| Failure::usage(format!("--local {local}: {error}")))?;
    let bound = listener.local_addr().map_err(|error| Failure::internal(error.to_string()))?;
    print::complain(&format!("http://{bound} leads into the session; Ctrl-C ends that"));
    if !std::io::stderr().is_terminal() {
        // Whoever reads this by a program.
        print::say(&format!("{bound}\n"))?;
    }
    let mut carried = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                match client.session_port(at, port).await {
                    Ok(attachment) => drop(carried.spawn(carry(stream, attachment))),
                    Err(error) => print::complain(&error.to_string()),
                }
            }
            Some(_) = carried.join_next() => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// One connection, until both sides have ended it or one is gone.
async fn carry(stream: TcpStream, attachment: Attachment) {
    let Attachment { mut input, mut output } = attachment;
    let (mut from, mut to) = stream.into_split();
    let up = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = from.read(&mut piece).await.unwrap_or(0);
            // An empty frame is the end of a direction.
            if input.input(piece[..count].to_vec()).await.is_err() || count == 0 {
                return;
            }
        }
    };
    let down = async {
        while let Ok(Some(Said::Bytes(bytes))) = output.next().await {
            if bytes.is_empty() {
                break;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // One that is gone needs no end.
        let _ = to.shutdown().await;
    };
    tokio::join!(up, down);
}
