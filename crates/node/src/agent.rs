//! The agent: its parts put together, and the operations that control asks for.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use madang_ids::{AppId, FolderId, RunId, SandboxId};
use madang_image::host::HOST_IMAGE;
use madang_model::{FolderOwner, FolderOwnerUsage, FolderPlace, FolderQuota, FolderUsage, Reading, RunSpec, Usage};
use madang_node_api::{
    AppConnection, AppSeen, AppSpec, ByteStream, CommitSeen, CommitSpec, Completions, Depth, ExecHandle, ExecSpec,
    FileOpened, FileSeen, FreezeSeen, FreezeWhen, ImageSeen, LanguageSeen, Node, NodeError, NodeFacts, NodeHealth,
    PoolWanted, ReadingAck, RunHandle, RunSeen, SandboxSeen, SandboxSpec, SandboxState, WriteSeen, WriteWhen,
};
use madang_storage::{Served, Volumes};
use tokio::{
    sync::{Notify, broadcast},
    task::JoinSet,
};

use crate::{
    alone::Alone,
    app::Used,
    census,
    claim::Wanted,
    completion,
    config::{AgentConfig, Pools as PoolsWanted},
    device::Devices,
    facts, files,
    image::Images,
    metering::{self, SandboxMeter, Spool},
    network::NodeNetwork,
    open::Opening,
    recover::{self, Claim},
    run::{self, KeptRun, KeptRuns},
    sandbox::{Sandbox, unavailable},
    self_test,
    setup::{Setup, StartError},
    shop::Shop,
};

/// Changes that a slow watcher may lag behind before it has to list.
pub(crate) const WATCH_MAX: usize = 1024;
/// A one-shot's slot lives this much longer than its run may.
const ONE_SHOT_ORPHAN_SPARE_MS: u64 = 60_000;
/// How long stopping waits for slots to be taken apart, twice; with ten seconds of draining it stays below the ninety that systemd waits.
const STOP_WAIT: Duration = Duration::from_secs(30);
const SIGINT: i32 = 2;

/// A running node.
pub struct Agent {
    pub(crate) config: AgentConfig,
    pub(crate) shop: Arc<Shop>,
    pub(crate) languages: Vec<LanguageSeen>,
    pub(crate) devices: Devices,
    pub(crate) network: Arc<NodeNetwork>,
    pub(crate) volumes: Arc<Volumes>,
    /// Answers for what is in folders, once somebody has said whose tickets count.
    pub(crate) folders_served: RwLock<Option<Served>>,
    pub(crate) images: Images,
    pub(crate) sandboxes: RwLock<HashMap<SandboxId, Arc<Sandbox>>>,
    pub(crate) opening: Opening,
    pub(crate) changes: broadcast::Sender<SandboxSeen>,
    /// Runs of sessions, which outlive this agent.
    pub(crate) runs: KeptRuns,
    pub(crate) alone: Arc<Alone>,
    /// What sandboxes have used and nobody has taken yet.
    pub(crate) spool: Arc<Spool>,
    /// Rings when a sandbox is to be read earlier than was known.
    pub(crate) meters_changed: Arc<Notify>,
    pub(crate) starts_us: Mutex<VecDeque<u64>>,
    pub(crate) notes: Vec<String>,
    pub(crate) slots: PathBuf,
    pub(crate) _lock: fs::File,
    pub(crate) me: std::sync::Weak<Agent>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Agent {
    /// Starts the spawner, takes up what a former server left, and begins to fill the pools.
    pub async fn start(config: AgentConfig) -> Result<Arc<Self>, StartError> {
        let setup = tokio::task::spawn_blocking(move || Setup::make(config));
        let setup = setup.await.map_err(std::io::Error::other)??;
        let host = setup.host.clone();
        let (agent, found) = setup.into_agent()?;
        agent.shop.maker.make_template(HOST_IMAGE.to_owned(), host).await?;
        self_test::run(&agent.shop, &agent.config.home).await?;
        agent.network.serve_adopted().await;
        let mut adoptions = JoinSet::new();
        for found in found {
            let agent = Arc::clone(&agent);
            adoptions.spawn(async move { agent.adopt(found).await });
        }
        adoptions.join_all().await;
        tokio::spawn(metering::read_on_time(agent.me.clone(), Arc::clone(&agent.meters_changed)));
        census::start(agent.me.clone())?;
        if agent.config.pools == PoolsWanted::On {
            agent.open_pools();
            tokio::spawn(Arc::clone(&agent.shop).fill());
        }
        Ok(agent)
    }

    /// Ends what waits unclaimed, and waits until all that was to end is gone; sandboxes of sessions live on and are found again.
    pub async fn stop(&self) {
        self.shop.close(STOP_WAIT).await;
        for ready in self.shop.pools.drain() {
            self.shop.retirement.retire(ready.slot);
        }
        let (retirement, network) = (self.shop.retirement.clone(), Arc::clone(&self.network));
        let done = tokio::task::spawn_blocking(move || {
            let finished = retirement.finish(STOP_WAIT);
            network.close();
            finished
        });
        if !done.await.unwrap_or(false) {
            tracing::warn!("some slots could not be removed in time; the next start removes them");
        }
    }

    /// Lists the sandbox.
    pub(crate) fn keep(&self, sandbox: &Arc<Sandbox>) {
        sandbox.tell_to(self.changes.clone());
        self.sandboxes.write().unwrap_or_else(PoisonError::into_inner).insert(sandbox.spec.id, Arc::clone(sandbox));
        self.meters_changed.notify_one();
    }

    /// Watches for the end of a sandbox that is listed. Whoever has something to say of it says it before: the end is the last.
    pub(crate) fn watch_end(&self, sandbox: Arc<Sandbox>) {
        let (agent, id) = (self.me.clone(), sandbox.spec.id);
        tokio::spawn(async move {
            sandbox.link.closed().await;
            if let Some(agent) = agent.upgrade() {
                agent.lost(id, "its init ended");
            }
        });
    }

    fn lost(&self, id: SandboxId, why: &str) {
        if let Some(sandbox) = self.forget(id) {
            self.shop.drift.sandbox_ended(id, sandbox.spec.session, &sandbox.slot.name);
            self.runs.forget_of(id);
            let usage = sandbox.usage();
            self.retire(&sandbox);
            let state = SandboxState::Ended { why: why.to_owned() };
            // Nobody may be watching.
            let _ = self.changes.send(SandboxSeen { state, usage, frozen: false, ..sandbox.seen() });
        }
    }

    fn retire(&self, sandbox: &Sandbox) {
        sandbox.give_back();
        self.shop.retirement.retire_metered(Arc::clone(&sandbox.slot), sandbox.meter.clone());
    }

    /// Of every sandbox that is read.
    pub(crate) fn meters(&self) -> Vec<Arc<SandboxMeter>> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        sandboxes.values().filter_map(|sandbox| sandbox.meter.clone()).collect()
    }

