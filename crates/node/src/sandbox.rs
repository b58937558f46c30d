//! A claimed slot: what was asked for, what it is bound to, who uses it now.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use madang_languages::Recipe;
use madang_model::{Limits, Usage};
use madang_network::Transferred;
use madang_node_api::{NodeError, SandboxSpec, WriteWhen};
use madang_sandbox::{CgroupLimits, Slot};
use madang_slot_api::{Bind, FileAnswer, FileAsk, FileFault, FromSlot, Keep, OwnLimits, RunNumber, ToSlot};
use madang_storage::{Lent, Volumes};

use crate::{
    app::{AppUse, Apps},
    device::Hold,
    folder::Lending,
    freeze::Freezer,
    link::{Link, LinkError},
    meter::{Began, Meter},
    metering::{Carried, SandboxMeter},
    network::Wire,
    pool::Ready,
    recover::Found,
    run::tape::Tapes,
};

/// Files up to this size go to init in one message.
pub const PUT_BYTES_MAX: usize = 64 << 10;

/// An interpreter that is not ready by then never will be.
const DRIVER_WAIT: Duration = Duration::from_secs(30);
/// What runs in a sandbox that is restarted is ended this often, until the interpreter is free.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// What this machine adds to a claim.
#[derive(Debug)]
pub struct Binding {
    pub cpus: Vec<u32>,
    pub orphan_ms: u64,
    pub one_shot: bool,
    /// The directory of all slots.
    pub slots: PathBuf,
    /// Devices that it was given.
    pub hold: Option<Arc<Hold>>,
    /// Its network, if it has one.
    pub wire: Option<Wire>,
    /// Folders that it was given.
    pub(crate) folders: Option<Lending>,
    /// What it was made of.
    pub template: String,
}

/// Runs whose last messages init still keeps; one more, and it may forget them all.
const UNCONFIRMED_MAX: usize = 16;
/// Messages that weigh more are the guest's memory for too long.
const UNCONFIRMED_BYTES_MAX: u64 = 4 << 10;

/// A step that is on its tape, whose messages init still keeps.
#[derive(Debug, Clone, Copy)]
pub struct Unconfirmed {
    pub run: RunNumber,
    /// Messages that are safe.
    pub upto: u64,
    pub bytes: u64,
}

/// A sandbox in use.
#[derive(Debug)]
pub struct Sandbox {
    pub spec: SandboxSpec,
    pub recipe: Option<Arc<Recipe>>,
    /// What it was made of: `host`, or the digest of an image.
    pub template: String,
    pub link: Link,
    pub slot: Arc<Slot>,
    pub cpus: u32,
    /// It goes with its only run.
    pub one_shot: bool,
    /// Held while the interpreter serves somebody; false inside when it must be started anew first.
    pub driver: tokio::sync::Mutex<bool>,
    restarting: tokio::sync::Mutex<()>,
    /// Of a session's; what a one-shot used stands in the end of its run.
    pub meter: Option<Arc<SandboxMeter>>,
    /// Its network, if it has one.
    pub wire: Option<Wire>,
    /// Where the counting of a one-shot began.
    pub began: OnceLock<Began>,
    /// Runs in progress, and runs ever begun: who was alone may take the cgroup's counters for its own.
    active: AtomicU32,
    begun: AtomicU64,
    put: Mutex<Vec<String>>,
    unconfirmed: Mutex<Vec<Unconfirmed>>,
    /// Uploads begun.
    parts: AtomicU32,
    serving: Mutex<Option<RunNumber>>,
    /// Of its runs, which outlive the agent.
    pub tapes: Tapes,
    pub freezer: Freezer,
    pub apps: Apps,
    pub app_use: AppUse,
    /// That it has folders, which nobody removes meanwhile.
    lent: Option<Lent>,
}

