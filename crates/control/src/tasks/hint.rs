//! Wakes tasks before their time: somebody, here or in another process, says that there is something to see.

use std::sync::Arc;

use madang_store::Hint;
use tokio::sync::Notify;

use crate::app::{App, Stage};

/// What hints wake.
#[derive(Debug, Clone, Default)]
pub(super) struct Wakes {
    pub people: Arc<Notify>,
    pub service: Arc<Notify>,
    pub lease: Arc<Notify>,
    pub reconcile: Arc<Notify>,
}

impl Wakes {
    fn wake(&self, hint: &Hint) {
        let woken: &[&Arc<Notify>] = match hint {
            Hint::Access | Hint::Policy => &[&self.people],
            Hint::State => &[&self.service],
            Hint::Session(_) | Hint::Node(_) => &[&self.reconcile],
            Hint::Group(_) => &[&self.lease, &self.reconcile],
            Hint::Price => &[],
            Hint::Lost => &[&self.people, &self.service, &self.lease, &self.reconcile],
        };
        woken.iter().for_each(|task| task.notify_one());
    }
}

/// Until the server stops. A hint that is lost costs one period of a task.
pub(super) async fn listen(app: Arc<App>, wakes: Wakes) {
    let mut hints = app.store.hints();
    loop {
        tokio::select! {
            () = app.reached(Stage::Stopping) => return,
            hint = hints.next() => match hint {
                Some(hint) => wakes.wake(&hint),
                None => return,
            },
        }
    }
}
