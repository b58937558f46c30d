//! What control asks of a node, and what the node answers.
//!
//! `control` holds an `Arc<dyn Node>`; `node` implements it in process, `testkit` simulates it. Nothing here does the work.
//! Start at [`Node`].

mod app;
mod device;
mod drift;
mod exec;
mod facts;
mod freeze;
mod image;

use std::{collections::BTreeMap, fmt, pin::Pin};

use async_trait::async_trait;
use madang_ids::{AppId, FolderId, RunId, SandboxId, SessionId};
use madang_model::{
    DeviceGrant, FolderMount, FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Limits, Reading,
    RunEvent, RunSpec, TerminalSize, Usage,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncRead,
    sync::{broadcast, mpsc, watch},
};

pub use app::{
    AppConnection, AppOffered, AppSeen, AppSpec, AppState, Duplex, PORT_APP, has_room, limits_beside, memory_lacking,
};
pub use device::devices_check;
pub use drift::DriftSeen;
pub use exec::{ExecControl, ExecEnd, ExecEvent, ExecHandle, ExecInput, ExecSpec};
pub use facts::{DeviceSeen, Enforcement, NodeFacts, PoolWanted, Presence, VolumeSeen};
pub use freeze::{FreezeSeen, FreezeWhen};
pub use image::{COMMITTED, CommitSeen, CommitSpec, CommittedImage, LeftOutSeen, SecretRule, SecretSeen};
pub use madang_model::Network;

/// Bytes on their way into or out of a sandbox.
pub type ByteStream = Pin<Box<dyn AsyncRead + Send>>;

/// A sandbox as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    pub id: SandboxId,
    pub session: SessionId,
    /// Name of an image; `host` is this machine's own software.
    pub image: String,
    /// Language id; none for a sandbox that only runs commands.
    pub language: Option<String>,
    pub limits: Limits,
    /// Devices of this node that nobody else was given more than the rest of; it sees no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceGrant>,
    pub env: BTreeMap<String, String>,
    pub network: Network,
    /// The node ends the sandbox by itself when it has not heard from control for so long, so that it may be started again
    /// elsewhere; none for one that goes on alone.
    #[serde(default)]
    pub lease_ms: Option<u64>,
    /// Folders of this node that its programs see. Each is there before anything runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<FolderMount>,
    /// The app that will be opened in it first: a slot in which it was started is taken where one waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What the others of its session call it, and reach it by; none of one that is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// A sandbox as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSeen {
    pub id: SandboxId,
    pub session: SessionId,
    pub state: SandboxState,
    pub usage: Usage,
    /// It is there, and nothing in it runs until somebody uses it.
    #[serde(default)]
    pub frozen: bool,
    /// Bytes that connections to its apps and ports have carried, both ways, since its agent started: another number than the last one
    /// says that somebody has used it meanwhile.
    #[serde(default)]
    pub app_bytes: u64,
}

/// Where a sandbox is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SandboxState {
    Running,
    /// Gone, with everything in it. `why` is for a person.
    Ended {
        why: String,
    },
}

/// What somebody attached to a live run may do to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunControl {
    Stdin(Vec<u8>),
    StdinEnd,
    Resize(TerminalSize),
    /// What Ctrl-C does.
    Interrupt,
    /// End the run now; its verdict becomes `cancelled`.
    Cancel,
}

/// A run in progress. Events end with exactly one `Finished`; the reader must keep reading, the amount is bounded by `output_bytes`.
#[derive(Debug)]
pub struct RunHandle {
    pub id: RunId,
    pub events: mpsc::Receiver<RunEvent>,
    pub control: mpsc::Sender<RunControl>,
}

/// A run of a session that the node still holds: it goes on, or it has ended and nobody has said that its end is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSeen {
    pub id: RunId,
    pub sandbox: SandboxId,
    pub session: SessionId,
    /// Events so far; the next one has this number.
    pub events: u64,
    /// What it may take over all its steps and inputs.
    pub wall_ms: u64,
}

/// Readings of one sandbox up to and with this number are kept by control; the node may forget them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingAck {
    pub sandbox: SandboxId,
    pub sequence: u64,
}

/// Code completion at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// Byte offset where the completed word starts.
    pub start: usize,
    pub items: Vec<String>,
}

