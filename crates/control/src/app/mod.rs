//! What the server does, whoever asks and however. `http` calls it with checked identities; `tasks` calls it by itself.

mod accelerator;
pub(crate) mod apps;
mod asker;
mod budget;
pub(crate) mod cluster;
pub(crate) mod event_ring;
mod failure;
pub(crate) mod fleet;
mod fleet_node;
mod folder;
mod folder_act;
mod folder_acting;
mod folder_change;
pub(crate) mod folder_finder;
mod folder_invitation;
mod folder_mount;
mod folder_quota;
mod folder_share;
pub(crate) mod heard;
mod idempotency;
pub(crate) mod identity;
mod image;
mod image_collect;
mod image_copy;
mod language_service;
mod languages;
pub(crate) mod leadership;
mod live_run;
pub(crate) mod live_session;
mod metrics;
mod money;
mod network;
mod nodes;
mod nodes_awaited;
pub(crate) mod people;
mod people_change;
mod people_find;
pub(crate) mod people_view;
mod policy;
mod price;
mod queue;
mod queue_act;
mod queue_node;
mod queue_reserve;
mod reservation;
mod resource_group;
mod retention;
mod run_collect;
mod run_given;
mod run_node;
mod run_plan;
mod run_share;
mod run_take_up;
pub(crate) mod runs;
mod service;
mod session_change;
mod session_compare;
mod session_extend;
mod session_logs;
mod session_plan;
mod session_sandbox;
mod session_suspend;
mod sessions;
mod signed_in;
mod spending;
pub(crate) mod ssh;
mod usage;
pub(crate) mod usage_entry;
mod usage_sums;
mod user_change;
mod validate;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use madang_ids::{NodeId, RunId, SandboxId, SessionId};
use madang_node_api::Node;
use madang_store::{NodeRecord, SessionRecord, Store, StoreError};
use tokio::sync::{Notify, watch};

pub(crate) use asker::Asker;
pub(crate) use failure::Failure;
pub(crate) use folder_change::Usage as FolderUsageAsked;
pub(crate) use idempotency::{Claimed, IdempotencyKey};
pub(crate) use language_service::LanguageService;
pub(crate) use live_run::{LiveRun, Wish};
pub(crate) use nodes::WithSessions;
pub(crate) use queue_act::Leaving;
pub(crate) use runs::{RunBegun, RunSource, Start};
pub(crate) use usage_sums::UsageDays;

use crate::{ControlConfig, entrance::Entrance, signin::Signin, tasks::Tasks};
use event_ring::EventRing;
pub(crate) use event_ring::Happened;
use fleet::{Fleet, Member, MemberState};
use folder::Folders;
use languages::Languages;
use leadership::Leadership;
use live_session::LiveSession;
pub(crate) use metrics::DriftKind;
use metrics::Metrics;
use money::Money;
use people::People;
use queue::Queue;
use service::Service;

/// How far the server is on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    /// Nothing new; what runs may end.
    Draining,
    /// Streams close, connections end.
    Stopping,
}

/// Everything a request or a task may need.
pub(crate) struct App {
    pub config: ControlConfig,
    /// The fleet, for whoever has a sandbox and need not know where it is.
    pub node: Arc<dyn Node>,
    pub fleet: Arc<Fleet>,
    /// Where nodes on other machines come in, if they do.
    pub entrance: OnceLock<Entrance>,
    pub store: Store,
    pub people: People,
    pub signin: Signin,
    pub leadership: Leadership,
    pub languages: Languages,
    pub metrics: Metrics,
    pub money: Money,
    pub folders: Folders,
    pub events: EventRing,
    pub stage: watch::Sender<Stage>,
    pub service: Service,
    pub queue: Queue,
    /// Wakes the reconciler before its time.
    pub reconcile_soon: Arc<Notify>,
    pub tasks: Tasks,
    sessions: Mutex<HashMap<SessionId, Arc<LiveSession>>>,
    runs: Mutex<HashMap<RunId, Arc<LiveRun>>>,
    /// Number of live runs, for whoever waits for zero.
    runs_count: watch::Sender<usize>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

impl App {
    /// `node` is the one in this process, if there is one.
    pub async fn load(
        config: ControlConfig,
        node: Option<Arc<dyn Node>>,
        store: Store,
        signin: Signin,
    ) -> Result<Arc<Self>, StoreError> {
        let people = People::load(&store).await?;
        let leadership = Leadership::load(&store, Duration::from_millis(config.lease_ms)).await?;
        // Where others may lead, sessions are read once this process does.
        let live = if leadership.is_alone() { store.session_list_live().await? } else { Vec::new() };
        let fleet = Arc::new(Fleet::new(Duration::from_millis(config.leader_wait_ms)));
        let queue = Queue::new(Arc::clone(&fleet.changed));
        if let Some(node) = node {
            fleet.join(Member::of(store.node_ensure(&local_node()).await?, node));
        }
        let places = live_places(&live);
        places.into_iter().for_each(|(sandbox, node)| fleet.place(sandbox, node));
        let sessions = live.into_iter().map(|record| (record.id, LiveSession::new(record))).collect();
        let metrics = Metrics::new();
        let flow = metrics.flow.clone();
        store.observe(move |asked| flow.asked(asked));
        Ok(Arc::new(Self {
            config,
            node: Arc::<Fleet>::clone(&fleet),
            fleet,
            entrance: OnceLock::new(),
            store,
            people,
            signin,
            leadership,
            languages: Languages::default(),
            metrics,
            money: Money::default(),
            folders: Folders::default(),
            events: EventRing::new(),
            stage: watch::Sender::new(Stage::Serving),
            service: Service::default(),
            queue,
            reconcile_soon: Arc::default(),
            tasks: Tasks::default(),
            sessions: Mutex::new(sessions),
            runs: Mutex::default(),
            runs_count: watch::Sender::new(0),
        }))
    }

    pub fn stage_raise(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let later = stage > *now;
            *now = (*now).max(stage);
            later
        });
    }

    /// Waits until the server is at least so far on its way down.
    pub async fn reached(&self, wanted: Stage) {
        let mut stage = self.stage.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = stage.wait_for(|stage| *stage >= wanted).await;
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<LiveSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the node in this process.
pub(crate) const LOCAL: &str = "local";
pub(crate) use madang_model::session_spec::GROUP_DEFAULT;

fn local_node() -> NodeRecord {
    NodeRecord {
        id: NodeId::new(),
        name: LOCAL.to_owned(),
        resource_group: GROUP_DEFAULT.to_owned(),
        state: MemberState::default().name().to_owned(),
        created_ms: crate::clock::now_ms(),
    }
}

/// Where the sandboxes of live sessions are, as far as their records say.
fn live_places(live: &[SessionRecord]) -> Vec<(SandboxId, NodeId)> {
    let placed = |(sandbox, node): (SandboxId, Option<NodeId>)| Some((sandbox, node?));
    live.iter().flat_map(SessionRecord::sandboxes).filter_map(placed).collect()
}
