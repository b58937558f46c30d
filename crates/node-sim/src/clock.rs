//! A simulated node's clock.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use crate::Clock;

/// Milliseconds since the node began.
pub(crate) struct SimClock {
    moved_ms: watch::Sender<u64>,
    /// Of one that goes by itself.
    began: Option<Instant>,
}

impl SimClock {
    pub fn new(clock: Clock) -> Self {
        let began = (clock == Clock::Going).then(Instant::now);
        Self { moved_ms: watch::Sender::new(0), began }
    }

    pub fn now_ms(&self) -> u64 {
        let gone = self.began.map_or(0, |began| began.elapsed().as_millis() as u64);
        gone + *self.moved_ms.borrow()
    }

    /// Forward.
    pub fn advance(&self, ms: u64) {
        self.moved_ms.send_modify(|moved| *moved += ms);
    }

    /// Waits until it shows at least this.
    pub async fn reached(&self, at_ms: u64) {
        let mut moved = self.moved_ms.subscribe();
        loop {
            let left = at_ms.saturating_sub(self.now_ms());
            if left == 0 {
                return;
            }
            let by_itself = async {
                match self.began {
                    Some(_) => tokio::time::sleep(Duration::from_millis(left)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = by_itself => {}
                // The sender is ours and lives.
                _ = moved.changed() => {}
            }
        }
    }
}
