//! Folders over HTTP, for whoever holds a ticket: `/{folder}/{files,list,stat,directories,move,search,uploads}/{path}`.
//!
//! Nothing is asked of control. Paths are taken from the URL as bytes, because a name need not be text; so routes are told apart here and
//! not by a router's patterns. Where to start: [`router`], then [`route`].

mod directory;
mod download;
mod gate;
mod problem;
mod query;
mod relay;
mod served;
mod traffic;
mod tus;
mod tus_head;
mod upload;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    response::Response,
};
use gate::Granted;
use madang_ids::FolderId;
use madang_ticket::{FolderMay, Verifier};
use problem::Problem;
use query::Query;
pub use relay::{Elsewhere, Stream};
pub use served::Served;
use traffic::Traffic;

use crate::{
    Roots, StorageError,
    transfer::{Pool, token},
    tree::{Tree, TreePath},
};

/// Unix time in milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// What all requests share.
pub(crate) struct Storage {
    /// Folders of this machine; none where all are elsewhere.
    roots: Option<Arc<dyn Roots>>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    verifier: Verifier,
    clock: Clock,
    pool: Arc<Pool>,
    traffic: Traffic,
}

type Shared = Arc<Storage>;

/// The service, to be nested wherever tickets lead: for the folders of this machine, and for those that are `elsewhere`.
pub fn router(
    roots: Option<Arc<dyn Roots>>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    verifier: Verifier,
    clock: Clock,
) -> Result<Router, StorageError> {
    let pool = Pool::new()?;
    let shared: Shared = Arc::new(Storage { roots, elsewhere, verifier, clock, pool, traffic: Traffic::default() });
    Ok(Router::new().fallback(answer).with_state(shared))
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let id = request_id(&request);
    let is_tus = tus::is_tus(&request);
    let mut response = match route(&shared, &id, request).await {
        Ok(response) => response,
        Err(problem) => problem.answer(&id),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Whatever a guest wrote runs nothing here, and what it links to learns no ticket.
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if is_tus {
        headers.insert(tus::RESUMABLE, HeaderValue::from_static(tus::VERSION));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// One request: its ticket was checked, and its path was read.
pub(crate) struct Asked {
    shared: Shared,
    granted: Granted,
    query: Query,
    path: TreePath,
}

async fn route(shared: &Shared, id: &str, request: Request) -> Result<Response, Problem> {
    let query = Query::read(request.uri().query().unwrap_or_default())?;
    let whole = request.uri().path().to_owned();
    let mut parts = whole.trim_start_matches('/').splitn(3, '/');
    let (folder, noun, rest) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let folder: FolderId = folder
        .and_then(|folder| folder.parse().ok())
        .ok_or_else(|| Problem::from(StorageError::NotFound("this folder".to_owned())))?;
    if noun == "uploads" && request.method() == Method::OPTIONS {
        return Ok(tus::options());
    }
    let granted = Granted::of(shared, folder, &request, &query)?;
    if let Some(stream) = shared.elsewhere(folder).await? {
        let turns = shared.traffic.relayed(granted.user)?;
        return relay::forward(stream, id, request, turns).await;
    }
    let method = request.method().clone();
    if noun == "uploads" {
        return tus::route(shared, granted, rest, request).await;
    }
    let asked = Asked { shared: Arc::clone(shared), granted, query, path: TreePath::from_percent(rest)? };
    match (noun, method.as_str()) {
        ("files", "GET" | "HEAD") => download::read(asked, request).await,
        ("files", "PUT") => upload::write(asked, request).await,
        ("files", "DELETE") => directory::remove(asked).await,
        ("files", _) => Err(Problem::method("GET, HEAD, PUT, DELETE")),
        ("list", "GET") => directory::list(asked).await,
        ("stat", "GET") => directory::stat(asked).await,
        ("search", "GET") => directory::search(asked).await,
        ("list" | "stat" | "search", _) => Err(Problem::method("GET")),
        ("directories", "POST") => directory::make(asked).await,
        ("move", "POST") => directory::rename(asked).await,
        ("directories" | "move", _) => Err(Problem::method("POST")),
        _ => Err(StorageError::NotFound("this path".to_owned()).into()),
    }
}

impl Storage {
    pub(crate) fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// A connection to whoever has the folder; none where this machine is to have it.
    async fn elsewhere(&self, folder: FolderId) -> Result<Option<Stream>, StorageError> {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.connect(folder).await,
            None => Ok(None),
        }
    }

    /// The folder, opened; what uploads and removals left there is swept now and then.
    pub(crate) async fn tree(&self, granted: &Granted) -> Result<Arc<Tree>, StorageError> {
        let folder = granted.folder;
        let roots = self.roots.clone().ok_or_else(|| StorageError::NotFound(format!("folder {folder}")))?;
        // With the server's own rights: a volume may have to be mounted.
        let opened = tokio::task::spawn_blocking(move || {
            let door = roots.door(folder)?;
            let root = roots.root(folder)?;
            let staging = match roots.staging(folder) {
                Ok(staging) => Ok(staging),
                Err(StorageError::Full(why)) => Err(why),
                Err(error) => return Err(error),
            };
            Ok(Arc::new(Tree::new(door, root, staging)))
        });
        let tree =
            opened.await.unwrap_or_else(|_| Err(StorageError::Unavailable("opening a folder broke off".into())))?;
        let now_ms = self.now_ms();
        if self.traffic.is_sweep_due(folder, now_ms) {
            let (hands, tree) = (Arc::clone(&granted.hands), Arc::clone(&tree));
            tokio::spawn(async move {
                let swept = hands.run_long(move |_| crate::transfer::sweep(&tree, now_ms)).await;
                if let Err(error) = swept {
                    tracing::warn!(%folder, %error, "what uploads have left could not be swept");
                }
            });
        }
        Ok(tree)
    }
}

impl Asked {
    /// The folder, for whoever may do this to the path that was asked for.
    pub(crate) async fn tree(&self, may: FolderMay) -> Result<Arc<Tree>, Problem> {
        self.granted.check(&self.path, may)?;
        Ok(self.shared.tree(&self.granted).await?)
    }

    /// Does it in a thread without rights.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deed: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.granted.hands.run(deed).await?)
    }
}

/// The client's own id if it is a plain one, else a new one.
fn request_id(request: &Request) -> String {
    let plain = |text: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| format!("req_{}", token().unwrap_or_default()), str::to_owned)
}