/// A language as this node can run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageSeen {
    pub id: String,
    pub name: String,
    pub version: Option<String>,
    /// Why it cannot run here; none where it can.
    pub unavailable: Option<String>,
    /// `query`, `batch`, `command`.
    pub modes: Vec<String>,
    pub extensions: Vec<String>,
    /// The file name of a single `code` string.
    pub main: String,
    /// A smallest program that greets.
    pub greeting: String,
    pub limits: Limits,
    /// Its language server, where there is one to be had.
    #[serde(default)]
    pub service: Option<ServiceSeen>,
}

/// A language server: a program that says what an editor shows of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSeen {
    pub name: String,
    /// Why it is not there in sandboxes of the host's own image; none where it is.
    pub unavailable: Option<String>,
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// An image on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSeen {
    pub name: String,
    /// `sha256:…`; none for `host`.
    pub digest: Option<String>,
    pub size_bytes: u64,
    pub languages: Vec<String>,
}

/// A file or directory inside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    /// Relative to `/home/work`.
    pub path: String,
    pub kind: FileKind,
    pub size_bytes: u64,
    pub mode: u32,
    /// Unix time, milliseconds.
    pub modified_ms: u64,
    /// Another one whenever the file is written; below 2^63.
    #[serde(default)]
    pub tag: u64,
}

/// What must be true of the file that is there, for a write to take its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteWhen {
    #[default]
    Always,
    /// None is there.
    Absent,
    /// It has this [`FileSeen::tag`].
    Same(u64),
}

/// A file that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteSeen {
    pub size_bytes: u64,
    /// As [`FileSeen::tag`].
    pub tag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// A regular file opened for reading: its size and its bytes.
pub struct FileOpened {
    pub seen: FileSeen,
    pub bytes: ByteStream,
}

impl fmt::Debug for FileOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileOpened").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// What may go wrong at a node, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The request makes no sense: bad path, unknown language, wrong mode.
    #[error("{0}")]
    Invalid(String),
    #[error("{0} not found")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// A file is not the one that the caller knew; see [`WriteWhen`].
    #[error("{0}")]
    Changed(String),
    /// A bound of the sandbox was met: disk full, too many files.
    #[error("{0}")]
    Limit(String),
    /// No room on this node now.
    #[error("{0}")]
    Capacity(String),
    /// The sandbox is gone or the node cannot answer.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Internal(String),
}

/// How a node does, for health and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHealth {
    pub ready: bool,
    /// Why not ready, or what is weaker than it could be.
    pub notes: Vec<String>,
    pub sandboxes: u64,
    /// Slots waiting, by pool name.
    pub pool_ready: BTreeMap<String, u64>,
    pub pool_hits: u64,
    pub pool_misses: u64,
    /// Seconds from request to program start, the last thousand starts; upper bounds in µs and counts.
    pub starts_us: Vec<u64>,
    /// What was found other than wanted.
    #[serde(default)]
    pub drift: DriftSeen,
}

/// Folders that one sandbox sees at most.
pub const MOUNTS_MAX: usize = 32;
/// Readings in one answer of [`Node::readings`].
pub const READINGS_MAX: usize = 1_000;
/// A sandbox is read this often unless told otherwise.
pub const READING_MS: u64 = 5_000;
/// No sandbox is read less often.
pub const READING_MS_MAX: u64 = 10_000;
/// No sandbox is read more often.
pub const READING_MS_MIN: u64 = 250;

