//! What happens: sessions on their way, refusals, answers, the database, what was used.

use std::sync::atomic::AtomicU64;

use madang_model::{SessionEvent, SessionState, Usage, session::SessionLife};
use madang_store::Asked;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::app::Failure;

/// Upper bounds of waits, seconds: from a warm slot to a night in the queue.
const WAIT_BUCKETS: [f64; 12] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0];
/// Upper bounds of answers and statements, seconds.
const QUICK_BUCKETS: [f64; 10] = [0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: &'static str,
    /// The limit's name; empty where it was none.
    limit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadingLabels {
    /// What became of it.
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatementLabels {
    statement: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone)]
pub(crate) struct Flow {
    events: Family<EventLabels, Counter>,
    waits: Histograms<StageLabels>,
    refusals: Family<RefusalLabels, Counter>,
    answers: Histograms<RouteLabels>,
    statements: Histograms<StatementLabels>,
    statement_failures: Counter,
    readings: Family<ReadingLabels, Counter>,
    cpu_seconds: Counter<f64, AtomicU64>,
    memory_gib_seconds: Counter<f64, AtomicU64>,
    accelerator_seconds: Counter<f64, AtomicU64>,
}

impl Default for Flow {
    fn default() -> Self {
        let waits: fn() -> Histogram = || Histogram::new(WAIT_BUCKETS);
        let quick: fn() -> Histogram = || Histogram::new(QUICK_BUCKETS);
        Self {
            events: Family::default(),
            waits: Family::new_with_constructor(waits),
            refusals: Family::default(),
            answers: Family::new_with_constructor(quick),
            statements: Family::new_with_constructor(quick),
            statement_failures: Counter::default(),
            readings: Family::default(),
            cpu_seconds: Counter::default(),
            memory_gib_seconds: Counter::default(),
            accelerator_seconds: Counter::default(),
        }
    }
}

impl Flow {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("session_events", "What happened to sessions: `placed` is a placement", self.events.clone());
        let waits = self.waits.clone();
        registry.register_with_unit(
            "session_wait",
            "How long sessions stayed in a stage: queue, start",
            Unit::Seconds,
            waits,
        );
        registry.register("refusals", "Refused requests by code and limit", self.refusals.clone());
        registry.register_with_unit("http_request", "Time to an answer", Unit::Seconds, self.answers.clone());
        registry.register_with_unit("store_statement", "Time of a statement", Unit::Seconds, self.statements.clone());
        registry.register("store_failures", "Statements that the database refused", self.statement_failures.clone());
        // There from the start, so that a rule about a lie has something to read.
        for result in ["new", "before", "refused", "elsewhere", "unknown"] {
            drop(self.readings.get_or_create(&ReadingLabels { result }));
        }
        registry.register("usage_readings", "Readings of nodes, by what became of them", self.readings.clone());
        let usage = [
            ("usage_cpu", "CPU time of what has ended", &self.cpu_seconds),
            ("usage_memory_gib", "Memory over time of what has ended, GiB seconds", &self.memory_gib_seconds),
            ("usage_accelerator", "Accelerator time of what has ended", &self.accelerator_seconds),
        ];
        for (name, help, counter) in usage {
            registry.register_with_unit(name, help, Unit::Seconds, counter.clone());
        }
    }

    /// A session has gone from one state to the next.
    pub fn session_moved(&self, before: &SessionLife, event: &SessionEvent, after: &SessionLife) {
        self.events.get_or_create(&EventLabels { event: event.name() }).inc();
        let stage = match before.state {
            SessionState::Requested | SessionState::Queued => "queue",
            SessionState::Placed { .. } | SessionState::Starting { .. } => "start",
            _ => return,
        };
        let moved_on = before.state.name() != after.state.name() && after.is_live();
        if moved_on {
            let waited_ms = after.since_ms.saturating_sub(before.since_ms);
            self.waits.get_or_create(&StageLabels { stage }).observe(waited_ms as f64 / 1e3);
        }
    }

    /// A session was placed in the same moment as it was admitted.
    pub fn session_placed(&self, waited_ms: u64) {
        self.events.get_or_create(&EventLabels { event: "placed" }).inc();
        self.waits.get_or_create(&StageLabels { stage: "queue" }).observe(waited_ms as f64 / 1e3);
    }

    pub fn refused(&self, failure: &Failure) {
        let (_, code, _) = failure.kind.row();
        let limit = failure.limit.clone().unwrap_or_default();
        self.refusals.get_or_create(&RefusalLabels { code, limit }).inc();
    }

    pub fn answered(&self, method: &str, route: &str, seconds: f64) {
        let labels = RouteLabels { method: method.to_owned(), route: route.to_owned() };
        self.answers.get_or_create(&labels).observe(seconds);
    }

    pub fn asked(&self, asked: Asked) {
        let labels = StatementLabels { statement: asked.statement };
        self.statements.get_or_create(&labels).observe(asked.elapsed.as_secs_f64());
        if asked.failed {
            self.statement_failures.inc();
        }
    }

    /// A reading of a node was looked at.
    pub fn reading(&self, result: &'static str) {
        self.readings.get_or_create(&ReadingLabels { result }).inc();
    }

    /// What a one-shot run or a whole session has used.
    pub fn used(&self, usage: &Usage) {
        self.cpu_seconds.inc_by(usage.cpu_user_us.saturating_add(usage.cpu_system_us) as f64 / 1e6);
        self.memory_gib_seconds.inc_by(usage.memory_kib_ms as f64 / 1e3 / f64::from(1 << 20));
        self.accelerator_seconds.inc_by(usage.accelerator_us as f64 / 1e6);
    }
}
