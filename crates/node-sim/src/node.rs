//! A node that simulates. See [`SimNode`].

mod folder;
mod hand;

use std::{
    collections::{BTreeMap, HashMap},
    io::Cursor,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use madang_ids::{AppId, FolderId, RunId, SandboxId};
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Reading, RunSpec, Usage};
use madang_node_api::{
    AppConnection, AppSeen, AppSpec, ByteStream, CommitSeen, CommitSpec, Completions, Depth, DriftSeen, ExecHandle,
    ExecSpec, FileOpened, FileSeen, FreezeSeen, FreezeWhen, ImageSeen, LanguageSeen, Node, NodeError, NodeFacts,
    NodeHealth, PoolWanted, ReadingAck, RunHandle, RunSeen, SandboxSeen, SandboxSpec, SandboxState, WriteSeen,
    WriteWhen, devices_check,
};
use tokio::{io::AsyncReadExt, sync::broadcast};

use crate::{
    Script, Start,
    app::{SimApps, offered},
    clock::SimClock,
    exec, image,
    meter::SimMeter,
    past::Past,
    program,
    run::SimRuns,
    sandbox::SimSandbox,
    volume::SimVolume,
};

/// Changes that a watcher may lag behind.
const WATCH_MAX: usize = 64;
/// When the node's clock began.
const EPOCH_MS: u64 = 1_767_323_045_000;

/// A node whose programs are scripts of one command a line (see the `program` module: `print X`, `warn X`, `sleep MS`,
/// `input`, `cat`, `exit N`, `set X`, `get`, `build X`, `build-fails X`, `media MIME X`, `flood BYTES`, `hang`).
///
/// Time stands still until [`SimNode::advance`] unless the [`Script`] says otherwise. [`SimNode::lose`] takes a sandbox away as a crash would.
#[derive(Clone)]
pub struct SimNode {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    sandboxes: Mutex<HashMap<SandboxId, SimSandbox>>,
    /// Locked while `sandboxes` is.
    ended: Mutex<Past<SandboxId>>,
    seen: broadcast::Sender<SandboxSeen>,
    pub(crate) clock: SimClock,
    pub(crate) runs: SimRuns,
    pub(crate) meter: SimMeter,
    faults: Mutex<Faults>,
    /// Locked while `sandboxes` is.
    volume: Mutex<SimVolume>,
    copies: folder::Copies,
    /// Made of sandboxes.
    images: image::SimImages,
    facts: NodeFacts,
    /// How starts go, in turn.
    starts: Vec<Start>,
    started: AtomicUsize,
}

#[derive(Default)]
struct Faults {
    open: Option<NodeError>,
    pools: BTreeMap<String, u64>,
    hits: u64,
}

impl std::fmt::Debug for SimNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimNode").finish_non_exhaustive()
    }
}

impl Default for SimNode {
    fn default() -> Self {
        Self::new()
    }
}

impl SimNode {
    pub fn new() -> Self {
        Self::scripted(Script::default())
    }

    /// One on another machine than most.
    pub fn with_facts(facts: NodeFacts) -> Self {
        Self::scripted(Script { facts, ..Script::default() })
    }

