//! What control orders and what a node answers: the operations of `Node`, one variant each.

use madang_ids::{AppId, RunId, SandboxId};
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Reading, RunSpec, Usage};
use madang_node_api::{
    AppSeen, AppSpec, CommitSeen, CommitSpec, Completions, Depth, ExecSpec, FileSeen, FreezeSeen, FreezeWhen,
    ImageSeen, NodeError, PoolWanted, ReadingAck, SandboxSpec, WriteSeen, WriteWhen,
};
use serde::{Deserialize, Serialize};

/// How long a node waits for a reading before it answers that there is none.
pub const READINGS_WAIT: std::time::Duration = std::time::Duration::from_secs(20);

/// An order. It may come twice under one number, and is done once.
#[allow(clippy::large_enum_variant, reason = "few are held at a time, each only until it is written or read")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    SandboxOpen {
        spec: Box<SandboxSpec>,
    },
    SandboxClose {
        id: SandboxId,
    },
    SandboxRestart {
        id: SandboxId,
    },
    SandboxInterrupt {
        id: SandboxId,
    },
    Usage {
        id: SandboxId,
    },
    RunStart {
        sandbox: SandboxId,
        run: RunSpec,
    },
    RunOnce {
        sandbox: Box<SandboxSpec>,
        run: RunSpec,
    },
    RunAttach {
        run: RunId,
        after: Option<u64>,
    },
    RunForget {
        run: RunId,
    },
    /// Answered within [`READINGS_WAIT`], with none if there are none.
    Readings,
    ReadingsAck {
        acks: Vec<ReadingAck>,
    },
    SandboxMeter {
        sandbox: SandboxId,
        every_ms: u64,
    },
    SandboxThrottle {
        sandbox: SandboxId,
        cpu_millis: u64,
    },
    Complete {
        sandbox: SandboxId,
        code: String,
        cursor: usize,
    },
    FileRead {
        sandbox: SandboxId,
        path: String,
    },
    FileWrite {
        sandbox: SandboxId,
        path: String,
        when: WriteWhen,
    },
    FileList {
        sandbox: SandboxId,
        path: String,
        depth: Depth,
    },
    FileRemove {
        sandbox: SandboxId,
        path: String,
    },
    Images,
    PoolWant {
        wanted: PoolWanted,
    },
    FolderOwnerSet {
        owner: FolderOwner,
        quota: FolderQuota,
    },
    FolderOwnerUsage {
        owner: FolderOwner,
    },
    FolderMake {
        place: FolderPlace,
    },
    FolderRemove {
        place: FolderPlace,
    },
    FolderUsage {
        place: FolderPlace,
    },
    FolderClone {
        from: FolderPlace,
        to: FolderPlace,
    },
    FolderConnect,
    SandboxFreeze {
        sandbox: SandboxId,
        when: FreezeWhen,
    },
    SandboxThaw {
        sandbox: SandboxId,
    },
    AppStart {
        sandbox: SandboxId,
        app: AppSpec,
    },
    AppStop {
        sandbox: SandboxId,
        app: AppId,
    },
    Apps {
        sandbox: SandboxId,
    },
    AppConnect {
        sandbox: SandboxId,
        app: AppId,
    },
    PortConnect {
        sandbox: SandboxId,
        port: u16,
    },
    ExecStart {
        sandbox: SandboxId,
        spec: ExecSpec,
    },
    ImageCommit {
        sandbox: SandboxId,
        spec: CommitSpec,
    },
    ImageRemove {
        name: String,
    },
    ImageExport {
        name: String,
        shown: String,
    },
    ImageImport {
        name: String,
        digest: String,
    },
}

