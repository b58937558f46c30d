//! A server over folders in a temporary directory, which goes away with it.

use std::{
    fs,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::chown},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_ids::{FolderId, UserId};
use madang_storage::{Door, Roots, StorageError};
use madang_ticket::{FolderMay, Right, Signer, Ticket};
use rustix::{
    fs::{Mode, OFlags, open},
    process::geteuid,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::spawn_blocking};

use crate::client::Client;

/// Nothing takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two directories for each folder, side by side.
struct Directories(PathBuf);

impl Directories {
    fn open(&self, folder: FolderId, ending: &str) -> Result<OwnedFd, StorageError> {
        let path = self.0.join(format!("{folder}{ending}"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).map_err(|_| StorageError::NotFound("this folder".to_owned()))
    }
}

impl Roots for Directories {
    fn door(&self, _: FolderId) -> Result<Door, StorageError> {
        Ok(Door::default())
    }

    fn root(&self, folder: FolderId) -> Result<OwnedFd, StorageError> {
        self.open(folder, "")
    }

    fn staging(&self, folder: FolderId) -> Result<OwnedFd, StorageError> {
        self.open(folder, ".staging")
    }
}

pub struct Ground {
    pub folder: FolderId,
    pub now_ms: Arc<AtomicU64>,
    home: TempDir,
    signer: Signer,
    address: SocketAddr,
    serving: Option<Runtime>,
}

impl Ground {
    pub async fn new() -> Self {
        let home = TempDir::new().unwrap();
        let folder = FolderId::new();
        for ending in ["", ".staging"] {
            let path = home.path().join(format!("{folder}{ending}"));
            fs::create_dir(&path).unwrap();
            own(&path);
        }
        let signer = Signer::from_seed(&[7; 32]);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        // Ahead, so that files are not too young for strong tags.
        let now_ms = Arc::new(AtomicU64::new(u64::try_from(since.as_millis()).unwrap() + 600_000));
        let (address, serving) = serve(home.path(), &signer, &now_ms).await;
        Self { folder, now_ms, home, signer, address, serving: Some(serving) }
    }

    /// The server dies, with everything that it was about to do, and another comes.
    pub async fn restart(&mut self) {
        let before = self.serving.take().unwrap();
        spawn_blocking(move || before.shutdown_timeout(PATIENCE)).await.unwrap();
        let (address, serving) = serve(self.home.path(), &self.signer, &self.now_ms).await;
        (self.address, self.serving) = (address, Some(serving));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(self.folder.to_string()).join(name)
    }

    /// Names that are kept beside the folder.
    pub fn staged(&self) -> Vec<String> {
        let directory = fs::read_dir(self.home.path().join(format!("{}.staging", self.folder))).unwrap();
        directory.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    pub fn staged_path(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{}.staging/{name}", self.folder))
    }

    /// How much the longest of them holds.
    pub fn staged_bytes(&self) -> u64 {
        let of = |name: &String| fs::metadata(self.staged_path(name)).map_or(0, |meta| meta.len());
        self.staged().iter().map(of).max().unwrap_or(0)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        for above in path.parent().unwrap().ancestors().take_while(|above| above.starts_with(self.path(""))) {
            if !above.exists() {
                fs::create_dir_all(above).unwrap();
            }
        }
        fs::write(&path, bytes).unwrap();
        for above in path.ancestors().take_while(|above| **above != *self.path("")) {
            own(above);
        }
        path
    }

    pub fn ticket(&self, path: &str, may: FolderMay) -> String {
        let right = Right::Folder { folder: self.folder, path: path.to_owned(), may };
        self.sign(right, self.now_ms.load(Ordering::Relaxed) + 60_000_000)
    }

    pub fn sign(&self, right: Right, expires_ms: u64) -> String {
        self.signer.sign(&Ticket { user: UserId::new(), right, expires_ms })
    }

    pub fn client(&self, may: FolderMay) -> Client {
        self.client_with(&self.ticket("", may))
    }

    pub fn client_with(&self, ticket: &str) -> Client {
        Client { address: self.address, folder: self.folder.to_string(), ticket: ticket.to_owned() }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.shutdown_background();
        }
    }
}

/// A server in a runtime of its own, which dies with it.
async fn serve(home: &Path, signer: &Signer, now_ms: &Arc<AtomicU64>) -> (SocketAddr, Runtime) {
    let now_ms = Arc::clone(now_ms);
    let clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
    let (directories, verifier) = (Arc::new(Directories(home.to_owned())), signer.verifier());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (told, address) = oneshot::channel();
    runtime.spawn(async move {
        let router = axum::Router::new().nest_service("/storage/v1", crate::way::router(directories, verifier, clock));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        told.send(listener.local_addr().unwrap()).unwrap();
        axum::serve(listener, router).await.unwrap();
    });
    (address.await.unwrap(), runtime)
}

/// As guests own things on disk.
pub fn own(path: &Path) {
    if geteuid().is_root() {
        chown(path, Some(1_000), Some(1_000)).unwrap();
    }
}