impl Sandbox {
    /// Binds a waiting slot to what was asked. Messages are sent ahead without waiting: init answers in order.
    pub async fn bind(
        ready: Ready,
        spec: SandboxSpec,
        recipe: Option<Arc<Recipe>>,
        binding: Binding,
    ) -> Result<Self, NodeError> {
        let (one_shot, slots) = (binding.one_shot, binding.slots);
        let carried = Carried { hold: binding.hold, wire: binding.wire.clone() };
        let (lent, trees) = binding.folders.map_or((None, Vec::new()), |folders| (Some(folders.lent), folders.trees));
        let Ready { slot, link, made_with, app } = ready;
        let mut spec = spec;
        // Files are memory; what the node writes into them for a guest would be counted as the node's own.
        spec.limits.disk_bytes = spec.limits.disk_bytes.min(spec.limits.memory_bytes);
        let limits = cgroup_limits(&spec.limits);
        if limits != made_with.cgroup {
            slot.cgroup.limit(&limits).map_err(|error| NodeError::Internal(format!("cannot set limits: {error}")))?;
        }
        let sandbox = Self {
            meter: (!one_shot).then(|| Arc::new(SandboxMeter::start(&spec, &slot, &slots, carried))),
            wire: binding.wire,
            cpus: binding.cpus.len() as u32,
            one_shot,
            began: OnceLock::new(),
            put: Mutex::default(),
            unconfirmed: Mutex::default(),
            parts: AtomicU32::default(),
            serving: Mutex::default(),
            driver: tokio::sync::Mutex::new(true),
            restarting: tokio::sync::Mutex::default(),
            active: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            tapes: Tapes::new(slots.join(&slot.name)),
            freezer: Freezer::default(),
            apps: app.iter().collect(),
            app_use: AppUse::default(),
            lent,
            spec,
            recipe,
            template: binding.template,
            link,
            slot,
        };
        for (at, tree) in trees {
            sandbox.link.send_with(&ToSlot::Mount { at }, Some(&tree)).await.map_err(unavailable)?;
        }
        let asked = &sandbox.spec;
        let bind = Bind {
            hostname: "madang".to_owned(),
            env: sandbox.environment(),
            disk_bytes: (asked.limits.disk_bytes != made_with.disk_bytes).then_some(asked.limits.disk_bytes),
            open_files: asked.limits.open_files,
            own_limits: (!sandbox.slot.cgroup.counts()).then(|| own_limits(&asked.limits)),
            memory_bytes: asked.limits.memory_bytes,
            cpus: binding.cpus,
            orphan_ms: binding.orphan_ms,
            keep: if one_shot { Keep::Nothing } else { Keep::UntilConfirmed },
        };
        if let Some(Wire { gateway, .. }) = &sandbox.wire {
            let resolve = ToSlot::Resolve { text: madang_network::resolver_text(*gateway) };
            sandbox.link.send(&resolve).await.map_err(unavailable)?;
        }
        sandbox.link.send(&ToSlot::Bind(bind)).await.map_err(unavailable)?;
        Ok(sandbox)
    }

    /// A sandbox found again after a restart: bound before, its interpreter in a state we do not know.
    pub fn adopt(found: Found, recipe: Option<Arc<Recipe>>, link: Link, (slots, volumes): (&Path, &Volumes)) -> Self {
        let Found { slot, claim, meter } = found;
        let wire = meter.wire();
        let SandboxSpec { id, session, mounts, .. } = &claim.spec;
        Self {
            freezer: Freezer::default(),
            lent: (!mounts.is_empty()).then(|| volumes.lent_before((*id, *session), mounts)),
            tapes: Tapes::new(slots.join(&slot.name)),
            meter: Some(meter),
            wire,
            cpus: claim.cpus,
            one_shot: false,
            began: OnceLock::new(),
            put: Mutex::default(),
            unconfirmed: Mutex::default(),
            parts: AtomicU32::default(),
            serving: Mutex::default(),
            driver: tokio::sync::Mutex::new(true),
            restarting: tokio::sync::Mutex::default(),
            active: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            apps: Apps::default(),
            app_use: AppUse::default(),
            // A claim of an agent that did not write it down has the name.
            template: claim.template.unwrap_or_else(|| claim.spec.image.clone()),
            spec: claim.spec,
            recipe,
            link,
            slot,
        }
    }

