//! `Config → build → spawn → drain`: one server from its settings to its end.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use madang_model::{WebOrigin, person::ADMINISTRATOR};
use madang_node_api::Node;
use madang_public_api::LinkKind;
use madang_store::{ResultsConfigError, Store, StoreConfig, StoreError};
use madang_ticket::Verifier;
use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    task::JoinSet,
};

use crate::{
    ControlConfig, admin_token,
    app::{App, Failure, Stage, fleet::Fleet, folder_finder::FolderFinder, ssh::SshDoor},
    clock,
    connection::{serve_tcp, serve_unix},
    entrance::{self, Entrance, EntranceError},
    http, listen,
    signin::{Signin, SigninError, link},
    tasks,
};

const DATABASE: &str = "madang.db";
/// How long connections may take to end once streams were told to.
const CLOSE_MS_MAX: u64 = 2_000;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("making {path}")]
    Home { path: PathBuf, source: io::Error },
    #[error("opening the database")]
    Store(#[from] StoreError),
    #[error("keeping large results")]
    Results(#[from] ResultsConfigError),
    #[error(transparent)]
    AdminToken(#[from] admin_token::AdminTokenError),
    #[error(transparent)]
    Signin(#[from] SigninError),
    #[error("taking nodes in")]
    Entrance(#[from] EntranceError),
    #[error("a server without a node of its own needs an address where nodes dial")]
    NoNodes,
    #[error("listening on {address}")]
    Listen { address: String, source: io::Error },
    #[error("another server listens on {path}")]
    SocketInUse { path: PathBuf },
    #[error("reading what the last server left behind: {0}")]
    Recover(String),
}

/// Why a server stopped serving by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("a part of the server panicked")]
    Panicked,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    tcp: Option<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    nodes: Option<TcpListener>,
    beside: Vec<(&'static str, Router)>,
    ssh: Option<TcpListener>,
}

/// A server at work.
#[derive(Debug)]
pub struct Running {
    app: Arc<App>,
    parts: JoinSet<Result<(), ServeError>>,
    socket: Option<PathBuf>,
}

/// Stops a [`Running`] server from elsewhere: a signal handler, a test.
#[derive(Debug, Clone)]
pub struct StopHandle {
    app: Arc<App>,
}

impl StopHandle {
    /// Nothing new; runs in progress get `drain_ms`, then the server ends. Call on the first signal.
    pub fn drain(&self) {
        self.app.stage_raise(Stage::Draining);
    }

    /// Ends now. Call on the second signal.
    pub fn stop_now(&self) {
        self.app.stage_raise(Stage::Stopping);
    }
}

impl Server {
    /// Opens the database, makes the administrator's token at the first start, and binds the addresses. `node` is the one in this
    /// process; without it there must be an address where others dial.
    pub async fn build(mut config: ControlConfig, node: Option<Arc<dyn Node>>) -> Result<Self, StartError> {
        if node.is_none() && config.nodes_listen.is_none() {
            return Err(StartError::NoNodes);
        }
        let home = config.home.clone();
        make_home(&home).map_err(|source| StartError::Home { path: home.clone(), source })?;
        clock::resume(&home);
        let database = config.database.clone().unwrap_or_else(|| StoreConfig::sqlite(home.join(DATABASE)));
        if let Some(path) = database.path() {
            make_private(path).map_err(|source| StartError::Home { path: path.to_owned(), source })?;
        }
        let mut store = Store::open(&database).await?;
        if let Some(results) = &config.results {
            store.keep_results(results)?;
            tokio::spawn(results_probe(store.clone()));
        }
        admin_token::ensure(&home, &store).await?;
        let (tcp, unix, nodes) = bind(&mut config, database.is_shared()).await?;
        let ssh = bind_ssh(&mut config).await?;
        let signin = Signin::load(&config, &store).await?;
        let app = App::load(config, node, store, signin).await?;
        app.service_refresh().await?;
        app.budgets_judge().await.map_err(|failure| StartError::Recover(format!("{failure:?}")))?;
        if nodes.is_some() {
            // It was empty: the application is a moment old.
            let _ = app.entrance.set(Entrance::open(&app).await?);
        }
        if app.leadership.is_alone() {
            app.nodes_take_in(|_| true).await?;
            tasks::recover(&app, |_| true)
                .await
                .map_err(|failure: Failure| StartError::Recover(format!("{failure:?}")))?;
        } else {
            tasks::lead_first(&app).await.map_err(|error| StartError::Recover(error.to_string()))?;
        }
        Ok(Self { app, tcp, unix, nodes, beside: Vec::new(), ssh })
    }

    /// The nodes: whoever links others joins them here.
    pub fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.app.fleet)
    }

    /// Which node has a folder: whoever moves bytes for others asks it.
    pub fn folder_finder(&self) -> FolderFinder {
        FolderFinder::new(&self.app)
    }

    /// What tickets that this server signs are checked with.
    pub fn ticket_verifier(&self) -> Verifier {
        self.app.signin.tickets.verifier()
    }

    /// The time by which tickets expire, in milliseconds since 1970.
    pub fn clock(&self) -> Arc<dyn Fn() -> u64 + Send + Sync> {
        Arc::new(clock::wall_ms)
    }

    /// Has `router` answer beneath `path` beside the public API, on the same addresses: without our identities, limits and counts, which
    /// are in the way of large bodies, so it has to bring its own.
    #[must_use]
    pub fn beside(mut self, path: &'static str, router: Router) -> Self {
        self.beside.push((path, router));
        self
    }

    /// The TCP address that was bound.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The origin of the pages that may show apps in frames; None where nobody's may.
    pub fn embedder(&self) -> Option<WebOrigin> {
        self.app.framing().map(|framing| framing.embedder)
    }

    /// Where nodes dial.
    pub fn nodes_address(&self) -> Option<SocketAddr> {
        self.nodes.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where SSH clients connect.
    pub fn ssh_address(&self) -> Option<SocketAddr> {
        self.ssh.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What SSH clients know the server by, as in their file of known hosts.
    pub fn ssh_host_key(&self) -> String {
        self.app.ssh_host_key().fingerprint()
    }

    pub fn socket_path(&self) -> Option<&Path> {
        self.unix.as_ref().map(|(_, path)| path.as_path())
    }

    /// The file with the administrator's token.
    pub fn admin_token_path(&self) -> PathBuf {
        self.app.config.home.join(admin_token::FILE)
    }

    /// A one-time link for the administrator, while it has no password. Earlier ones are good no more.
    pub async fn first_link(&self) -> Result<Option<String>, StartError> {
        if self.app.store.password_get(ADMINISTRATOR).await?.is_some() {
            return Ok(None);
        }
        let Some(base) = self.app.own_url() else { return Ok(None) };
        let made = link::make(&self.app, ADMINISTRATOR, LinkKind::Invitation).await;
        let made = made.map_err(|failure| StartError::Recover(format!("{failure:?}")))?;
        Ok(Some(link::url(&base, &made.secret)))
    }

    /// Begins to answer.
    pub fn spawn(self) -> Running {
        let Self { app, tcp, unix, nodes, beside, ssh } = self;
        let beside = beside.into_iter();
        let router = beside.fold(http::router(&app), |router, (path, other)| router.nest_service(path, other));
        let mut parts = JoinSet::new();
        let socket = unix.as_ref().map(|(_, path)| path.clone());
        if let Some(listener) = tcp {
            parts.spawn(as_part(serve_tcp(Arc::clone(&app), listener, router.clone())));
        }
        if let Some((listener, _)) = unix {
            parts.spawn(as_part(serve_unix(Arc::clone(&app), listener, router)));
        }
        if let Some(listener) = nodes {
            parts.spawn(as_part(serve_nodes(Arc::clone(&app), listener)));
        }
        if let Some(listener) = ssh {
            parts.spawn(as_part(serve_ssh(Arc::clone(&app), listener)));
        }
        tasks::start(&app, |task| drop(parts.spawn(as_part(task))));
        parts.spawn(as_part(http::follow_all(Arc::clone(&app))));
        parts.spawn(as_part(drain(Arc::clone(&app))));
        Running { app, parts, socket }
    }
}

impl Running {
    pub fn handle(&self) -> StopHandle {
        StopHandle { app: Arc::clone(&self.app) }
    }

    /// Returns when the server has stopped: after [`StopHandle::drain`] or [`StopHandle::stop_now`], or because a part failed.
    pub async fn wait(mut self) -> Result<(), ServeError> {
        let mut result = Ok(());
        loop {
            let stopping = async {
                self.app.reached(Stage::Stopping).await;
                tokio::time::sleep(Duration::from_millis(CLOSE_MS_MAX)).await;
            };
            let ended = tokio::select! {
                ended = self.parts.join_next() => ended,
                () = stopping => {
                    tracing::warn!("connections that would not end are cut");
                    break;
                }
            };
            let Some(ended) = ended else { break };
            let ended = ended.unwrap_or(Err(ServeError::Panicked));
            if ended.is_err() && result.is_ok() {
                result = ended;
                self.app.stage_raise(Stage::Stopping);
            }
        }
        self.parts.shutdown().await;
        self.app.nodes_let_go(|_| true);
        self.app.leadership_end().await;
        if let Some(path) = &self.socket {
            // A file that is left behind is replaced at the next start.
            let _ = fs::remove_file(path);
        }
        result
    }
}

/// Says at the start what would else be said at the first large result.
async fn results_probe(store: Store) {
    match store.results_probe().await {
        Ok(()) => tracing::info!("large results are kept beside the database"),
        Err(error) => tracing::warn!(error = &error as &dyn Error, "large results stay in the database for now"),
    }
}

type Unix = (UnixListener, PathBuf);

/// Takes the addresses, and writes down what they have become.
async fn bind(
    config: &mut ControlConfig,
    is_shared: bool,
) -> Result<(Option<TcpListener>, Option<Unix>, Option<TcpListener>), StartError> {
    let tcp = match config.listen {
        Some(address) => Some(listen_tcp(address)?),
        None => None,
    };
    // As it was bound, should the port have been left open.
    config.listen = tcp.as_ref().and_then(|listener| listener.local_addr().ok());
    let unix = match config.socket.clone() {
        Some(path) => Some((listen_unix(&path, config.socket_mode).await?, path)),
        None => None,
    };
    let nodes = match config.nodes_listen {
        Some(address) => Some(entrance::listen(address)?),
        None => None,
    };
    config.nodes_listen = nodes.as_ref().and_then(|listener| listener.local_addr().ok());
    let reachable = |address: SocketAddr| !(is_shared && address.ip().is_unspecified());
    if config.advertise.is_none() && !config.listen.is_none_or(reachable) {
        tracing::warn!("no address to advertise: control processes on other machines cannot reach this one");
    }
    config.advertise = config.advertise.take().or_else(|| config.listen.map(|address| format!("http://{address}")));
    let nodes_address = config.nodes_listen.filter(|address| reachable(*address));
    config.nodes_advertise = config.nodes_advertise.take().or_else(|| nodes_address.map(|address| address.to_string()));
    Ok((tcp, unix, nodes))
}

async fn bind_ssh(config: &mut ControlConfig) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.ssh_listen else { return Ok(None) };
    let listener = listen_tcp(address)?;
    config.ssh_listen = listener.local_addr().ok();
    Ok(Some(listener))
}

async fn serve_ssh(app: Arc<App>, listener: TcpListener) {
    let door = Arc::new(SshDoor(Arc::clone(&app)));
    let connections_max = app.config.connections_max;
    madang_gateway::serve(listener, app.ssh_host_key(), door, connections_max, app.reached(Stage::Stopping)).await;
}

async fn serve_nodes(app: Arc<App>, listener: TcpListener) {
    if let Some(entrance) = app.entrance.get() {
        entrance.serve(Arc::clone(&app), listener).await;
    }
}

async fn as_part(task: impl Future<Output = ()>) -> Result<(), ServeError> {
    task.await;
    Ok(())
}

/// Waits for the drain to begin, then for the runs to end, cancels what is left, and stops the server.
async fn drain(app: Arc<App>) {
    app.reached(Stage::Draining).await;
    let orderly = async {
        tracing::info!(runs = app.runs_live().len(), "draining");
        if !runs_end_within(&app, app.config.drain_ms).await {
            // Those of sessions go on without us, and the next server takes them up.
            let ours = || app.runs_live().into_iter().filter(|run| run.facts.session.is_none());
            ours().for_each(|run| run.wish(crate::app::Wish::Cancel));
            let half_ms = app.config.cancel_ms / 2;
            if !ours_end_within(&app, half_ms).await {
                ours().for_each(|run| run.wish(crate::app::Wish::Abandon("the server stopped".to_owned())));
                ours_end_within(&app, half_ms).await;
            }
        }
    };
    tokio::select! {
        () = orderly => {}
        () = app.reached(Stage::Stopping) => {}
    }
    app.stage_raise(Stage::Stopping);
}

/// As [`runs_end_within`], for the runs that end with this server.
async fn ours_end_within(app: &App, ms: u64) -> bool {
    let mut count = app.runs_live_count();
    let none = async {
        while app.runs_live().iter().any(|run| run.facts.session.is_none()) {
            // The sender lives in `app`, so it cannot be gone.
            let _ = count.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_millis(ms), none).await.is_ok()
}

async fn runs_end_within(app: &App, ms: u64) -> bool {
    let mut count = app.runs_live_count();
    let none = count.wait_for(|count| *count == 0);
    tokio::time::timeout(Duration::from_millis(ms), none).await.is_ok()
}

fn make_home(home: &Path) -> io::Result<()> {
    if home.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home)
}

/// The database holds what people ran: only the server reads it. Its log takes the same mode from it.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn listen_tcp(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen(address).map_err(|source| StartError::Listen { address: address.to_string(), source })
}

/// A socket file nobody answers on is a dead server's and is replaced.
async fn listen_unix(path: &Path, mode: u32) -> Result<UnixListener, StartError> {
    let failed = |source| StartError::Listen { address: path.display().to_string(), source };
    if UnixStream::connect(path).await.is_ok() {
        return Err(StartError::SocketInUse { path: path.to_owned() });
    }
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}