    /// One that does as the script says.
    pub fn scripted(script: Script) -> Self {
        let inner = Inner {
            facts: script.facts,
            starts: script.starts,
            started: AtomicUsize::new(0),
            sandboxes: Mutex::default(),
            ended: Mutex::default(),
            seen: broadcast::Sender::new(WATCH_MAX),
            clock: SimClock::new(script.clock),
            runs: SimRuns::default(),
            meter: SimMeter::default(),
            faults: Mutex::default(),
            volume: Mutex::default(),
            copies: folder::Copies::default(),
            images: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn with<T>(
        &self,
        id: SandboxId,
        work: impl FnOnce(&mut SimSandbox) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let mut sandboxes = self.lock();
        work(sandboxes.get_mut(&id).ok_or_else(|| NodeError::NotFound(format!("sandbox {id}")))?)
    }

    /// As [`SimNode::with`], for what a frozen one thaws for.
    pub(crate) fn used<T>(
        &self,
        id: SandboxId,
        work: impl FnOnce(&mut SimSandbox) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let (done, thawed) = self.with(id, |sandbox| {
            let thawed = std::mem::take(&mut sandbox.frozen);
            Ok((work(sandbox), thawed))
        })?;
        if thawed {
            self.tell(id);
        }
        done
    }

    /// What is seen of it has changed.
    fn tell(&self, id: SandboxId) {
        let seen = self.with(id, |sandbox| Ok(sandbox.seen()));
        // Nobody may be watching; one that is gone has been told of.
        seen.into_iter().for_each(|seen| drop(self.inner.seen.send(seen)));
    }

    pub(crate) fn remove(&self, id: SandboxId, why: &str) -> Option<Usage> {
        let mut sandbox = {
            let mut sandboxes = self.lock();
            // Also one that was never here: its order to open may come yet.
            self.ended().put(id);
            sandboxes.remove(&id)?
        };
        if !sandbox.one_shot {
            self.inner.meter.push(Reading { last: true, ..sandbox.read(self.now_ms()) });
        }
        self.inner.runs.forget_of(id);
        sandbox.gone.send_replace(true);
        let state = SandboxState::Ended { why: why.into() };
        let usage = sandbox.usage;
        // Nobody may be watching.
        let _ = self.inner.seen.send(SandboxSeen { state, usage, frozen: false, ..sandbox.seen() });
        Some(usage)
    }

    /// Unix time as the node has it.
    pub(crate) fn now_ms(&self) -> u64 {
        EPOCH_MS + self.inner.clock.now_ms()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, SimSandbox>> {
        self.inner.sandboxes.lock().expect("no holder of this lock panics")
    }

    fn ended(&self) -> MutexGuard<'_, Past<SandboxId>> {
        self.inner.ended.lock().expect("no holder of this lock panics")
    }

    fn volume(&self) -> MutexGuard<'_, SimVolume> {
        self.inner.volume.lock().expect("no holder of this lock panics")
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.inner.faults.lock().expect("no holder of this lock panics")
    }

    /// As the script says of this start.
    async fn start(&self) -> Result<(), NodeError> {
        let turn = self.inner.started.fetch_add(1, Ordering::Relaxed);
        let Some(start) = self.inner.starts.get(turn % self.inner.starts.len().max(1)) else { return Ok(()) };
        let clock = &self.inner.clock;
        match start {
            Start::Done { after_ms } => {
                clock.reached(clock.now_ms().saturating_add(*after_ms)).await;
                Ok(())
            }
            Start::Fails { after_ms, error } => {
                clock.reached(clock.now_ms().saturating_add(*after_ms)).await;
                Err(error.clone())
            }
            Start::Hangs => std::future::pending().await,
        }
    }

    fn open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        if let Some(error) = self.faults().open.clone() {
            return Err(error);
        }
        if spec.image != "host"
            && !self.inner.images.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&spec.image)
        {
            return Err(NodeError::NotFound(format!("image `{}`", spec.image)));
        }
        let mut sandboxes = self.lock();
        if self.ended().has(spec.id) {
            return Err(NodeError::Conflict(format!("sandbox {} has ended on this node", spec.id)));
        }
        if !sandboxes.contains_key(&spec.id) {
            let held = sandboxes.values().flat_map(|sandbox| &sandbox.spec.devices);
            devices_check(&self.inner.facts.devices, held, &spec.devices)?;
            self.volume().mount(&spec.mounts)?;
        }
        sandboxes.entry(spec.id).or_insert_with(|| SimSandbox::new(spec));
        drop(sandboxes);
        self.faults().hits += 1;
        Ok(())
    }
}

