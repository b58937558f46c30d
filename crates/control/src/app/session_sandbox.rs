//! All sandboxes of a session at once: opening, closing and asking them.

use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use madang_ids::SandboxId;
use madang_model::{DevicesHeld, OnNodeLoss, Usage};
use madang_node_api::{NodeError, SandboxSpec};
use madang_store::SessionRecord;
use tracing::Instrument as _;

use super::{
    App, Failure,
    cluster::{called, environments},
    live_session::LiveSession,
};

impl App {
    /// Remembers where its sandboxes go.
    pub(super) fn sandboxes_place(&self, record: &SessionRecord, places: &[DevicesHeld]) {
        for ((sandbox, _), place) in record.sandboxes().zip(places) {
            self.fleet.place(sandbox, place.node);
        }
    }

    pub(super) fn sandboxes_forget(&self, record: &SessionRecord) {
        record.sandboxes().for_each(|(sandbox, _)| self.fleet.forget(sandbox));
    }

    /// Makes all of them; returns when all can run programs, or with the first that cannot.
    pub(super) async fn sandboxes_open(self: &Arc<Self>, record: &SessionRecord) -> Result<(), NodeError> {
        let mut specs = self.sandbox_specs(record);
        if record.subs.is_empty()
            && let Some(spec) = specs.pop()
        {
            return self.node.sandbox_open(spec).await;
        }
        // Each goes on by itself where another has failed: what it makes is closed with the rest.
        let opening = specs.into_iter().map(|spec| {
            let (app, name) = (Arc::clone(self), called(record, spec.id).unwrap_or_default());
            let opening = tokio::spawn(async move { app.node.sandbox_open(spec).await }.in_current_span());
            async move {
                let opened = opening.await.unwrap_or_else(|error| Err(NodeError::Internal(error.to_string())));
                opened.map_err(|error| named(&name, error))
            }
        });
        try_join_all(opening).await.map(drop)
    }

    fn sandbox_specs(&self, record: &SessionRecord) -> Vec<SandboxSpec> {
        let may_restart = record.spec.queueing.on_node_loss == OnNodeLoss::Restart;
        let spec = |((id, devices), env)| SandboxSpec {
            id,
            session: record.id,
            image: record.spec.image.clone(),
            language: record.spec.language.clone(),
            limits: record.spec.limits,
            devices,
            env,
            network: record.spec.network.clone(),
            // Less than control waits: it has ended before it may start elsewhere.
            lease_ms: may_restart.then_some(self.config.node_lease_ms / 4 * 3),
            app: record.spec.app.clone(),
            peer: called(record, id),
            mounts: record.spec.mounts.iter().map(|known| known.mount.clone()).collect(),
        };
        record.grants().zip(environments(record, &self.signin.key)).map(spec).collect()
    }

    /// Ends all of them, each once; says what they used when nothing of them is left.
    pub(super) async fn sandboxes_close(&self, session: &LiveSession) -> Option<Usage> {
        let record = session.record();
        let closed = join_all(record.sandboxes().map(|(sandbox, _)| self.sandbox_close_of(session, &record, sandbox)));
        let closed: Option<Vec<Usage>> = closed.await.into_iter().collect();
        closed.map(|all| together(&all))
    }

    async fn sandbox_close_of(
        &self,
        session: &LiveSession,
        record: &SessionRecord,
        sandbox: SandboxId,
    ) -> Option<Usage> {
        if let Some(usage) = session.closed(sandbox) {
            return Some(usage);
        }
        if !record.subs.is_empty() && self.given_up(sandbox, record.group()) {
            // What returns with its node is closed as something nobody wants.
            return Some(Usage::default());
        }
        match self.node.sandbox_close(sandbox).await {
            Ok(usage) => {
                session.closed_set(sandbox, usage);
                Some(usage)
            }
            Err(error) => {
                tracing::warn!(session = %record.id, %sandbox, %error, "a sandbox could not be closed yet");
                None
            }
        }
    }

    /// Whether all of them are read so often now.
    pub(super) async fn sandboxes_meter(&self, record: &SessionRecord, every_ms: u64) -> bool {
        let told = record.sandboxes().map(|(sandbox, _)| self.node.sandbox_meter(sandbox, every_ms));
        join_all(told).await.iter().all(Result::is_ok)
    }

    /// Whether each of them has so much of the processors now.
    pub(super) async fn sandboxes_throttle(&self, record: &SessionRecord, cpu_millis: u64) -> bool {
        let told = record.sandboxes().map(|(sandbox, _)| self.node.sandbox_throttle(sandbox, cpu_millis));
        join_all(told).await.iter().all(Result::is_ok)
    }

    /// What all of them have used so far.
    pub(crate) async fn sandboxes_usage(&self, record: &SessionRecord) -> Result<Usage, Failure> {
        let asked = record.sandboxes().map(|(sandbox, _)| self.node.usage(sandbox));
        Ok(together(&try_join_all(asked).await?))
    }
}

/// What several sandboxes used at once: everything adds, also what each held at its peak and how long each was there.
fn together(all: &[Usage]) -> Usage {
    let peaks = all.iter().fold(0_u64, |sum, usage| sum.saturating_add(usage.memory_peak_bytes));
    let sum = all.iter().fold(Usage::default(), |sum, usage| sum.then(usage));
    Usage { memory_peak_bytes: peaks, ..sum }
}

fn named(name: &str, error: NodeError) -> NodeError {
    let named = |why: String| format!("{name}: {why}");
    match error {
        NodeError::Invalid(why) => NodeError::Invalid(named(why)),
        NodeError::NotFound(what) => NodeError::NotFound(named(what)),
        NodeError::Conflict(why) => NodeError::Conflict(named(why)),
        NodeError::Changed(why) => NodeError::Changed(named(why)),
        NodeError::Limit(why) => NodeError::Limit(named(why)),
        NodeError::Capacity(why) => NodeError::Capacity(named(why)),
        NodeError::Unavailable(why) => NodeError::Unavailable(named(why)),
        NodeError::Internal(why) => NodeError::Internal(named(why)),
    }
}
