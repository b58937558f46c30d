//! Freezing sandboxes: who may, what becomes of runs, and how whoever uses one thaws it.
//!
//! Every use goes through [`Freezer::awake`], which thaws first; what it returns keeps the sandbox from being frozen as long as it is
//! held. Runs hold nothing while their program runs: they may be frozen with it, if somebody wants that.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use madang_ids::SandboxId;
use madang_model::Usage;
use madang_node_api::{FreezeSeen, FreezeWhen, NodeError, SandboxSeen, SandboxState};
use madang_sandbox::Slot;
use madang_slot_api::ToSlot;
use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, broadcast};

use crate::{agent::Agent, metering::up_us, sandbox::Sandbox};

/// The kernel stops processes in a few milliseconds; one that waits for a disk may take longer.
const FREEZE_WAIT: Duration = Duration::from_secs(5);
/// Whoever uses the sandbox just now, a listing for example, is waited for so long. Others wait behind.
const USERS_WAIT: Duration = Duration::from_millis(500);
/// Whoever wants it to stand still for a moment waits so long for those who use it.
const STILL_WAIT: Duration = Duration::from_secs(10);
const STILL_AGAIN: Duration = Duration::from_millis(20);
/// What init is told before it wakes goes into its socket at once, or is not said.
const TELL_WAIT: Duration = Duration::from_millis(20);
/// Sandboxes whose memory is taken at once: more would only wait for the same disk.
static GIVING_BACK: Semaphore = Semaphore::const_new(4);
/// In a slot's directory, while it is frozen: since when, for an agent after this one.
const FILE: &str = "frozen";

/// Whether a sandbox is frozen.
#[derive(Debug, Default)]
pub struct Freezer {
    /// Since when, on the clock that starts with the machine.
    since_us: RwLock<Option<u64>>,
    /// Runs that have begun and not ended, and programs that are held.
    runs: Arc<AtomicU32>,
    /// How long it was frozen in all, up to its last thaw.
    total_us: AtomicU64,
    /// Not zero while it is frozen: what the lock says, for whoever only looks.
    seen_us: AtomicU64,
    /// Where changes are told; none before somebody holds the sandbox.
    told: OnceLock<broadcast::Sender<SandboxSeen>>,
}

/// What a slot's directory says of its being frozen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// None while it is not.
    since_us: Option<u64>,
    /// In all before that.
    total_us: u64,
    /// The agent froze it to look at what is in it, and would have thawed it at once.
    #[serde(default)]
    moment: bool,
}

impl Frozen {
    /// Of a slot that an agent before this one may have frozen. The kernel knows better than any file.
    pub fn found(slot: &Slot, directory: &Path) -> Self {
        let kept = fs::read(directory.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let kept: Self = kept.unwrap_or_default();
        let since_us = slot.cgroup.is_frozen().then(|| kept.since_us.unwrap_or_else(up_us));
        Self { since_us, ..kept }
    }

    pub fn is_now(&self) -> bool {
        self.since_us.is_some()
    }

    /// Whether somebody wanted it to stay so.
    pub fn is_to_stay(&self) -> bool {
        self.is_now() && !self.moment
    }

    fn us_now(&self) -> u64 {
        self.since_us.map_or(0, |since_us| up_us().saturating_sub(since_us))
    }

    pub fn ms_now(&self) -> u64 {
        self.us_now() / 1_000
    }

    fn keep(&self, directory: &Path) -> std::io::Result<()> {
        fs::write(directory.join(FILE), serde_json::to_vec(self)?)
    }
}

/// The sandbox is not frozen as long as this is held.
#[derive(Debug)]
pub struct Awake<'a>(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'a, Option<u64>>);

/// A run that has begun and not ended, or a program that is held.
#[derive(Debug)]
pub struct RunHeld(Arc<AtomicU32>);

impl Drop for RunHeld {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Freezer {
    /// What is known of the time before this agent.
    pub fn was_frozen(&self, frozen: &Frozen) {
        self.total_us.store(frozen.total_us.saturating_add(frozen.us_now()), Ordering::Release);
    }