/// The agent of one machine.
#[async_trait]
pub trait Node: Send + Sync + 'static {
    /// Makes the sandbox; returns when it can run programs. Idempotent under `spec.id` while it lives. An id that has ended here, or was
    /// closed before it came, is a [`NodeError::Conflict`]: a late order must not bring back what others have given up.
    async fn sandbox_open(&self, spec: SandboxSpec) -> Result<(), NodeError>;
    /// Ends everything in it; unknown ids are already closed. Returns what it used over its life.
    async fn sandbox_close(&self, id: SandboxId) -> Result<Usage, NodeError>;
    /// Ends every program and starts the interpreter anew; files stay.
    async fn sandbox_restart(&self, id: SandboxId) -> Result<(), NodeError>;
    /// Interrupts what the interpreter is doing.
    async fn sandbox_interrupt(&self, id: SandboxId) -> Result<(), NodeError>;
    /// Every sandbox that exists now.
    fn sandboxes(&self) -> Vec<SandboxSeen>;
    /// Changes of sandboxes as they are seen; lagging readers call [`Node::sandboxes`] again.
    fn watch(&self) -> broadcast::Receiver<SandboxSeen>;
    /// Usage of one sandbox so far.
    async fn usage(&self, id: SandboxId) -> Result<Usage, NodeError>;

    /// A run in a sandbox that is open.
    async fn run_start(&self, sandbox: SandboxId, run: RunSpec) -> Result<RunHandle, NodeError>;
    /// A run in a fresh sandbox that goes with it: the one-shot path, from the warm pool where there is one.
    async fn run_once(&self, sandbox: SandboxSpec, run: RunSpec) -> Result<RunHandle, NodeError>;
    /// Every run of a session that the node holds. One-shot runs end with their agent and are not among them.
    fn runs(&self) -> Vec<RunSeen>;
    /// Takes up a run of [`Node::runs`]: its events after number `after` (all of them without), then what follows, each once and in
    /// order. Works as often as is wanted, before and after the run's end, over restarts of the agent and of whoever asks; a new
    /// reader takes the place of the last.
    async fn run_attach(&self, run: RunId, after: Option<u64>) -> Result<RunHandle, NodeError>;
    /// The run's end is kept; the node forgets the run. Unknown ones are forgotten already.
    async fn run_forget(&self, run: RunId) -> Result<(), NodeError>;

    /// Starts a program in a sandbox that is open, held by its standard streams. It ends with its handle.
    async fn exec_start(&self, sandbox: SandboxId, _spec: ExecSpec) -> Result<ExecHandle, NodeError> {
        Err(NodeError::Unavailable(format!("no program can be held in sandbox {sandbox}: its node does not know how")))
    }

    /// Waits until there are readings that nobody has acknowledged, and returns the oldest of them, at most [`READINGS_MAX`]. The
    /// same ones come again until [`Node::readings_ack`]: who reads them counts by (sandbox, sequence).
    async fn readings(&self) -> Result<Vec<Reading>, NodeError>;
    /// Readings up to these are kept. Late, repeated and unknown ones are harmless.
    async fn readings_ack(&self, acks: &[ReadingAck]) -> Result<(), NodeError>;
    /// From now on the sandbox is read this often, within [`READING_MS_MIN`] and [`READING_MS_MAX`].
    async fn sandbox_meter(&self, sandbox: SandboxId, every_ms: u64) -> Result<(), NodeError>;
    /// From now on the sandbox gets no more than this of the processors, in thousandths of one; never more than it was made with.
    async fn sandbox_throttle(&self, sandbox: SandboxId, cpu_millis: u64) -> Result<(), NodeError>;
    /// Freezes everything in the sandbox and takes from it what memory can be had. One that is frozen stays so. A
    /// [`NodeError::Conflict`] where somebody uses it. Whatever uses it later (a run, a file, an input) thaws it by itself first.
    async fn sandbox_freeze(&self, sandbox: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError>;
    /// What was frozen goes on; one that is not frozen is left so.
    async fn sandbox_thaw(&self, sandbox: SandboxId) -> Result<(), NodeError>;

    /// Completion in the interpreter; `cursor` is a byte offset into `code`.
    async fn complete(&self, sandbox: SandboxId, code: String, cursor: usize) -> Result<Completions, NodeError>;

    /// Paths are relative to `/home/work`; none may leave it.
    async fn file_read(&self, sandbox: SandboxId, path: &str) -> Result<FileOpened, NodeError>;
    /// Writes beside the target and renames over it where `when` holds, a [`NodeError::Changed`] where not; makes missing directories;
    /// returns what was written.
    async fn file_write(
        &self,
        sandbox: SandboxId,
        path: &str,
        when: WriteWhen,
        bytes: ByteStream,
    ) -> Result<WriteSeen, NodeError>;
    /// The entries of a directory, or all below it.
    async fn file_list(&self, sandbox: SandboxId, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError>;
    /// Removes a file, or a directory with all in it.
    async fn file_remove(&self, sandbox: SandboxId, path: &str) -> Result<(), NodeError>;

    /// From now on all folders of this owner together hold no more than this. Where they hold more already nothing goes in, and what goes
    /// out does not come again. The first one makes room for the owner; the least and the most that a node can hold stand for what is
    /// beyond them.
    async fn folder_owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError>;
    /// What all folders of this owner hold, as the file system counts it; [`NodeError::NotFound`] of one that has no quota here.
    async fn folder_owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError>;
    /// Makes an empty folder; one that is there already stays as it is.
    async fn folder_make(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError>;
    /// Removes a folder with all in it, for good. [`NodeError::Conflict`] says in which session it is mounted. Unknown ones are gone
    /// already. Its name is free when this returns; the room it took may come back a little later.
    async fn folder_remove(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError>;
    /// What a folder holds. Looks at every file of it.
    async fn folder_usage(&self, owner: FolderOwner, folder: FolderId) -> Result<FolderUsage, NodeError>;
    /// Makes `to` a copy of `from`, whole or not at all; where `to` is there already nothing is done. May take as long as copying takes:
    /// who gives up waiting may ask again, and joins. Where both are one folder of two owners it goes from one to the other: it is refused
    /// while a sandbox has it ([`NodeError::Conflict`]), nobody changes anything in it meanwhile, and when this returns it is the second's for
    /// whoever mounts it or moves bytes; what the first had of it is then to be removed.
    async fn folder_clone(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError>;
    /// A connection on which the node answers HTTP/1.1 about what is in its folders, to whoever shows a ticket with each request; for those
    /// who cannot come to the node itself. [`NodeError::Unavailable`] where it serves no folders.
    async fn folder_connect(&self) -> Result<AppConnection, NodeError>;
    /// Starts an app and returns when it answers; the error of one that does not has its last words. One of this name and port that runs
    /// already is returned as it is.
    async fn app_start(&self, sandbox: SandboxId, app: AppSpec) -> Result<AppSeen, NodeError>;
    /// Ends the app and everything it started; unknown ones have ended.
    async fn app_stop(&self, sandbox: SandboxId, app: AppId) -> Result<(), NodeError>;
    /// The apps of the sandbox, also those that ended by themselves. They go with it, and with [`Node::sandbox_restart`].
    async fn apps(&self, sandbox: SandboxId) -> Result<Vec<AppSeen>, NodeError>;
    /// A connection to an app.
    async fn app_connect(&self, sandbox: SandboxId, app: AppId) -> Result<AppConnection, NodeError>;
    /// A connection to whatever listens on this port of the sandbox's loopback.
    async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, NodeError>;

    fn languages(&self) -> Vec<LanguageSeen>;
    async fn images(&self) -> Result<Vec<ImageSeen>, NodeError>;
    /// Makes an image of what is in a sandbox's work directory, over the image that it was made of. Everything in it stands still while it is
    /// read, and goes on. [`NodeError::Conflict`] where it cannot stand still now, [`NodeError::Limit`] where it is more than may be.
    async fn image_commit(&self, sandbox: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError>;
    /// Takes an image away that was made of a session, and every layer that nothing needs any more. Sandboxes that were made of it keep theirs.
    /// Unknown ones are gone already.
    async fn image_remove(&self, name: &str) -> Result<(), NodeError>;
    /// An image that was made of a session, as an OCI layout in a tar, in which it is called `shown`. Its size is known before its first byte.
    async fn image_export(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError>;
    /// Takes an image that another node has sent out, with this digest, under its name. One that is there already stays as it is.
    async fn image_import(&self, name: &str, _digest: &str, _bytes: ByteStream) -> Result<(), NodeError> {
        Err(NodeError::Unavailable(format!("the image `{name}` cannot be brought there: the node does not know how")))
    }
    fn health(&self) -> NodeHealth;

    /// The machine and what it has.
    fn facts(&self) -> NodeFacts;
    /// Whether the node is heard. One in this process always is.
    fn presence(&self) -> watch::Receiver<Presence> {
        watch::channel(Presence::Here).1
    }
    /// The lease of each sandbox that carries one, milliseconds.
    fn leases(&self) -> BTreeMap<SandboxId, u64>;
    /// Keeps so many slots ready, from now on and until told otherwise; forgotten when the agent ends.
    async fn pool_want(&self, wanted: PoolWanted) -> Result<(), NodeError>;
}

/// How far down a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    Children,
    All,
}
