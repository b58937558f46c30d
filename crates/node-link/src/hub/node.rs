//! [`RemoteNode`] is a node like any other.

use std::collections::BTreeMap;

use async_trait::async_trait;
use madang_ids::{AppId, FolderId, RunId, SandboxId};
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Reading, RunSpec, Usage};
use madang_node_api::{
    AppConnection, AppSeen, AppSpec, ByteStream, CommitSeen, CommitSpec, Completions, Depth, ExecHandle, ExecSpec,
    FileOpened, FileSeen, FreezeSeen, FreezeWhen, ImageSeen, LanguageSeen, Node, NodeError, NodeFacts, NodeHealth,
    PoolWanted, Presence, ReadingAck, RunHandle, RunSeen, SandboxSeen, SandboxSpec, SandboxState, WriteSeen, WriteWhen,
};
use tokio::{
    io::AsyncReadExt as _,
    sync::{broadcast, mpsc, watch},
};

use super::{
    file,
    remote::{RemoteNode, Then},
    run::{self, Life},
};
use crate::{
    exec,
    order::{Ask, Told},
};

/// An answer that does not fit what was asked.
fn misfit() -> NodeError {
    NodeError::Internal("the node answered something else".to_owned())
}

impl RemoteNode {
    async fn ask(&self, ask: Ask, then: Then) -> Result<Told, NodeError> {
        self.order(self.number(), &ask, then).await
    }

    /// Waits until the node is heard.
    pub(super) async fn here(&self) -> Result<(), NodeError> {
        let mut presence = self.presence.subscribe();
        let here = presence.wait_for(|presence| *presence == Presence::Here).await;
        here.map(drop).map_err(|_| NodeError::Unavailable("the node was removed".to_owned()))
    }

    async fn done(&self, ask: Ask) -> Result<(), NodeError> {
        match self.ask(ask, Then::Nothing).await? {
            Told::Done => Ok(()),
            _ => Err(misfit()),
        }
    }

    async fn connect(&self, ask: Ask) -> Result<AppConnection, NodeError> {
        let number = self.number();
        // Before the order: the node may call before its answer is here.
        let near = self.pipes.expect(number)?;
        match self.order(number, &ask, Then::Nothing).await {
            Ok(Told::Connected) => Ok(near),
            other => {
                self.pipes.forget(number);
                Err(other.err().unwrap_or_else(misfit))
            }
        }
    }

    async fn run(&self, run: RunId, next: u64, life: Life, ask: Ask) -> Result<RunHandle, NodeError> {
        let number = self.number();
        // Before the order: its first event may come before the answer.
        let handle = run::expect(self, number, run, next, life)?;
        match self.order(number, &ask, Then::Nothing).await {
            Ok(Told::RunStarted { id }) if id == run => Ok(handle),
            other => {
                run::forget(self, number);
                Err(other.err().unwrap_or_else(misfit))
            }
        }
    }
}

impl RemoteNode {
    /// Whatever the node opens for us, with its bytes on their way.
    async fn opened(&self, ask: Ask) -> Result<FileOpened, NodeError> {
        let (chunks, received) = mpsc::channel(file::CHUNKS_MAX);
        let number = self.number();
        self.read_expect(number, chunks);
        match self.order(number, &ask, Then::Nothing).await {
            Ok(Told::Opened { seen }) => {
                let bytes = Box::pin(file::reader(received).take(seen.size_bytes));
                Ok(FileOpened { seen, bytes })
            }
            other => {
                self.read_forget(number);
                Err(other.err().unwrap_or_else(misfit))
            }
        }
    }
}

