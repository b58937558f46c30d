//! The claim: a slot that waits, or one made for it, becomes somebody's sandbox.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use madang_image::host::HOST_IMAGE;
use madang_languages::Recipe;
use madang_node_api::{NodeError, SandboxSpec};
use madang_sandbox::Slot;
use tokio::sync::oneshot;
use tracing::{Instrument as _, field::Empty};

use crate::{
    agent::Agent,
    device::Lent,
    sandbox::{Binding, Sandbox},
};

/// Starts whose latency is remembered for health.
const STARTS_MAX: usize = 1000;

/// What a claim must bring.
pub(crate) struct Wanted {
    /// Of the template.
    pub key: String,
    pub recipe: Option<Arc<Recipe>>,
    pub uses_driver: bool,
    pub one_shot: bool,
    pub orphan_ms: u64,
    /// Of the machine's devices.
    pub lent: Option<Lent>,
}

impl Agent {
    /// As [`Agent::claim`]; if the caller is gone by the time it is there, the sandbox goes too.
    pub(crate) async fn claim_for_good(&self, spec: SandboxSpec, wanted: Wanted) -> Result<Sandbox, NodeError> {
        let gone = || NodeError::Unavailable("the node stops".to_owned());
        let agent = self.me.upgrade().ok_or_else(gone)?;
        let (answer, claimed) = oneshot::channel();
        let span = madang_trace::span!("claim", madang.pool = Empty, madang.sandbox.id = %spec.id);
        let claim = async move {
            let sandbox = agent.claim(spec, wanted).await;
            if let Err(Ok(unwanted)) = answer.send(sandbox) {
                agent.shop.retirement.retire(unwanted.slot);
            }
        };
        tokio::spawn(claim.instrument(span));
        claimed.await.map_err(|_| gone())?
    }

    async fn claim(&self, spec: SandboxSpec, wanted: Wanted) -> Result<Sandbox, NodeError> {
        let Wanted { key, recipe, uses_driver, one_shot, orphan_ms, lent } = wanted;
        let template = key.clone();
        let asked = Instant::now();
        let mut key = Self::pool_for(key, recipe.as_ref(), uses_driver);
        key.app = spec.app.clone().filter(|app| key.image == HOST_IMAGE && self.shop.shelf.is_warm(app));
        let ready = match &lent {
            // Devices are seen from a slot's first moment or never: none that waits has any.
            Some(lent) => self.shop.make_apart(&key, lent.given.clone()).await?,
            None => self.shop.claim(&key).await?,
        };
        let binding = Binding {
            cpus: self.shop.processors_for(spec.limits.cpu_millis),
            orphan_ms,
            one_shot,
            slots: self.slots.clone(),
            hold: lent.map(|lent| lent.hold),
            wire: None,
            folders: None,
            template,
        };
        let slot = Arc::clone(&ready.slot);
        let binding = match self.equip(&slot, &spec, binding).await {
            Ok(binding) => binding,
            Err(error) => {
                self.shop.retirement.retire(slot);
                return Err(error);
            }
        };
        let bound = Sandbox::bind(ready, spec, recipe, binding).await;
        if bound.is_err() {
            self.shop.retirement.retire(slot);
        }
        self.remember_start(asked.elapsed());
        bound
    }

    /// What a slot is given besides: its network and its folders.
    async fn equip(&self, slot: &Arc<Slot>, spec: &SandboxSpec, binding: Binding) -> Result<Binding, NodeError> {
        let wire = self.network.attach(slot, spec).await?;
        let folders = self.lend_folders(spec, slot).await?;
        Ok(Binding { wire, folders, ..binding })
    }

    fn remember_start(&self, took: Duration) {
        let mut starts = self.starts_us.lock().unwrap_or_else(PoisonError::into_inner);
        if starts.len() == STARTS_MAX {
            starts.pop_front();
        }
        starts.push_back(took.as_micros() as u64);
    }
}
