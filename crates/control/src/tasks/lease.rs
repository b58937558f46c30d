//! Leading: takes the leases of groups, and takes them again in time. Where there is one process there is nothing to do.
//!
//! Which process should lead a group all of them compute alike from who is there: the one whose hash with the group's name is the largest.
//! It takes a group that nobody leads at once, any other one only if it still finds nobody a moment later. A process that leads what
//! another one should hands it over, one group at a time, once the other has been there for a while and nothing runs in the group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use madang_ids::ControlId;
use madang_store::{ControlHello, ControlProcess, LeaseView};
use sha2::{Digest as _, Sha256};

use super::{Done, TaskPlan};
use crate::app::{
    App,
    leadership::{Change, lease_name},
};

/// Three tries fit into a lease of the default length; one that hangs is given up before the lease ends.
pub(super) const PLAN: TaskPlan = TaskPlan {
    name: "lease",
    period: Duration::from_millis(800),
    jitter: Duration::from_millis(100),
    pause: Duration::ZERO,
    deadline: Duration::from_secs(2),
};
/// A process that has not said for so long that it is there is gone.
const GONE_MS: u64 = 60_000;
/// How long a group waits for the process that should lead it.
const VACANT_MAX: Duration = Duration::from_secs(1);
/// Between two groups that are handed over: their sessions wait for a moment each time.
const HANDOVER_PAUSE: Duration = Duration::from_secs(5);

/// What one look leaves for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Holder {
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Groups that nobody leads, and since when.
    vacant: BTreeMap<String, Instant>,
    handed_over: Option<Instant>,
}

/// Who is there, and who leads.
struct Look {
    us: ControlId,
    lease_ms: u64,
    now_ms: u64,
    processes: Vec<ControlProcess>,
    leases: Vec<LeaseView>,
}

impl Look {
    fn lease(&self, group: &str) -> Option<&LeaseView> {
        let name = lease_name(group);
        self.leases.iter().find(|view| view.lease.name == name)
    }

    /// The process that should lead the group, of those that are there.
    fn best(&self, group: &str) -> Option<&ControlProcess> {
        let here = |process: &&ControlProcess| {
            self.now_ms.saturating_sub(process.seen_ms) < self.lease_ms && process.address.is_some()
        };
        self.processes.iter().filter(here).max_by_key(|process| weight(group, process.id))
    }
}

/// Rendezvous hashing: whoever goes leaves its groups to many, and whoever comes takes from many.
fn weight(group: &str, process: ControlId) -> [u8; 32] {
    Sha256::digest(format!("{group} {process}")).into()
}

impl Holder {
    pub async fn run(self, app: Arc<App>) -> Done {
        if app.leadership.is_alone() {
            return Ok("this process is alone".into());
        }
        self.take_all(&app).await
    }

    /// Where the database does not answer nothing changes here: what was granted holds for its time, and what is in memory as long as
    /// nobody else leads.
    async fn take_all(&self, app: &Arc<App>) -> Done {
        let us = app.leadership.us();
        let hello = ControlHello {
            id: us,
            address: app.config.advertise.clone(),
            nodes_address: app.config.nodes_advertise.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        app.store.control_process_seen(&hello).await?;
        let groups = app.groups_look().await.map_err(|failure| failure.detail)?;
        let look = Look {
            us,
            lease_ms: app.config.lease_ms,
            now_ms: app.store.now_ms().await?,
            processes: app.store.control_process_list().await?,
            leases: app.store.lease_list().await?,
        };
        let wanted = self.wanted(app, &look, &groups);
        let asked = Instant::now();
        let names = wanted.iter().map(|group| lease_name(group)).collect();
        let taken = app.store.leases_take(&names, us, app.config.lease_ms).await?;
        let mut ours = 0;
        for group in &groups {
            let name = lease_name(group);
            if let Some(lease) = taken.iter().find(|lease| lease.name == name) {
                ours += 1;
                obey(app, group, app.leadership.taken(group, lease.clone(), asked));
            } else if let Some(theirs) = look.lease(group).filter(|view| view.lease.holder != us) {
                obey(app, group, app.leadership.not_taken(group, theirs));
            }
        }
        self.hand_over(app, &look, &groups).await;
        app.store.control_process_forget(GONE_MS, None).await?;
        Ok(format!("leads {ours} of {} groups", groups.len()))
    }

    /// The groups whose leases this process takes: again, or because nobody has them.
    fn wanted(&self, app: &App, look: &Look, groups: &BTreeSet<String>) -> BTreeSet<String> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, others): (Vec<_>, Vec<_>) = groups.iter().partition(|group| app.leadership.holds(group));
        // A lease may be ours without our knowing: what took it was given up before the database's answer came. One that is being given
        // back is not.
        let vacant = others.into_iter().filter(|group| {
            let led = |view: &LeaseView| {
                view.left_ms > 0 && (view.lease.holder != look.us || app.leadership.gives_back(group, &view.lease))
            };
            !look.lease(group).is_some_and(led)
        });
        let vacant: BTreeSet<String> = vacant.cloned().collect();
        memory.vacant.retain(|group, _| vacant.contains(group));
        let mut takes = |group: &String| {
            let since = *memory.vacant.entry(group.clone()).or_insert_with(Instant::now);
            since.elapsed() >= VACANT_MAX || look.best(group).is_none_or(|best| best.id == look.us)
        };
        let taken: Vec<_> = vacant.iter().filter(|group| takes(group)).cloned().collect();
        ours.into_iter().cloned().chain(taken).collect()
    }

    /// Lets go of a group that another process should lead, which has been there for a while, at a moment when nobody waits for
    /// anything there.
    async fn hand_over(&self, app: &Arc<App>, look: &Look, groups: &BTreeSet<String>) {
        let should = |group: &&String| {
            let settled = |best: &ControlProcess| look.now_ms.saturating_sub(best.started_ms) >= app.config.handover_ms;
            app.leads(group)
                && look.best(group).is_some_and(|best| best.id != look.us && settled(best))
                && app.group_rests(group)
        };
        let Some(group) = groups.iter().find(should) else { return };
        {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if memory.handed_over.is_some_and(|at| at.elapsed() < HANDOVER_PAUSE) {
                return;
            }
            memory.handed_over = Some(Instant::now());
        }
        tracing::info!(group, "a group is handed over to a process that leads less");
        app.groups_resign(|led| led == group).await;
    }
}

/// At the start: whoever finds nobody leading answers only once it does.
pub(crate) async fn lead_first(app: &Arc<App>) -> Done {
    let holder = Holder::default();
    let mut held = holder.clone().run(Arc::clone(app)).await?;
    let taking_up = |group: &String| app.leadership.is_taking_up(group);
    while let Some(group) = app.queue.group_names().into_iter().find(taking_up) {
        app.leadership.leader_within(&group, PLAN.period).await;
        held = holder.clone().run(Arc::clone(app)).await?;
    }
    Ok(held)
}

fn obey(app: &Arc<App>, group: &str, change: Change) {
    match change {
        Change::None => {}
        Change::Lost => app.group_let_go(group),
        Change::Gained => {
            let Some(fence) = app.leadership.fence(group) else { return };
            let (app, group) = (Arc::clone(app), group.to_owned());
            // Beside this task: with many sessions it takes longer than the lease lasts.
            tokio::spawn(async move {
                if let Err(failure) = app.group_take_up(&group, fence.term).await {
                    tracing::error!(group, error = ?failure, "what the leader before left behind could not be read");
                    // Under another term the next try begins anew.
                    app.groups_resign(|led| led == group).await;
                }
            });
        }
    }
}