    fn forget(&self, id: SandboxId) -> Option<Arc<Sandbox>> {
        self.sandboxes.write().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    pub(crate) fn find(&self, id: SandboxId) -> Result<Arc<Sandbox>, NodeError> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        sandboxes.get(&id).cloned().ok_or_else(|| NodeError::NotFound(format!("sandbox {id}")))
    }

    pub(crate) fn write_claim(&self, sandbox: &Sandbox) -> Result<(), NodeError> {
        let claim = Claim { network: self.network.index(&sandbox.slot.name), ..Claim::of(sandbox) };
        recover::write(&self.slots, &sandbox.slot.name, &claim)
            .map_err(|error| NodeError::Internal(format!("cannot keep the claim: {error}")))
    }
}

#[async_trait]
impl Node for Agent {
    async fn sandbox_open(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        self.open(spec).await
    }

    async fn sandbox_close(&self, id: SandboxId) -> Result<Usage, NodeError> {
        let Some(sandbox) = self.forget(id) else {
            self.spool.end_unseen(id);
            return Ok(Usage::default());
        };
        self.runs.forget_of(id);
        let usage = sandbox.usage();
        self.retire(&sandbox);
        Ok(usage)
    }

    async fn sandbox_restart(&self, id: SandboxId) -> Result<(), NodeError> {
        self.find(id)?.restart().await
    }

    async fn sandbox_interrupt(&self, id: SandboxId) -> Result<(), NodeError> {
        let sandbox = self.find(id)?;
        let _awake = sandbox.awake().await?;
        sandbox.interrupt(SIGINT).await.map_err(unavailable)
    }