#[async_trait]
impl Node for SimNode {
    async fn sandbox_open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        if self.lock().contains_key(&spec.id) {
            return Ok(());
        }
        self.start().await?;
        self.open(spec)
    }

    async fn sandbox_close(&self, id: SandboxId) -> Result<Usage, NodeError> {
        Ok(self.remove(id, "closed").unwrap_or_default())
    }

    async fn sandbox_restart(&self, id: SandboxId) -> Result<(), NodeError> {
        self.used(id, |sandbox| {
            sandbox.memory.clear();
            sandbox.apps = SimApps::default();
            sandbox.interrupts.send_modify(|count| *count += 1);
            Ok(())
        })
    }

    async fn sandbox_interrupt(&self, id: SandboxId) -> Result<(), NodeError> {
        self.used(id, |sandbox| {
            sandbox.interrupts.send_modify(|count| *count += 1);
            Ok(())
        })
    }

    fn sandboxes(&self) -> Vec<SandboxSeen> {
        self.lock().values().map(SimSandbox::seen).collect()
    }

    fn watch(&self) -> broadcast::Receiver<SandboxSeen> {
        self.inner.seen.subscribe()
    }

    async fn usage(&self, id: SandboxId) -> Result<Usage, NodeError> {
        self.with(id, |sandbox| Ok(sandbox.usage))
    }

    async fn run_start(&self, sandbox: SandboxId, run: RunSpec) -> Result<RunHandle, NodeError> {
        program::start(self, sandbox, run, program::After::Keep)
    }

    async fn run_once(&self, sandbox: SandboxSpec, run: RunSpec) -> Result<RunHandle, NodeError> {
        let id = sandbox.id;
        self.start().await?;
        self.open(sandbox)?;
        self.with(id, |sandbox| {
            sandbox.one_shot = true;
            Ok(())
        })?;
        program::start(self, id, run, program::After::Retire)
    }

    fn runs(&self) -> Vec<RunSeen> {
        self.inner.runs.seen()
    }

    async fn run_attach(&self, run: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        self.inner.runs.attach(run, after)
    }

    async fn run_forget(&self, run: RunId) -> Result<(), NodeError> {
        self.inner.runs.forget(run);
        Ok(())
    }

    async fn exec_start(&self, sandbox: SandboxId, spec: ExecSpec) -> Result<ExecHandle, NodeError> {
        self.used(sandbox, |_| Ok(()))?;
        Ok(exec::start(spec))
    }

    async fn readings(&self) -> Result<Vec<Reading>, NodeError> {
        Ok(self.inner.meter.next().await)
    }

    async fn readings_ack(&self, acks: &[ReadingAck]) -> Result<(), NodeError> {
        self.inner.meter.ack(acks);
        Ok(())
    }

    async fn sandbox_meter(&self, sandbox: SandboxId, every_ms: u64) -> Result<(), NodeError> {
        self.with(sandbox, |sandbox| {
            sandbox.read_every_ms = Some(every_ms);
            Ok(())
        })
    }

    async fn sandbox_throttle(&self, sandbox: SandboxId, cpu_millis: u64) -> Result<(), NodeError> {
        self.with(sandbox, |sandbox| {
            sandbox.cpu_millis = Some(cpu_millis);
            Ok(())
        })
    }

    /// A program of one that is frozen in the middle of it goes on all the same; real ones do not.
    async fn sandbox_freeze(&self, sandbox: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        let busy = self.inner.runs.is_going_in(sandbox);
        let held_bytes = self.with(sandbox, |held| {
            if busy && when == FreezeWhen::Idle && !held.frozen {
                return Err(NodeError::Conflict("a run is in progress".into()));
            }
            held.frozen = true;
            Ok(held.files.values().map(|bytes| bytes.len() as u64).sum())
        })?;
        self.tell(sandbox);
        Ok(FreezeSeen { before_bytes: held_bytes, after_bytes: 0 })
    }

    async fn sandbox_thaw(&self, sandbox: SandboxId) -> Result<(), NodeError> {
        self.used(sandbox, |_| Ok(()))
    }

    async fn complete(&self, sandbox: SandboxId, code: String, cursor: usize) -> Result<Completions, NodeError> {
        self.used(sandbox, |_| Ok(()))?;
        let before = code.get(..cursor).ok_or_else(|| NodeError::Invalid("cursor is not in the code".into()))?;
        let start = before.rfind(' ').map_or(0, |at| at + 1);
        let known = ["print", "sleep", "input"];
        let items = known.iter().filter(|word| word.starts_with(&before[start..])).map(|word| (*word).to_owned());
        Ok(Completions { start, items: items.collect() })
    }

    async fn file_read(&self, sandbox: SandboxId, path: &str) -> Result<FileOpened, NodeError> {
        let (seen, bytes) = self.used(sandbox, |sandbox| sandbox.file(path))?;
        Ok(FileOpened { seen, bytes: Box::pin(Cursor::new(bytes)) })
    }

    async fn file_write(
        &self,
        sandbox: SandboxId,
        path: &str,
        when: WriteWhen,
        mut from: ByteStream,
    ) -> Result<WriteSeen, NodeError> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).await.map_err(|error| NodeError::Invalid(error.to_string()))?;
        self.used(sandbox, |sandbox| sandbox.write(path, when, bytes))
    }

    async fn file_list(&self, sandbox: SandboxId, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
        self.used(sandbox, |sandbox| sandbox.list(path, depth))
    }

    async fn file_remove(&self, sandbox: SandboxId, path: &str) -> Result<(), NodeError> {
        self.used(sandbox, |sandbox| sandbox.remove(path))
    }

    async fn folder_owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError> {
        self.volume().owner_set(owner, quota)
    }

    async fn folder_owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        self.volume().owner_usage(owner)
    }

    async fn folder_make(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.volume().make(FolderPlace { owner, folder })
    }

    async fn folder_remove(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.folder_removed(FolderPlace { owner, folder })
    }

    async fn folder_usage(&self, owner: FolderOwner, folder: FolderId) -> Result<FolderUsage, NodeError> {
        self.volume().usage(FolderPlace { owner, folder })
    }

    async fn folder_clone(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        self.folder_copied(from, to).await
    }

    /// What it knows of folders are their sizes.
    async fn folder_connect(&self) -> Result<AppConnection, NodeError> {
        Err(NodeError::Unavailable("a simulated node has no bytes of folders".to_owned()))
    }

    async fn app_start(&self, sandbox: SandboxId, app: AppSpec) -> Result<AppSeen, NodeError> {
        self.used(sandbox, |sandbox| sandbox.apps.start(app, &sandbox.spec.limits))
    }

    async fn app_stop(&self, sandbox: SandboxId, app: AppId) -> Result<(), NodeError> {
        self.used(sandbox, |sandbox| {
            sandbox.apps.stop(app);
            Ok(())
        })
    }

    async fn apps(&self, sandbox: SandboxId) -> Result<Vec<AppSeen>, NodeError> {
        self.used(sandbox, |sandbox| Ok(sandbox.apps.list()))
    }

    async fn app_connect(&self, sandbox: SandboxId, app: AppId) -> Result<AppConnection, NodeError> {
        self.used(sandbox, |sandbox| sandbox.apps.find(app).map(|_| sandbox.echo()))
    }

    async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, NodeError> {
        self.used(sandbox, |sandbox| sandbox.apps.listens(port).map(|()| sandbox.echo()))
    }

    fn languages(&self) -> Vec<LanguageSeen> {
        crate::known::languages()
    }

    async fn images(&self) -> Result<Vec<ImageSeen>, NodeError> {
        Ok(image::seen(&self.inner.images))
    }

    async fn image_commit(&self, sandbox: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        let files = self.used(sandbox, |sandbox| Ok(image::sizes(&sandbox.files)))?;
        image::commit(&self.inner.images, &files, spec)
    }

    async fn image_export(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
        image::export(&self.inner.images, name, shown)
    }

    async fn image_import(&self, name: &str, digest: &str, bytes: ByteStream) -> Result<(), NodeError> {
        image::import(&self.inner.images, (name, digest), bytes).await
    }

    async fn image_remove(&self, name: &str) -> Result<(), NodeError> {
        self.inner.images.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    fn health(&self) -> NodeHealth {
        let sandboxes = self.lock().len() as u64;
        let mut pool_ready = BTreeMap::from([("host/sim".to_owned(), 4)]);
        pool_ready.extend(self.faults().pools.clone());
        NodeHealth {
            ready: true,
            notes: vec!["simulated".into()],
            sandboxes,
            pool_ready,
            pool_hits: self.faults().hits,
            pool_misses: 0,
            starts_us: vec![1_000, 2_000],
            drift: DriftSeen { strays: 2, ..DriftSeen::default() },
        }
    }

    fn facts(&self) -> NodeFacts {
        NodeFacts { apps: offered(), ..self.inner.facts.clone() }
    }

    fn leases(&self) -> BTreeMap<SandboxId, u64> {
        self.lock().values().filter_map(|sandbox| Some((sandbox.spec.id, sandbox.spec.lease_ms?))).collect()
    }

    /// Pools of a simulated node are full at once.
    async fn pool_want(&self, wanted: PoolWanted) -> Result<(), NodeError> {
        let language = wanted.language.unwrap_or_else(|| "plain".to_owned());
        self.faults().pools.insert(format!("{}/{language}", wanted.image), u64::from(wanted.slots));
        Ok(())
    }
}