impl Ask {
    /// Of what the node does for it.
    pub(crate) fn span_name(&self) -> &'static str {
        match self {
            Self::SandboxOpen { .. } => "node sandbox_open",
            Self::SandboxClose { .. } => "node sandbox_close",
            Self::SandboxRestart { .. } => "node sandbox_restart",
            Self::SandboxInterrupt { .. } => "node sandbox_interrupt",
            Self::Usage { .. } => "node usage",
            Self::RunStart { .. } => "node run_start",
            Self::RunOnce { .. } => "node run_once",
            Self::RunAttach { .. } => "node run_attach",
            Self::RunForget { .. } => "node run_forget",
            Self::Readings => "node readings",
            Self::ReadingsAck { .. } => "node readings_ack",
            Self::SandboxMeter { .. } => "node sandbox_meter",
            Self::SandboxThrottle { .. } => "node sandbox_throttle",
            Self::Complete { .. } => "node complete",
            Self::FileRead { .. } => "node file_read",
            Self::FileWrite { .. } => "node file_write",
            Self::FileList { .. } => "node file_list",
            Self::FileRemove { .. } => "node file_remove",
            Self::Images => "node images",
            Self::PoolWant { .. } => "node pool_want",
            Self::FolderOwnerSet { .. } => "node folder_owner_set",
            Self::FolderOwnerUsage { .. } => "node folder_owner_usage",
            Self::FolderMake { .. } => "node folder_make",
            Self::FolderRemove { .. } => "node folder_remove",
            Self::FolderUsage { .. } => "node folder_usage",
            Self::FolderClone { .. } => "node folder_clone",
            Self::FolderConnect => "node folder_connect",
            Self::SandboxFreeze { .. } => "node sandbox_freeze",
            Self::SandboxThaw { .. } => "node sandbox_thaw",
            Self::AppStart { .. } => "node app_start",
            Self::AppStop { .. } => "node app_stop",
            Self::Apps { .. } => "node apps",
            Self::AppConnect { .. } => "node app_connect",
            Self::PortConnect { .. } => "node port_connect",
            Self::ExecStart { .. } => "node exec_start",
            Self::ImageCommit { .. } => "node image_commit",
            Self::ImageRemove { .. } => "node image_remove",
            Self::ImageExport { .. } => "node image_export",
            Self::ImageImport { .. } => "node image_import",
        }
    }

    /// Whether an agent that was started anew meanwhile, and so does not remember that it did it, may be asked again.
    pub fn may_repeat(&self) -> bool {
        match self {
            Self::SandboxOpen { .. }
            | Self::SandboxClose { .. }
            | Self::Usage { .. }
            | Self::FileList { .. }
            | Self::FileRemove { .. }
            | Self::Images
            | Self::RunForget { .. }
            | Self::Readings
            | Self::ReadingsAck { .. }
            | Self::SandboxMeter { .. }
            | Self::SandboxThrottle { .. }
            | Self::PoolWant { .. }
            | Self::FolderOwnerSet { .. }
            | Self::FolderOwnerUsage { .. }
            | Self::FolderMake { .. }
            | Self::FolderRemove { .. }
            | Self::FolderUsage { .. }
            | Self::FolderClone { .. }
            | Self::SandboxFreeze { .. }
            | Self::SandboxThaw { .. }
            | Self::AppStart { .. }
            | Self::AppStop { .. }
            | Self::ImageCommit { .. }
            | Self::ImageRemove { .. }
            | Self::Apps { .. } => true,
            Self::SandboxRestart { .. }
            | Self::SandboxInterrupt { .. }
            | Self::RunStart { .. }
            | Self::RunOnce { .. }
            | Self::RunAttach { .. }
            | Self::Complete { .. }
            | Self::FileRead { .. }
            | Self::ImageExport { .. }
            | Self::ImageImport { .. }
            | Self::FolderConnect
            | Self::AppConnect { .. }
            | Self::PortConnect { .. }
            | Self::ExecStart { .. }
            | Self::FileWrite { .. } => false,
        }
    }
}

/// An answer. What does not fit its order is the node's fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "told")]
pub enum Told {
    Done,
    Used {
        usage: Usage,
    },
    /// The node calls `Run` for it.
    RunStarted {
        id: RunId,
    },
    Read {
        readings: Vec<Reading>,
    },
    Completed {
        completions: Completions,
    },
    /// The node calls `Read` for its bytes.
    Opened {
        seen: FileSeen,
    },
    Written {
        seen: WriteSeen,
    },
    Listed {
        files: Vec<FileSeen>,
    },
    Images {
        images: Vec<ImageSeen>,
    },
    Failed {
        kind: FailureKind,
        text: String,
    },
    FolderUsed {
        usage: FolderUsage,
    },
    FolderOwnerUsed {
        usage: FolderOwnerUsage,
    },
    Frozen {
        seen: FreezeSeen,
    },
    AppStarted {
        app: AppSeen,
    },
    Apps {
        apps: Vec<AppSeen>,
    },
    /// The node calls `Pipe` for its bytes.
    Connected,
    Committed {
        seen: CommitSeen,
    },
}

/// [`NodeError`] without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    Invalid,
    NotFound,
    Conflict,
    Changed,
    Limit,
    Capacity,
    Unavailable,
    Internal,
}

impl From<NodeError> for Told {
    fn from(error: NodeError) -> Self {
        let (kind, text) = match error {
            NodeError::Invalid(text) => (FailureKind::Invalid, text),
            NodeError::NotFound(text) => (FailureKind::NotFound, text),
            NodeError::Conflict(text) => (FailureKind::Conflict, text),
            NodeError::Changed(text) => (FailureKind::Changed, text),
            NodeError::Limit(text) => (FailureKind::Limit, text),
            NodeError::Capacity(text) => (FailureKind::Capacity, text),
            NodeError::Unavailable(text) => (FailureKind::Unavailable, text),
            NodeError::Internal(text) => (FailureKind::Internal, text),
        };
        Self::Failed { kind, text }
    }
}

impl FailureKind {
    /// The error again.
    pub fn with(self, text: String) -> NodeError {
        match self {
            Self::Invalid => NodeError::Invalid(text),
            Self::NotFound => NodeError::NotFound(text),
            Self::Conflict => NodeError::Conflict(text),
            Self::Changed => NodeError::Changed(text),
            Self::Limit => NodeError::Limit(text),
            Self::Capacity => NodeError::Capacity(text),
            Self::Unavailable => NodeError::Unavailable(text),
            Self::Internal => NodeError::Internal(text),
        }
    }
}