    fn sandboxes(&self) -> Vec<SandboxSeen> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        sandboxes.values().map(|sandbox| sandbox.seen()).collect()
    }

    fn watch(&self) -> broadcast::Receiver<SandboxSeen> {
        self.changes.subscribe()
    }

    async fn usage(&self, id: SandboxId) -> Result<Usage, NodeError> {
        match self.alone.find(id) {
            Some(sandbox) => Ok(sandbox.usage()),
            None => Ok(self.find(id)?.usage()),
        }
    }

    async fn run_start(&self, sandbox: SandboxId, run: RunSpec) -> Result<RunHandle, NodeError> {
        run::check_size(&run)?;
        let sandbox = self.find(sandbox)?;
        // Until the run has begun: from then on it is one of those that count.
        let _awake = sandbox.awake().await?;
        let wall_ms = run.wall_ms_max();
        let (handle, tape) = run::start_kept(Arc::clone(&sandbox), run).await?;
        self.runs.keep(KeptRun::new(&sandbox, tape, &handle, wall_ms));
        if self.find(sandbox.spec.id).is_err() {
            // It has ended meanwhile, and its runs may have been forgotten before there was this one.
            self.runs.forget_of(sandbox.spec.id);
        }
        Ok(handle)
    }

    async fn run_once(&self, spec: SandboxSpec, run: RunSpec) -> Result<RunHandle, NodeError> {
        run::check_size(&run)?;
        if !spec.devices.is_empty() || !spec.mounts.is_empty() {
            return Err(NodeError::Invalid(
                "a run of its own has no accelerators and no folders; a session has".to_owned(),
            ));
        }
        let _using = self.images.using.read().await;
        let key = self.template(&spec.image).await?;
        let recipe = self.recipe(&key, spec.language.as_ref())?;
        let uses_driver = recipe.as_ref().is_some_and(|recipe| run::uses_driver(recipe, &run));
        let orphan_ms = run.limits.wall_ms.saturating_add(ONE_SHOT_ORPHAN_SPARE_MS);
        let wanted = Wanted { key, recipe, uses_driver, one_shot: true, orphan_ms, lent: None };
        let sandbox = Arc::new(self.claim_for_good(spec, wanted).await?);
        let (id, slot) = (sandbox.spec.id, Arc::clone(&sandbox.slot));
        self.alone.add(&sandbox);
        let (handle, ended) = run::start(sandbox, run);
        let (retirement, alone) = (self.shop.retirement.clone(), Arc::clone(&self.alone));
        tokio::spawn(async move {
            // However it ended, the sandbox goes with it.
            let _ = ended.await;
            alone.forget(id);
            retirement.retire(slot);
        });
        Ok(handle)
    }

    fn runs(&self) -> Vec<RunSeen> {
        self.runs.seen()
    }

    async fn run_attach(&self, run: RunId, after: Option<u64>) -> Result<RunHandle, NodeError> {
        self.runs.attach(run, after)
    }

    async fn run_forget(&self, run: RunId) -> Result<(), NodeError> {
        self.runs.forget(run);
        Ok(())
    }

    async fn exec_start(&self, sandbox: SandboxId, spec: ExecSpec) -> Result<ExecHandle, NodeError> {
        run::exec::start(self.find(sandbox)?, spec).await
    }

    async fn readings(&self) -> Result<Vec<Reading>, NodeError> {
        Ok(self.spool.next().await)
    }

    async fn readings_ack(&self, acks: &[ReadingAck]) -> Result<(), NodeError> {
        self.spool.ack(acks);
        Ok(())
    }

    async fn sandbox_meter(&self, sandbox: SandboxId, every_ms: u64) -> Result<(), NodeError> {
        if let Some(meter) = &self.find(sandbox)?.meter {
            meter.read_every(every_ms);
            self.meters_changed.notify_one();
        }
        Ok(())
    }

    async fn sandbox_throttle(&self, sandbox: SandboxId, cpu_millis: u64) -> Result<(), NodeError> {
        self.find(sandbox)?.throttle(cpu_millis)
    }

    async fn sandbox_freeze(&self, sandbox: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        self.freeze(sandbox, when).await
    }

    async fn sandbox_thaw(&self, sandbox: SandboxId) -> Result<(), NodeError> {
        self.find(sandbox)?.awake().await.map(drop)
    }

    async fn complete(&self, sandbox: SandboxId, code: String, cursor: usize) -> Result<Completions, NodeError> {
        // In a task of its own: whoever asks may go away, the interpreter must still be put back in order.
        let task = tokio::spawn(completion::complete(self.find(sandbox)?, code, cursor));
        task.await.map_err(|error| NodeError::Internal(error.to_string()))?
    }

    async fn file_read(&self, sandbox: SandboxId, path: &str) -> Result<FileOpened, NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        files::read(&sandbox, path).await
    }

    async fn file_write(
        &self,
        sandbox: SandboxId,
        path: &str,
        when: WriteWhen,
        bytes: ByteStream,
    ) -> Result<WriteSeen, NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        files::write(&sandbox, path, when, bytes).await
    }

    async fn file_list(&self, sandbox: SandboxId, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        files::list(&sandbox, path, depth).await
    }

    async fn file_remove(&self, sandbox: SandboxId, path: &str) -> Result<(), NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        files::remove(&sandbox, path).await
    }

    async fn folder_owner_set(&self, owner: FolderOwner, quota: FolderQuota) -> Result<(), NodeError> {
        self.folders(move |volumes| volumes.owner_set(owner, quota)).await
    }

    async fn folder_owner_usage(&self, owner: FolderOwner) -> Result<FolderOwnerUsage, NodeError> {
        self.folders(move |volumes| volumes.owner_usage(owner)).await
    }

    async fn folder_make(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.folders(move |volumes| volumes.make(FolderPlace { owner, folder })).await
    }

    async fn folder_remove(&self, owner: FolderOwner, folder: FolderId) -> Result<(), NodeError> {
        self.folders(move |volumes| volumes.remove(FolderPlace { owner, folder })).await
    }

    async fn folder_usage(&self, owner: FolderOwner, folder: FolderId) -> Result<FolderUsage, NodeError> {
        self.folder_count(FolderPlace { owner, folder }).await
    }

    async fn folder_clone(&self, from: FolderPlace, to: FolderPlace) -> Result<(), NodeError> {
        self.folders(move |volumes| volumes.copy(from, to)).await
    }

    async fn folder_connect(&self) -> Result<AppConnection, NodeError> {
        self.folder_stream()
    }

    async fn app_start(&self, sandbox: SandboxId, app: AppSpec) -> Result<AppSeen, NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        self.app_fits(&sandbox, &app).await?;
        sandbox.apps.start(&sandbox.link, &self.shop.shelf, app).await
    }

    async fn app_stop(&self, sandbox: SandboxId, app: AppId) -> Result<(), NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        sandbox.apps.stop(&sandbox.link, app).await
    }

    async fn apps(&self, sandbox: SandboxId) -> Result<Vec<AppSeen>, NodeError> {
        let sandbox = self.find(sandbox)?;
        let _awake = sandbox.awake().await?;
        sandbox.apps.seen(&sandbox.link).await
    }

    async fn app_connect(&self, sandbox: SandboxId, app: AppId) -> Result<AppConnection, NodeError> {
        Ok(Box::new(Used::of_app(self.find(sandbox)?, app).await?))
    }

    async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, NodeError> {
        Ok(Box::new(Used::of_port(self.find(sandbox)?, port).await?))
    }

    fn languages(&self) -> Vec<LanguageSeen> {
        self.languages.clone()
    }

    async fn images(&self) -> Result<Vec<ImageSeen>, NodeError> {
        self.images_seen().await
    }

    async fn image_commit(&self, sandbox: SandboxId, spec: CommitSpec) -> Result<CommitSeen, NodeError> {
        self.commit(sandbox, spec).await
    }

    async fn image_export(&self, name: &str, shown: &str) -> Result<FileOpened, NodeError> {
        self.export_image(name, shown).await
    }

    async fn image_import(&self, name: &str, digest: &str, bytes: ByteStream) -> Result<(), NodeError> {
        self.import_image(name, digest, bytes).await
    }

    async fn image_remove(&self, name: &str) -> Result<(), NodeError> {
        self.remove_image(name).await
    }

    fn health(&self) -> NodeHealth {
        let counts = self.shop.pools.counts();
        NodeHealth {
            ready: true,
            notes: self.notes.clone(),
            sandboxes: self.sandboxes.read().unwrap_or_else(PoisonError::into_inner).len() as u64,
            pool_ready: self.shop.pools.ready(),
            pool_hits: counts.hits,
            pool_misses: counts.misses,
            starts_us: self.starts_us.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect(),
            drift: self.shop.drift.seen(),
        }
    }

    fn facts(&self) -> NodeFacts {
        NodeFacts { apps: self.shop.shelf.offered(), ..facts::look(&self.config, &self.devices, &self.volumes) }
    }

    fn leases(&self) -> BTreeMap<SandboxId, u64> {
        let sandboxes = self.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        sandboxes.values().filter_map(|sandbox| Some((sandbox.spec.id, sandbox.spec.lease_ms?))).collect()
    }

    async fn pool_want(&self, wanted: PoolWanted) -> Result<(), NodeError> {
        self.want_pool(wanted).await
    }
}
