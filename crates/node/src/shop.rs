//! Making slots ready: from the spawner's bare slot to one whose walls stand and whose interpreter waits.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use madang_languages::Recipe;
use madang_model::Limits;
use madang_node_api::NodeError;
use madang_sandbox::{Cgroups, Slot, SlotSpec, SpawnerError, spawner::GUEST_ID};
use madang_slot_api::{FromSlot, Prepare, ToSlot, VERSION};
use tokio::sync::{Notify, oneshot};
use tracing::{Instrument as _, Span};

use crate::{
    app::{self, Shelf},
    device::Given,
    drift::Drift,
    ledger::Ledger,
    link::{Link, LinkError},
    maker::Maker,
    pool::{MadeWith, PoolKey, Pools, Ready, Room},
    retire::Retirement,
    sandbox::{cgroup_limits, own_limits},
    template::Template,
};

/// A slot that is not ready by then never will be: slow interpreters on a loaded machine included.
const READY_WAIT: Duration = Duration::from_secs(30);
/// A slot in a pool whose node says nothing for so long ends itself.
const POOL_ORPHAN_MS: u64 = 60_000;
/// Slots made at once in the background: the hot path needs the processors too.
const MAKING_MAX: usize = 2;
/// Pools are looked at again after so long even if nobody rang.
const FILL_EVERY: Duration = Duration::from_secs(2);
/// Time between two looks for slots in pools that have ended.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Everything slots are made with.
pub struct Shop {
    pub maker: Maker,
    pub pools: Pools,
    pub ledger: Arc<Ledger>,
    pub retirement: Retirement,
    pub cgroups: Arc<Cgroups>,
    pub drift: Arc<Drift>,
    pub recipes: BTreeMap<String, Arc<Recipe>>,
    pub shelf: Shelf,
    pub slots: OwnedFd,
    pub filters: Vec<Vec<u8>>,
    pub processors: u32,
    pub rootless: bool,
    /// What slots are made from: `host`, and other images by digest.
    pub templates: Mutex<BTreeMap<String, Template>>,
    pub making: AtomicUsize,
    /// Those of them that have an app.
    pub making_apps: AtomicUsize,
    /// Rings when a slot that was in the making is in its pool, or is not.
    pub arrived: Notify,
    /// No more slots for the pools: the node stops.
    pub closed: AtomicBool,
    pub turn: AtomicU32,
}

impl Shop {
    /// A slot for `key`: one that waits, or one made now.
    pub async fn claim(self: &Arc<Self>, key: &PoolKey) -> Result<Ready, NodeError> {
        // Without one whose app was started ahead, nobody waits for an app: it is started when it is asked for.
        let plain = PoolKey { app: None, ..key.clone() };
        let other = || if key.app.is_some() { self.take_waiting(&plain) } else { None };
        let waiting = self.take_waiting(key).or_else(other);
        match waiting {
            Some(ready) => {
                Span::current().record("madang.pool", "hit");
                Ok(ready)
            }
            None => self.make_apart(&plain, Given::default()).await,
        }
    }

    /// One that waits and lives.
    fn take_waiting(&self, key: &PoolKey) -> Option<Ready> {
        loop {
            let ready = self.pools.take(key)?;
            if is_alive(&ready.slot) {
                return Some(ready);
            }
            self.drift.slot_ended(&ready.slot.name);
            self.retirement.retire(ready.slot);
        }
    }

    /// Makes a slot for somebody who may stop waiting; then it goes again.
    pub async fn make_apart(self: &Arc<Self>, key: &PoolKey, given: Given) -> Result<Ready, NodeError> {
        Span::current().record("madang.pool", "miss");
        let (send, made) = oneshot::channel();
        let (shop, key) = (Arc::clone(self), key.clone());
        let make = async move {
            if let Err(Ok(unwanted)) = send.send(shop.make_given(&key, &given).await) {
                shop.retirement.retire(unwanted.slot);
            }
        };
        tokio::spawn(make.instrument(madang_trace::span!("make")));
        made.await.unwrap_or_else(|_| Err(NodeError::Internal("making a sandbox was given up".to_owned())))
    }

    /// Makes a slot and waits until it is ready; once more if the spawner dies over it.
    pub async fn make(&self, key: &PoolKey) -> Result<Ready, NodeError> {
        self.make_given(key, &Given::default()).await
    }

