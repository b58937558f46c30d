//! What is now, read when Prometheus asks: sessions, nodes, pools, the service, tasks.

use std::collections::BTreeMap;

use madang_model::{ServiceState, session_filter::SESSION_STATES};
use madang_node_api::{NodeHealth, Presence};
use madang_public_api::TaskView;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::app::{App, MemberState};

/// Pools that are told apart; the others are one.
const POOLS_MAX: usize = 64;
const NODE_STATES: [&str; 5] = ["schedulable", "cordoned", "draining", "silent", "unheard"];
const SERVICE_STATES: [ServiceState; 3] = [ServiceState::Running, ServiceState::Frozen, ServiceState::Draining];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    task: String,
}

#[derive(Debug, Default)]
pub(super) struct World {
    sessions: Family<StateLabels, Gauge>,
    nodes: Family<StateLabels, Gauge>,
    pools: Family<PoolLabels, Gauge>,
    service: Family<StateLabels, Gauge>,
    task_runs: Family<TaskLabels, Gauge>,
    task_failures: Family<TaskLabels, Gauge>,
    task_took: Family<TaskLabels, Gauge>,
    task_age: Family<TaskLabels, Gauge>,
}

impl World {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sessions", "Live sessions by state: those before running wait", self.sessions.clone());
        registry.register("nodes", "Nodes by what is wanted of them and whether they are heard", self.nodes.clone());
        registry.register("pool_ready", "Slots that wait, by pool", self.pools.clone());
        registry.register("service_state", "1 for the state that the service is in", self.service.clone());
        registry.register("task_runs", "Turns of a task that have ended", self.task_runs.clone());
        registry.register(
            "task_failures_in_a_row",
            "Turns of a task that failed since the last good one",
            self.task_failures.clone(),
        );
        registry.register("task_last_took_milliseconds", "How long a task's last turn took", self.task_took.clone());
        registry.register(
            "task_last_ended_milliseconds",
            "How long ago a task's last turn began",
            self.task_age.clone(),
        );
    }

    pub fn look(&self, app: &App, health: &NodeHealth, now_ms: u64) {
        let sessions = app.sessions_live();
        let mut states = BTreeMap::new();
        for session in &sessions {
            *states.entry(session.record.borrow().life.state.name()).or_insert(0_usize) += 1;
        }
        count(&self.sessions, SESSION_STATES, &states);
        let mut nodes = BTreeMap::new();
        for member in app.fleet.members() {
            let state = match (member.presence(), member.state) {
                (Presence::Silent { .. }, _) => "silent",
                (Presence::Unheard, _) => "unheard",
                (Presence::Here, MemberState::Schedulable) => "schedulable",
                (Presence::Here, state) => state.name(),
            };
            *nodes.entry(state).or_insert(0) += 1;
        }
        count(&self.nodes, NODE_STATES, &nodes);
        let service = BTreeMap::from([(app.service_view().state.name(), 1)]);
        count(&self.service, SERVICE_STATES.map(ServiceState::name), &service);
        self.look_at_pools(health);
        app.tasks.views().iter().for_each(|task| self.look_at_task(task, now_ms));
    }

    fn look_at_pools(&self, health: &NodeHealth) {
        self.pools.clear();
        let mut others = 0;
        for (index, (pool, ready)) in health.pool_ready.iter().enumerate() {
            if index < POOLS_MAX {
                set(&self.pools, PoolLabels { pool: pool.clone() }, *ready);
            } else {
                others += ready;
            }
        }
        if health.pool_ready.len() > POOLS_MAX {
            set(&self.pools, PoolLabels { pool: "other".to_owned() }, others);
        }
    }

    fn look_at_task(&self, task: &TaskView, now_ms: u64) {
        let labels = || TaskLabels { task: task.name.clone() };
        set(&self.task_runs, labels(), task.runs);
        set(&self.task_failures, labels(), task.failures_in_a_row);
        if let Some(last) = &task.last {
            set(&self.task_took, labels(), last.took_ms);
            set(&self.task_age, labels(), now_ms.saturating_sub(last.at.0));
        }
    }
}

/// Every state has a number, also where it is none.
fn count<const STATES: usize>(
    family: &Family<StateLabels, Gauge>,
    states: [&'static str; STATES],
    counts: &BTreeMap<&'static str, usize>,
) {
    for state in states {
        set(family, StateLabels { state }, counts.get(state).copied().unwrap_or(0) as u64);
    }
}

fn set<L: Clone + std::hash::Hash + Eq>(family: &Family<L, Gauge>, labels: L, value: u64) {
    family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}
