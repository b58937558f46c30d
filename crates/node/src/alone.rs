//! Sandboxes of one-shot runs, while they last: who asks what one has used so far finds it here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use madang_ids::SandboxId;

use crate::sandbox::Sandbox;

/// As many as there are runs; the run holds its sandbox, not we.
#[derive(Default)]
pub(crate) struct Alone(Mutex<HashMap<SandboxId, Weak<Sandbox>>>);

impl Alone {
    pub fn add(&self, sandbox: &Arc<Sandbox>) {
        self.lock().insert(sandbox.spec.id, Arc::downgrade(sandbox));
    }

    pub fn find(&self, id: SandboxId) -> Option<Arc<Sandbox>> {
        self.lock().get(&id)?.upgrade()
    }

    pub fn all(&self) -> Vec<Arc<Sandbox>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    pub fn forget(&self, id: SandboxId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SandboxId, Weak<Sandbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