    pub fn is_frozen(&self) -> bool {
        self.seen_us.load(Ordering::SeqCst) != 0
    }

    /// How long it has been frozen in all. Time of runs stands still meanwhile.
    pub fn frozen_for(&self) -> Duration {
        let now = match self.seen_us.load(Ordering::Acquire) {
            0 => 0,
            since_us => up_us().saturating_sub(since_us),
        };
        Duration::from_micros(self.total_us.load(Ordering::Acquire).saturating_add(now))
    }

    /// A run, or a program that is held, begins.
    pub fn run(&self) -> RunHeld {
        self.runs.fetch_add(1, Ordering::AcqRel);
        RunHeld(Arc::clone(&self.runs))
    }
}

impl Sandbox {
    /// Thaws it if it is frozen, and keeps it so.
    pub async fn awake(&self) -> Result<Awake<'_>, NodeError> {
        let since_us = self.freezer.since_us.read().await;
        if since_us.is_none() {
            return Ok(Awake(since_us));
        }
        drop(since_us);
        let mut since_us = self.freezer.since_us.write().await;
        self.thaw(&mut since_us).await?;
        Ok(Awake(RwLockWriteGuard::downgrade(since_us)))
    }

    pub fn seen(&self) -> SandboxSeen {
        let (id, session, state) = (self.spec.id, self.spec.session, SandboxState::Running);
        let (frozen, app_bytes) = (self.freezer.is_frozen(), self.app_use.bytes());
        SandboxSeen { id, session, state, usage: Usage::default(), frozen, app_bytes }
    }

    pub async fn freeze(self: &Arc<Self>, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        let busy = |who: &str| NodeError::Conflict(format!("{who}; nothing was suspended"));
        {
            let users_go = tokio::time::timeout(USERS_WAIT, self.freezer.since_us.write()).await;
            let mut since_us = users_go.map_err(|_| busy("somebody uses the sandbox just now"))?;
            if since_us.is_some() {
                let held_bytes = self.slot.cgroup.memory_bytes();
                return Ok(FreezeSeen { before_bytes: held_bytes, after_bytes: held_bytes });
            }
            let runs = self.freezer.runs.load(Ordering::Acquire);
            match when {
                FreezeWhen::Idle if runs > 0 => return Err(busy("a run is in progress")),
                // It has something else to do in the sandbox, and waits for an answer.
                FreezeWhen::Now if runs != self.runs_in_step() => {
                    return Err(busy("a run is between two steps"));
                }
                _ => {}
            }
            let (slot, sent) = (Arc::clone(&self.slot), self.app_use.sent_bytes());
            blocking(move || slot.cgroup.freeze(FREEZE_WAIT)).await.map_err(refused)?;
            self.note_frozen(&mut since_us);
            if self.app_use.sent_bytes() != sent {
                // Nobody would hear what was sent meanwhile, before somebody says something else.
                self.thaw(&mut since_us).await?;
                return Err(busy("an app is used just now"));
            }
        }
        self.tell();
        // It may thaw meanwhile, for somebody who uses it: then less comes of it.
        let slot = Arc::clone(&self.slot);
        // Nobody closes it.
        let _turn = GIVING_BACK.acquire().await;
        let given = blocking(move || slot.cgroup.give_back()).await;
        let given = given.map_err(|error| NodeError::Internal(format!("memory cannot be given back: {error}")))?;
        Ok(FreezeSeen { before_bytes: given.before_bytes, after_bytes: given.after_bytes })
    }

