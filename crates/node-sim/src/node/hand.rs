//! What whoever plays with a simulated node does to it.

use madang_ids::SandboxId;
use madang_model::{DeviceGrant, Reading};
use madang_node_api::{NodeError, SandboxSpec};

use super::SimNode;
use crate::{Script, sandbox::SimSandbox};

impl SimNode {
    /// The machine was switched off and boots: nothing runs any more, and what is on its disk is known still: who has ended, what every
    /// sandbox has used that control has not acknowledged.
    pub fn rebooted(&self, script: Script) -> Self {
        let booted = Self::scripted(script);
        *booted.ended() = self.ended().clone();
        booted.inner.meter.take_over(&self.inner.meter);
        *booted.volume() = self.volume().clone();
        for (id, mut sandbox) in self.lock().drain() {
            booted.ended().put(id);
            if !sandbox.one_shot {
                booted.inner.meter.push(Reading { last: true, ..sandbox.read(booted.now_ms()) });
            }
        }
        booted
    }

    /// Moves the node's clock: sleeping programs wake, wall limits are met.
    pub fn advance(&self, ms: u64) {
        self.inner.clock.advance(ms);
    }

    /// The sandbox vanishes with all in it, as when its init is killed; its runs say nothing more.
    pub fn lose(&self, id: SandboxId) {
        self.remove(id, "its init died");
    }

    /// What a sandbox that is there was made with.
    pub fn spec(&self, id: SandboxId) -> Option<SandboxSpec> {
        self.lock().get(&id).map(|held| held.spec.clone())
    }

    /// Starts of runs that had been started before: none, where every order is done once.
    pub fn runs_doubled(&self) -> u64 {
        self.inner.runs.doubled()
    }

    /// Every sandbox made from now on fails so, until `None`.
    pub fn fail_opens(&self, error: Option<NodeError>) {
        self.faults().open = error;
    }

    /// A sandbox that nobody asked for, as a server that died leaves one behind.
    pub fn plant(&self, spec: SandboxSpec) {
        self.lock().insert(spec.id, SimSandbox::new(spec));
    }

    /// The devices that a sandbox was given.
    pub fn devices_of(&self, id: SandboxId) -> Result<Vec<DeviceGrant>, NodeError> {
        self.with(id, |sandbox| Ok(sandbox.spec.devices.clone()))
    }
}
