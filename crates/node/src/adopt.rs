//! What an agent before this one left running: its sandboxes and its runs are taken up, as they are.

use std::{sync::Arc, time::Duration};

use madang_node_api::FreezeWhen;
use madang_slot_api::{DriverSeen, RunNumber, ToSlot};

use crate::{
    agent::Agent,
    freeze::Frozen,
    link::{Link, LinkError},
    recover,
    run::{self, KeptRun},
    sandbox::Sandbox,
    shop::greeted,
};

/// A slot of a former server that says nothing for so long is ended: what a session holds is worth more than the seconds.
const ADOPT_WAIT: Duration = Duration::from_secs(30);

impl Agent {
    /// Takes up a sandbox of a session, with what runs in it.
    pub(crate) async fn adopt(self: &Arc<Self>, found: recover::Found) {
        self.shop.ledger.claim(found.claim.uid_base);
        self.devices.lent_before(&found.claim.spec.devices).into_iter().for_each(|hold| found.meter.holds(hold));
        self.network.wire(&found.slot.name).into_iter().for_each(|wire| found.meter.carries(wire));
        let recipe = found.claim.spec.language.as_ref().and_then(|id| self.shop.recipes.get(id)).cloned();
        // One that was frozen is woken for what is to be said, and frozen again where somebody wanted it so.
        let frozen = Frozen::found(&found.slot, &self.slots.join(&found.slot.name));
        let link = tokio::time::timeout(ADOPT_WAIT, self.greet(&found, &frozen)).await;
        let Ok(Ok(link)) = link else {
            tracing::warn!(slot = found.slot.name, "a slot does not answer; it is ended");
            return self.shop.retirement.retire_metered(found.slot, Some(found.meter));
        };
        let asked = tokio::time::timeout(ADOPT_WAIT, link.ask_runs()).await;
        let Ok(Ok((driver, alive))) = asked else {
            tracing::warn!(slot = found.slot.name, "a slot does not say what runs in it; it is ended");
            return self.shop.retirement.retire_metered(found.slot, Some(found.meter));
        };
        let sandbox = Arc::new(Sandbox::adopt(found, recipe, link, (&self.slots, &self.volumes)));
        let alive: Vec<RunNumber> = alive.into_iter().map(|kept| kept.run).collect();
        sandbox.freezer.was_frozen(&frozen);
        self.take_up_runs(&sandbox, driver, &alive).await;
        if frozen.is_to_stay()
            && let Err(error) = sandbox.freeze(FreezeWhen::Now).await
        {
            tracing::warn!(slot = sandbox.slot.name, %error, "a sandbox that was frozen goes on");
        }
        self.keep(&sandbox);
        self.watch_end(sandbox);
    }

    async fn greet(&self, found: &recover::Found, frozen: &Frozen) -> Result<Link, LinkError> {
        let link = self.shop.dial(&found.slot.name)?;
        if frozen.is_now() {
            // It reads this before it looks at any deadline.
            link.send(&ToSlot::Thawed { frozen_ms: frozen.ms_now() }).await?;
            found.slot.cgroup.thaw()?;
        }
        greeted(&link).await?;
        Ok(link)
    }

    /// Goes on with the runs of an agent before this one. What init runs and no tape tells of is ended: nobody would hear of it.
    async fn take_up_runs(&self, sandbox: &Arc<Sandbox>, driver: DriverSeen, alive: &[RunNumber]) {
        let mut tapes = sandbox.tapes.load().unwrap_or_else(|error| {
            tracing::error!(slot = sandbox.slot.name, %error, "what runs have said cannot be read; they end");
            Vec::new()
        });
        // Of one that is over the tape has everything; init may not have been told so.
        let going_on = tapes.iter().filter(|(_, past)| !past.is_over());
        let known: Vec<RunNumber> = going_on.filter_map(|(_, past)| Some(past.step?.0)).collect();
        for &run in alive.iter().filter(|run| !known.contains(run)) {
            // A sandbox that is gone has ended them.
            let _ = sandbox.link.send(&ToSlot::Kill { run }).await;
            let _ = sandbox.link.send(&ToSlot::Confirm { run, upto: u64::MAX }).await;
        }
        if let DriverSeen::Serving { run } = driver
            && !known.contains(&run)
        {
            let _ = sandbox.link.send(&ToSlot::Kill { run }).await;
        }
        *sandbox.driver.lock().await = driver == DriverSeen::Ready;
        // First whoever has the interpreter: the others wait for it.
        tapes.sort_by_key(|(_, past)| past.step.is_none());
        for (tape, past) in tapes {
            let Some(wall_ms) = past.spec.as_ref().map(|spec| spec.wall_ms_max()) else { continue };
            if let Some(handle) = run::resume(Arc::clone(sandbox), Arc::clone(&tape), past, alive).await {
                self.runs.keep(KeptRun::new(sandbox, tape, &handle, wall_ms));
            }
        }
    }
}
