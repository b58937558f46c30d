//! What the server counts, as Prometheus reads it.

mod drift;
mod flow;
mod world;

use std::sync::atomic::Ordering;

use drift::DriftCounts;
pub(crate) use drift::DriftKind;
use flow::Flow;
use madang_model::Verdict;
use madang_node_api::NodeHealth;
use world::World;

use super::App;
use crate::clock::now_ms;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    verdict: &'static str,
    language: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

/// Upper bounds of start latencies, seconds.
const START_BUCKETS: [f64; 12] = [0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    runs: Family<RunLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    starts: Histogram,
    pool_hits: Counter,
    pool_misses: Counter,
    audit_dropped: Counter,
    sandboxes: Gauge,
    sessions: Gauge,
    runs_live: Gauge,
    world: World,
    pub flow: Flow,
    pub drift: DriftCounts,
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("madang");
        let runs = Family::default();
        let requests = Family::default();
        let starts = Histogram::new(START_BUCKETS);
        let (pool_hits, pool_misses, audit_dropped) = (Counter::default(), Counter::default(), Counter::default());
        let (sandboxes, sessions, runs_live) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("runs", "Finished runs by verdict and language", runs.clone());
        registry.register("http_requests", "Answered requests by method, route and status", requests.clone());
        registry.register("run_start_seconds", "From the request to the program's start", starts.clone());
        registry.register("pool_hits", "Sandboxes taken from a warm pool", pool_hits.clone());
        registry.register("pool_misses", "Sandboxes made while somebody waited", pool_misses.clone());
        registry.register(
            "audit_dropped",
            "Refusals that were not noted because too many came at once",
            audit_dropped.clone(),
        );
        registry.register("sandboxes", "Sandboxes that exist", sandboxes.clone());
        registry.register("sessions_live", "Sessions that have not ended", sessions.clone());
        registry.register("runs_live", "Runs in progress", runs_live.clone());
        let (world, flow, drift) = (World::default(), Flow::default(), DriftCounts::default());
        world.register(&mut registry);
        flow.register(&mut registry);
        drift.register(&mut registry);
        Self {
            world,
            flow,
            drift,
            registry,
            runs,
            requests,
            starts,
            pool_hits,
            pool_misses,
            audit_dropped,
            sandboxes,
            sessions,
            runs_live,
        }
    }

    pub fn run_finished(&self, verdict: Verdict, language: Option<&str>) {
        let labels = RunLabels { verdict: verdict.name(), language: language.unwrap_or("none").to_owned() };
        self.runs.get_or_create(&labels).inc();
    }

    pub fn run_started(&self, after_us: u64) {
        self.starts.observe(after_us as f64 / 1e6);
    }

    /// A refusal that is not in the audit log.
    pub fn audit_dropped(&self) {
        self.audit_dropped.inc();
    }

    pub fn request(&self, method: &str, route: &str, status: u16) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
    }

    /// The text that Prometheus reads, with what is now.
    pub fn render(&self, app: &App, health: &NodeHealth) -> String {
        let (sessions, runs) = (app.sessions_live().len(), app.runs_live().len());
        self.world.look(app, health, now_ms());
        self.drift.look(&health.drift);
        self.pool_hits.inner().store(health.pool_hits, Ordering::Relaxed);
        self.pool_misses.inner().store(health.pool_misses, Ordering::Relaxed);
        self.sandboxes.set(i64::try_from(health.sandboxes).unwrap_or(i64::MAX));
        self.sessions.set(i64::try_from(sessions).unwrap_or(i64::MAX));
        self.runs_live.set(i64::try_from(runs).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String cannot fail, and encoding has no other way to.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