    /// The same, of a slot that sees what it is given.
    async fn make_given(&self, key: &PoolKey, given: &Given) -> Result<Ready, NodeError> {
        let unavailable = |error| NodeError::Unavailable(format!("cannot make a sandbox: {error}"));
        match self.make_once(key, given).await {
            Ok(made) => made,
            Err(SpawnerError::Gone(_)) => self.make_once(key, given).await.map_err(unavailable)?,
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The outer error is the spawner's: there is no slot.
    async fn make_once(&self, key: &PoolKey, given: &Given) -> Result<Result<Ready, NodeError>, SpawnerError> {
        let recipe = key.language.as_ref().and_then(|language| self.recipes.get(language));
        let mut limits = recipe.map_or_else(Limits::default, |recipe| recipe.limits());
        if let Some(app) = &key.app {
            limits = self.shelf.beside(app, limits);
        }
        let Ok(uid_base) = self.ledger.take() else {
            return Ok(Err(NodeError::Capacity("this node holds as many sandboxes as it can".to_owned())));
        };
        let made_with =
            MadeWith { cgroup: cgroup_limits(&limits), disk_bytes: limits.disk_bytes.min(limits.memory_bytes) };
        let spec = SlotSpec {
            name: self.ledger.name(),
            template: key.image.clone(),
            uid_base,
            limits: made_with.cgroup,
            disk_bytes: made_with.disk_bytes,
            mounts: given.mounts.clone(),
        };
        let name = spec.name.clone();
        let slot = match self.maker.make_slot(spec).await {
            Ok(slot) => Arc::new(slot),
            Err(error) => {
                // Half of it may be there; its ids are free only when that is gone.
                self.retirement.clear(name.into(), uid_base);
                return Err(error);
            }
        };
        let env = self.environment(&key.image, recipe, given);
        let link = match tokio::time::timeout(READY_WAIT, self.prepare(&slot, recipe, &limits, env)).await {
            Ok(Ok(link)) => link,
            Ok(Err(error)) => return Ok(Err(self.give_up(slot, &error.to_string()))),
            Err(_) => return Ok(Err(self.give_up(slot, "it does not become ready"))),
        };
        let Some(name) = &key.app else { return Ok(Ok(Ready { slot, link, made_with, app: None })) };
        Ok(match app::start_warm(&link, &self.shelf, name).await {
            Ok(label) => Ok(Ready { slot, link, made_with, app: Some(label) }),
            Err(error) => Err(self.give_up(slot, &error.to_string())),
        })
    }

    fn give_up(&self, slot: Arc<Slot>, why: &str) -> NodeError {
        self.retirement.retire(slot);
        NodeError::Unavailable(format!("cannot prepare a sandbox: {why}"))
    }

    async fn prepare(
        &self,
        slot: &Slot,
        recipe: Option<&Arc<Recipe>>,
        limits: &Limits,
        env: Vec<String>,
    ) -> Result<Link, LinkError> {
        let link = self.connect(&slot.name).await?;
        let driver = recipe.and_then(|recipe| recipe.driver.as_ref());
        let prepare = Prepare {
            filters: self.filters.clone(),
            env,
            driver: driver.map(|driver| driver.argv.clone()),
            open_files: limits.open_files,
            guest_id: (!self.rootless).then_some(GUEST_ID),
            own_limits: (!slot.cgroup.counts()).then(|| own_limits(limits)),
            orphan_ms: POOL_ORPHAN_MS,
        };
        link.send(&ToSlot::Prepare(prepare)).await?;
        link.notice(|notice| *notice == FromSlot::Prepared).await?;
        if driver.is_some() {
            link.notice(|notice| *notice == FromSlot::DriverReady).await?;
        }
        Ok(link)
    }

    pub fn templates(&self) -> MutexGuard<'_, BTreeMap<String, Template>> {
        self.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to a slot's init and checks that it speaks our version.
    pub async fn connect(&self, name: &str) -> Result<Link, LinkError> {
        let link = self.dial(name)?;
        greeted(&link).await?;
        Ok(link)
    }

    /// A line to a slot's init, which may not hear it yet.
    pub fn dial(&self, name: &str) -> Result<Link, LinkError> {
        Ok(Link::new(madang_sandbox::link::connect_slot(self.slots.as_fd(), name)?)?)
    }

    fn environment(&self, image: &str, recipe: Option<&Arc<Recipe>>, given: &Given) -> Vec<String> {
        let mut env: BTreeMap<String, String> = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", "/home/work"),
            ("LANG", "C.UTF-8"),
            ("TMPDIR", "/tmp"),
            ("USER", "work"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        if let Some(template) = self.templates().get(image) {
            env.extend(template.plan.env.clone());
        }
        env.extend(recipe.iter().flat_map(|recipe| recipe.env.clone()));
        env.extend(given.env.clone());
        env.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Processors for a sandbox that may use `cpu_millis`: one after the other, so that neighbours get different ones.
    pub fn processors_for(&self, cpu_millis: u64) -> Vec<u32> {
        let wanted = (cpu_millis.div_ceil(1000) as u32).clamp(1, self.processors);
        let first = self.turn.fetch_add(wanted, Ordering::Relaxed);
        let chosen: BTreeSet<u32> = (0..wanted).map(|offset| first.wrapping_add(offset) % self.processors).collect();
        chosen.into_iter().collect()
    }

    /// Nothing is made ahead any more; what is on its way is retired when it arrives, which is waited for.
    pub async fn close(&self, wait: Duration) {
        self.closed.store(true, Ordering::SeqCst);
        let all_arrived = async {
            loop {
                let arrived = self.arrived.notified();
                if self.making.load(Ordering::SeqCst) == 0 {
                    return;
                }
                arrived.await;
            }
        };
        if tokio::time::timeout(wait, all_arrived).await.is_err() {
            tracing::warn!("slots are still in the making; they end themselves when nobody claims them");
        }
    }

    /// Keeps the pools full of living slots. Runs as long as the node.
    pub async fn fill(self: Arc<Self>) {
        let mut swept = Instant::now();
        while !self.closed.load(Ordering::Acquire) {
            if swept.elapsed() >= SWEEP_EVERY {
                swept = Instant::now();
                self.sweep();
            }
            while self.making.load(Ordering::Acquire) < MAKING_MAX
                && memory_allows()
                && let Some(key) = self.pools.next_to_make(self.room())
            {
                self.making.fetch_add(1, Ordering::SeqCst);
                self.making_apps.fetch_add(usize::from(key.app.is_some()), Ordering::SeqCst);
                tokio::spawn(Arc::clone(&self).make_for(key));
            }
            for ready in self.pools.surplus() {
                self.retirement.retire(ready.slot);
            }
            let _ = tokio::time::timeout(FILL_EVERY, self.pools.wanted.notified()).await;
        }
    }

    /// Apps take seconds to start: one at a time leaves room for what takes milliseconds.
    fn room(&self) -> Room {
        if self.making_apps.load(Ordering::Acquire) == 0 { Room::All } else { Room::WithoutApps }
    }

    fn sweep(&self) {
        for dead in self.pools.take_if(|ready| !is_alive(&ready.slot)) {
            self.drift.slot_ended(&dead.slot.name);
            self.retirement.retire(dead.slot);
        }
    }

    async fn make_for(self: Arc<Self>, key: PoolKey) {
        // Counted before this look, as closing looks at the count after it has closed: one of both sees the other.
        if !self.closed.load(Ordering::SeqCst) {
            let made = self.make(&key).await;
            if let Err(error) = &made {
                tracing::warn!(pool = %key, %error, "a slot could not be made");
            }
            match made {
                Ok(ready) if self.closed.load(Ordering::SeqCst) => self.retirement.retire(ready.slot),
                made => self.pools.made(&key, made.ok()),
            }
        }
        self.making_apps.fetch_sub(usize::from(key.app.is_some()), Ordering::SeqCst);
        self.making.fetch_sub(1, Ordering::SeqCst);
        self.arrived.notify_waiters();
    }
}

/// Init says first of all that it speaks our version.
pub async fn greeted(link: &Link) -> Result<(), LinkError> {
    let hello = FromSlot::Hello { version: VERSION };
    link.notice(|notice| *notice == hello).await
}

/// Slots that only wait leave this share of the machine's memory to those in use.
const MEMORY_SHARE_LEFT: u64 = 8;

/// Whether there is memory for slots that nobody has asked for yet.
fn memory_allows() -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    match (kib("MemTotal:"), kib("MemAvailable:")) {
        (Some(total), Some(available)) => available > total / MEMORY_SHARE_LEFT,
        // A machine that does not say is not short of it.
        _ => true,
    }
}

fn is_alive(slot: &Slot) -> bool {
    matches!(slot.wait_ended(Duration::ZERO), Ok(false))
}