#[async_trait]
impl Node for RemoteNode {
    async fn sandbox_open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        let seen = SandboxSeen {
            id: spec.id,
            session: spec.session,
            state: SandboxState::Running,
            usage: Usage::default(),
            frozen: false,
            app_bytes: 0,
        };
        match self.ask(Ask::SandboxOpen { spec: Box::new(spec) }, Then::Opened(seen)).await? {
            Told::Done => Ok(()),
            _ => Err(misfit()),
        }
    }

    async fn sandbox_close(&self, id: SandboxId) -> Result<Usage, NodeError> {
        match self.ask(Ask::SandboxClose { id }, Then::Closed(id)).await? {
            Told::Used { usage } => Ok(usage),
            _ => Err(misfit()),
        }
    }

    async fn sandbox_restart(&self, id: SandboxId) -> Result<(), NodeError> {
        self.done(Ask::SandboxRestart { id }).await
    }

    async fn sandbox_interrupt(&self, id: SandboxId) -> Result<(), NodeError> {
        self.done(Ask::SandboxInterrupt { id }).await
    }

    fn sandboxes(&self) -> Vec<SandboxSeen> {
        self.sandboxes_seen()
    }

    fn watch(&self) -> broadcast::Receiver<SandboxSeen> {
        self.changes.subscribe()
    }

    async fn usage(&self, id: SandboxId) -> Result<Usage, NodeError> {
        match self.ask(Ask::Usage { id }, Then::Nothing).await? {
            Told::Used { usage } => Ok(usage),
            _ => Err(misfit()),
        }
    }

    async fn run_start(&self, sandbox: SandboxId, run: RunSpec) -> Result<RunHandle, NodeError> {
        self.run(run.id, 0, Life::Session, Ask::RunStart { sandbox, run }).await
    }

    async fn run_once(&self, sandbox: SandboxSpec, run: RunSpec) -> Result<RunHandle, NodeError> {
        self.run(run.id, 0, Life::Once, Ask::RunOnce { sandbox: sandbox.into(), run }).await
    }

    /// As the node said when it was last heard; how many events each has had may be more.
    fn runs(&self) -> Vec<RunSeen> {
        self.runs_seen()
    }

    async fn run_attach(&self, run: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        let next = after.map_or(0, |after| after.saturating_add(1));
        self.run(run, next, Life::Session, Ask::RunAttach { run, after }).await
    }

    async fn run_forget(&self, run: RunId) -> Result<(), NodeError> {
        self.done(Ask::RunForget { run }).await
    }

    async fn readings(&self) -> Result<Vec<Reading>, NodeError> {
        loop {
            self.here().await?;
            match self.ask(Ask::Readings, Then::Nothing).await? {
                Told::Read { readings } if readings.is_empty() => {}
                Told::Read { readings } => return Ok(readings),
                _ => return Err(misfit()),
            }
        }
    }

    async fn readings_ack(&self, acks: &[ReadingAck]) -> Result<(), NodeError> {
        self.done(Ask::ReadingsAck { acks: acks.to_vec() }).await
    }

    async fn sandbox_meter(&self, sandbox: SandboxId, every_ms: u64) -> Result<(), NodeError> {
        self.done(Ask::SandboxMeter { sandbox, every_ms }).await
    }

    async fn sandbox_throttle(&self, sandbox: SandboxId, cpu_millis: u64) -> Result<(), NodeError> {
        self.done(Ask::SandboxThrottle { sandbox, cpu_millis }).await
    }

    async fn sandbox_freeze(&self, sandbox: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        match self.ask(Ask::SandboxFreeze { sandbox, when }, Then::Nothing).await? {
            Told::Frozen { seen } => Ok(seen),
            _ => Err(misfit()),
        }
    }

    async fn image_commit(&self, sandbox: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        match self.ask(Ask::ImageCommit { sandbox, spec }, Then::Nothing).await? {
            Told::Committed { seen } => Ok(seen),
            _ => Err(misfit()),
        }
    }

    async fn image_export(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
        self.opened(Ask::ImageExport { name: name.to_owned(), shown: shown.to_owned() }).await
    }

    async fn image_import(&self, name: &str, digest: &str, bytes: ByteStream) -> Result<(), NodeError> {
        let number = self.number();
        self.write_expect(number, bytes);
        let ask = Ask::ImageImport { name: name.to_owned(), digest: digest.to_owned() };
        match self.order(number, &ask, Then::Nothing).await? {
            Told::Done => Ok(()),
            _ => Err(misfit()),
        }
    }

    async fn image_remove(&self, name: &str) -> Result<(), NodeError> {
        self.done(Ask::ImageRemove { name: name.to_owned() }).await
    }

    async fn sandbox_thaw(&self, sandbox: SandboxId) -> Result<(), NodeError> {
        self.done(Ask::SandboxThaw { sandbox }).await
    }

    async fn complete(&self, sandbox: SandboxId, code: String, cursor: usize) -> Result<Completions, NodeError> {
        match self.ask(Ask::Complete { sandbox, code, cursor }, Then::Nothing).await? {
            Told::Completed { completions } => Ok(completions),
            _ => Err(misfit()),
        }
    }

    async fn file_read(&self, sandbox: SandboxId, path: &str) -> Result<FileOpened, NodeError> {
        self.opened(Ask::FileRead { sandbox, path: path.to_owned() }).await
    }

    async fn file_write(
        &self,
        sandbox: SandboxId,
        path: &str,
        when: WriteWhen,
        bytes: ByteStream,
    ) -> Result<WriteSeen, NodeError> {
        let number = self.number();
        self.write_expect(number, bytes);
        match self.order(number, &Ask::FileWrite { sandbox, path: path.to_owned(), when }, Then::Nothing).await? {
            Told::Written { seen } => Ok(seen),
            _ => Err(misfit()),
        }
    }

    async fn file_list(&self, sandbox: SandboxId, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
        match self.ask(Ask::FileList { sandbox, path: path.to_owned(), depth }, Then::Nothing).await? {
            Told::Listed { files } => Ok(files),
            _ => Err(misfit()),
        }
    }

    async fn file_remove(&self, sandbox: SandboxId, path: &str) -> Result<(), NodeError> {
        self.done(Ask::FileRemove { sandbox, path: path.to_owned() }).await
    }

    async fn folder_owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError> {
        self.done(Ask::FolderOwnerSet { owner, quota }).await
    }

    async fn folder_owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        match self.ask(Ask::FolderOwnerUsage { owner }, Then::Nothing).await? {
            Told::FolderOwnerUsed { usage } => Ok(usage),
            _ => Err(misfit()),
        }
    }

    async fn folder_make(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.done(Ask::FolderMake { place: FolderPlace { owner, folder } }).await
    }

    async fn folder_remove(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.done(Ask::FolderRemove { place: FolderPlace { owner, folder } }).await
    }

    async fn folder_usage(&self, owner: FolderOwner, folder: FolderId) -> Result<FolderUsage, NodeError> {
        match self.ask(Ask::FolderUsage { place: FolderPlace { owner, folder } }, Then::Nothing).await? {
            Told::FolderUsed { usage } => Ok(usage),
            _ => Err(misfit()),
        }
    }

    async fn folder_clone(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        self.done(Ask::FolderClone { from, to }).await
    }

    fn languages(&self) -> Vec<LanguageSeen> {
        self.languages_seen()
    }

    async fn images(&self) -> Result<Vec<ImageSeen>, NodeError> {
        match self.ask(Ask::Images, Then::Nothing).await? {
            Told::Images { images } => Ok(images),
            _ => Err(misfit()),
        }
    }

    fn health(&self) -> NodeHealth {
        let mut health = self.health_seen();
        match *self.presence.borrow() {
            Presence::Here => {}
            Presence::Silent { .. } => {
                health.ready = false;
                health.notes.push("it is silent".to_owned());
            }
            Presence::Unheard => health.ready = false,
        }
        health
    }

    fn facts(&self) -> NodeFacts {
        self.facts_seen()
    }

    fn presence(&self) -> watch::Receiver<Presence> {
        self.presence.subscribe()
    }

    /// Leases are the node's own to keep; control knows from its specifications which sandboxes have one.
    fn leases(&self) -> BTreeMap<SandboxId, u64> {
        BTreeMap::new()
    }

    async fn app_start(&self, sandbox: SandboxId, app: AppSpec) -> Result<AppSeen, NodeError> {
        match self.ask(Ask::AppStart { sandbox, app }, Then::Nothing).await? {
            Told::AppStarted { app } => Ok(app),
            _ => Err(misfit()),
        }
    }

    async fn app_stop(&self, sandbox: SandboxId, app: AppId) -> Result<(), NodeError> {
        self.done(Ask::AppStop { sandbox, app }).await
    }

    async fn apps(&self, sandbox: SandboxId) -> Result<Vec<AppSeen>, NodeError> {
        match self.ask(Ask::Apps { sandbox }, Then::Nothing).await? {
            Told::Apps { apps } => Ok(apps),
            _ => Err(misfit()),
        }
    }

    async fn folder_connect(&self) -> Result<AppConnection, NodeError> {
        self.connect(Ask::FolderConnect).await
    }

    async fn app_connect(&self, sandbox: SandboxId, app: AppId) -> Result<AppConnection, NodeError> {
        self.connect(Ask::AppConnect { sandbox, app }).await
    }

    async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, NodeError> {
        self.connect(Ask::PortConnect { sandbox, port }).await
    }

    async fn exec_start(&self, sandbox: SandboxId, spec: ExecSpec) -> Result<ExecHandle, NodeError> {
        self.connect(Ask::ExecStart { sandbox, spec }).await.map(exec::hold)
    }

    async fn pool_want(&self, wanted: PoolWanted) -> Result<(), NodeError> {
        self.done(Ask::PoolWant { wanted }).await
    }
}