    /// Nothing in the sandbox runs while `read` looks at what is its. Says for how long that was.
    pub async fn still<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), NodeError> {
        let mut since_us = tokio::time::timeout(STILL_WAIT, self.stillness())
            .await
            .map_err(|_| NodeError::Conflict("somebody uses the sandbox just now; try again".to_owned()))?;
        let began = Instant::now();
        let stood = since_us.is_some();
        if !stood {
            // Said before it is so: an agent that finds it frozen has to know that nobody else will thaw it.
            self.keep(self.frozen(Some(up_us().max(1)), true));
            let slot = Arc::clone(&self.slot);
            if let Err(error) = blocking(move || slot.cgroup.freeze(FREEZE_WAIT)).await {
                self.keep(self.frozen(None, false));
                return Err(refused(error));
            }
            self.stands(&mut since_us);
        }
        let done = tokio::task::spawn_blocking(read).await;
        if !stood {
            self.thaw(&mut since_us).await?;
        }
        Ok((done.map_err(|error| NodeError::Internal(error.to_string()))?, began.elapsed()))
    }

    /// When nobody uses it and no run is between two steps: such a run has something to do in it, and waits for an answer.
    async fn stillness(&self) -> RwLockWriteGuard<'_, Option<u64>> {
        loop {
            let since_us = self.freezer.since_us.write().await;
            if self.freezer.runs.load(Ordering::Acquire) == self.runs_in_step() {
                return since_us;
            }
            drop(since_us);
            tokio::time::sleep(STILL_AGAIN).await;
        }
    }

    fn note_frozen(&self, since_us: &mut Option<u64>) {
        self.stands(since_us);
        self.keep(self.frozen(*since_us, false));
    }

    fn stands(&self, since_us: &mut Option<u64>) {
        let now_us = up_us().max(1);
        *since_us = Some(now_us);
        self.freezer.seen_us.store(now_us, Ordering::SeqCst);
    }

    async fn thaw(&self, since_us: &mut Option<u64>) -> Result<(), NodeError> {
        let Some(began_us) = *since_us else { return Ok(()) };
        let frozen_us = up_us().saturating_sub(began_us);
        if self.freezer.runs.load(Ordering::Acquire) > 0 {
            // Before it wakes, so that it ends no run for time that stood still. Where its socket is full of input, that time counts.
            let told = ToSlot::Thawed { frozen_ms: frozen_us / 1_000 };
            let _ = tokio::time::timeout(TELL_WAIT, self.link.send(&told)).await;
        }
        self.slot.cgroup.thaw().map_err(|error| NodeError::Internal(format!("a sandbox does not thaw: {error}")))?;
        *since_us = None;
        self.freezer.total_us.fetch_add(frozen_us, Ordering::AcqRel);
        self.freezer.seen_us.store(0, Ordering::Release);
        self.keep(self.frozen(None, false));
        self.tell();
        Ok(())
    }

    fn frozen(&self, since_us: Option<u64>, moment: bool) -> Frozen {
        Frozen { since_us, total_us: self.freezer.total_us.load(Ordering::Acquire), moment }
    }

    fn keep(&self, frozen: Frozen) {
        if let Err(error) = frozen.keep(self.tapes.directory()) {
            tracing::warn!(slot = self.slot.name, %error, "it cannot be kept since when a sandbox is frozen");
        }
    }

    fn tell(&self) {
        if let Some(told) = self.freezer.told.get() {
            // Nobody may be watching.
            let _ = told.send(self.seen());
        }
    }

    /// Changes are told here from now on.
    pub fn tell_to(&self, told: broadcast::Sender<SandboxSeen>) {
        // A second time it is the same.
        let _ = self.freezer.told.set(told);
    }
}

impl Agent {
    pub(crate) async fn freeze(&self, id: SandboxId, when: FreezeWhen) -> Result<FreezeSeen, NodeError> {
        if !self.shop.cgroups.can_freeze() {
            return Err(NodeError::Unavailable("this machine has no freezer (see `madang doctor`)".to_owned()));
        }
        let sandbox = self.find(id)?;
        // In a task of its own: whoever asked may go away, half a freeze must not stay.
        let freezing = tokio::spawn(async move { sandbox.freeze(when).await });
        freezing.await.map_err(|error| NodeError::Internal(error.to_string()))?
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

fn refused(error: std::io::Error) -> NodeError {
    match error.kind() {
        std::io::ErrorKind::TimedOut => NodeError::Conflict(
            "its processes do not stop (one waits for a disk, perhaps); nothing was suspended".into(),
        ),
        _ => NodeError::Unavailable(format!("a sandbox cannot be frozen: {error}")),
    }
}