    /// Why it was not bound. What is wrong with its folders only whoever asked for them can mend.
    pub fn not_bound(&self, error: LinkError) -> NodeError {
        match error {
            LinkError::Fault(why) if self.lent.is_some() => NodeError::Invalid(why),
            error => unavailable(error),
        }
    }

    /// It ends: its folders are its no more.
    pub fn give_back(&self) {
        self.lent.iter().for_each(Lent::end);
    }

    /// What an interpreter that was started before the claim must still learn.
    pub fn late_environment(&self) -> Vec<String> {
        let memory = format!("MADANG_MEMORY_BYTES={}", self.spec.limits.memory_bytes);
        self.spec.env.iter().map(|(key, value)| format!("{key}={value}")).chain([memory]).collect()
    }

    /// Paths of the files put in so far.
    pub fn files_put(&self) -> Vec<String> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the request and the language add to the environment of every program.
    pub fn environment(&self) -> Vec<String> {
        let mut env: BTreeMap<&str, &str> = BTreeMap::new();
        let memory = self.spec.limits.memory_bytes.to_string();
        if let Some(recipe) = &self.recipe {
            env.extend(recipe.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        }
        env.insert("MADANG_MEMORY_BYTES", &memory);
        env.extend(self.spec.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        env.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Puts a file into `/home/work`.
    pub async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), NodeError> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        if bytes.len() <= PUT_BYTES_MAX {
            let ask = FileAsk::Put { path: path.to_owned(), bytes: bytes.to_vec() };
            return self.file(ask, path).await.map(drop);
        }
        let bytes = Box::pin(std::io::Cursor::new(bytes.to_vec()));
        crate::files::write(self, path, WriteWhen::Always, bytes).await.map(drop)
    }

    /// What the next upload is called until all of it is here.
    pub fn next_part(&self) -> u32 {
        self.parts.fetch_add(1, Ordering::Relaxed) % u32::MAX
    }

    /// Work on a file that gives no descriptor.
    pub async fn file(&self, ask: FileAsk, path: &str) -> Result<FileAnswer, NodeError> {
        let (answer, _) = self.link.file(ask).await.map_err(unavailable)?;
        answer.map_err(|fault| file_error(path, &fault))
    }

    /// A signal to what the interpreter is doing, if it is doing anything.
    pub async fn interrupt(&self, number: i32) -> Result<(), LinkError> {
        let serving = *self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        match serving {
            Some(run) => self.link.send(&ToSlot::Signal { run, number }).await,
            None => Ok(()),
        }
    }

    /// The run that the interpreter serves from now on.
    pub fn set_serving(&self, run: Option<RunNumber>) {
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }

    /// Ends all that runs in it, and starts the interpreter anew. One after the other: what a second one ended would be what the first
    /// waits for.
    pub async fn restart(&self) -> Result<(), NodeError> {
        let _turn = self.restarting.lock().await;
        let _awake = self.awake().await?;
        let mut free = pin!(self.driver.lock());
        let mut alive = loop {
            self.link.send(&ToSlot::KillAll).await.map_err(unavailable)?;
            // Whoever holds the interpreter sees it end; who has waited for it before us has it first, and is ended next.
            if let Ok(alive) = tokio::time::timeout(KILL_AGAIN, &mut free).await {
                break alive;
            }
        };
        *alive = false;
        if self.recipe.as_ref().is_some_and(|recipe| recipe.driver.is_some()) {
            let restarted = match self.restart_driver().await {
                // Perhaps of the one that was ended before it was ready.
                Err(LinkError::Fault(_)) => self.restart_driver().await,
                restarted => restarted,
            };
            restarted.map_err(unavailable)?;
            *alive = true;
        }
        Ok(())
    }

    /// Starts the interpreter anew and waits until it is ready.
    pub async fn restart_driver(&self) -> Result<(), LinkError> {
        // That the old one ended is no news.
        self.link.forget_notices().await;
        self.link.send(&ToSlot::DriverRestart).await?;
        let ready = self.link.notice_within(DRIVER_WAIT, |notice| *notice == FromSlot::DriverReady).await;
        if matches!(ready, Err(LinkError::Silent)) {
            tracing::warn!(slot = self.slot.name, "a sandbox does not answer; it is ended");
            self.slot.kill();
        }
        ready
    }

    /// Lets init forget a step: at once if it weighs much, else when init is awake anyhow. To wake it for each would cost more than the
    /// rest of a short run.
    pub async fn confirm_in_time(&self, step: Unconfirmed) {
        let waiting = {
            let mut waiting = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(step);
            waiting.len()
        };
        if step.bytes > UNCONFIRMED_BYTES_MAX || waiting >= UNCONFIRMED_MAX {
            self.confirm_due().await;
        }
    }

    /// Lets init forget every step that is on its tape.
    pub async fn confirm_due(&self) {
        let due = std::mem::take(&mut *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner));
        for Unconfirmed { run, upto, .. } in due {
            // A sandbox that is gone has forgotten.
            let _ = self.link.send(&ToSlot::Confirm { run, upto }).await;
        }
    }

