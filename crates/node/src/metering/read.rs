//! When sandboxes are read: each every so often, those that are due at about the same time together.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use madang_model::Reading;
use madang_node_api::READING_MS_MAX;
use tokio::sync::Notify;

use super::SandboxMeter;
use crate::agent::Agent;

/// What is due so soon is read together with what is due now.
const TOGETHER: Duration = Duration::from_millis(20);

/// Reads until the agent is gone; `rung` says that another sandbox may be due earlier.
pub async fn read_on_time(agent: Weak<Agent>, rung: Arc<Notify>) {
    loop {
        let Some((meters, spool)) = agent.upgrade().map(|agent| (agent.meters(), Arc::clone(&agent.spool))) else {
            return;
        };
        let until = Instant::now() + TOGETHER;
        let (due, later): (Vec<_>, Vec<_>) = meters.into_iter().partition(|meter| meter.due() <= until);
        let last = Instant::now() + Duration::from_millis(READING_MS_MAX);
        let next = later.iter().map(|meter| meter.due()).fold(last, Instant::min);
        if due.is_empty() {
            tokio::select! {
                () = rung.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
            continue;
        }
        let read = move || due.iter().filter_map(|meter| read(meter)).for_each(|reading| spool.push(reading));
        if let Err(error) = tokio::task::spawn_blocking(read).await {
            tracing::error!(%error, "readings were not taken");
        }
    }
}

fn read(meter: &SandboxMeter) -> Option<Reading> {
    meter.read().unwrap_or_else(|error| {
        tracing::warn!(sandbox = %meter.sandbox, %error, "a reading cannot be kept; it is taken again");
        None
    })
}