    /// Runs whose program is being followed.
    pub fn runs_in_step(&self) -> u32 {
        self.active.load(Ordering::Acquire)
    }

    pub fn begin_run(&self) -> RunSlot<'_> {
        let others = self.active.fetch_add(1, Ordering::AcqRel);
        let mark = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        RunSlot { sandbox: self, alone: others == 0, mark }
    }

    /// Usage since the claim.
    pub fn usage(&self) -> Usage {
        match (&self.meter, self.began.get()) {
            (Some(meter), _) => meter.usage(),
            // What init counts of files it says at the end.
            (None, Some(began)) => {
                let mut meter = Meter::resume(*began);
                let counted = meter.read(&self.slot.cgroup, 0, 0);
                meter.wired(counted, self.transferred()).usage
            }
            (None, None) => Usage::default(),
        }
    }

    /// What has gone over its network so far.
    pub fn transferred(&self) -> Transferred {
        self.wire.as_ref().map(Wire::transferred).unwrap_or_default()
    }

    /// From now on it gets so much of the processors, and never more than it was made with.
    pub fn throttle(&self, cpu_millis: u64) -> Result<(), NodeError> {
        if !self.slot.cgroup.counts() {
            return Err(NodeError::Unavailable("without cgroups no sandbox can be throttled".to_owned()));
        }
        let cpu_millis = cpu_millis.min(self.spec.limits.cpu_millis);
        let limited = self.slot.cgroup.limit_cpu(cpu_millis);
        limited.map_err(|error| NodeError::Internal(format!("cannot throttle a sandbox: {error}")))
    }
}

/// A run's place among those of its sandbox.
pub struct RunSlot<'a> {
    sandbox: &'a Sandbox,
    alone: bool,
    mark: u64,
}

impl RunSlot<'_> {
    /// No other run was in progress at any time of this one.
    pub fn was_alone(&self) -> bool {
        self.alone && self.sandbox.begun.load(Ordering::Acquire) == self.mark
    }
}

impl Drop for RunSlot<'_> {
    fn drop(&mut self) {
        self.sandbox.active.fetch_sub(1, Ordering::AcqRel);
    }
}

pub fn own_limits(limits: &Limits) -> OwnLimits {
    OwnLimits { pids: limits.pids, memory_bytes: limits.memory_bytes, cpu_s: limits.cpu_ms.div_ceil(1000) }
}

pub fn cgroup_limits(limits: &Limits) -> CgroupLimits {
    // Init is a process of the slot too.
    CgroupLimits { memory_bytes: limits.memory_bytes, pids: limits.pids + 1, cpu_millis: limits.cpu_millis }
}

pub fn unavailable(error: LinkError) -> NodeError {
    NodeError::Unavailable(error.to_string())
}

pub fn file_error(path: &str, fault: &FileFault) -> NodeError {
    let text = format!("{path}: {fault}");
    match fault {
        FileFault::NotFound => NodeError::NotFound(path.to_owned()),
        FileFault::Outside | FileFault::NotFile | FileFault::NotDirectory | FileFault::Denied => {
            NodeError::Invalid(text)
        }
        FileFault::Full => NodeError::Limit(text),
        FileFault::Changed => NodeError::Changed(text),
        FileFault::Other(_) => NodeError::Invalid(text),
    }
}
