//! What ends before its time: runs that were asked to, and runs whose time is up.

use std::time::{Duration, Instant};

use madang_slot_api::{Cause, RunNumber};

use super::{Init, serves};
use crate::{outlet::Budget, process_tree};

impl Init {
    /// Ends a run before its time; its exit is reported when it is reaped.
    pub(super) fn kill(&mut self, run: RunNumber, cause: Cause) {
        let leader = if let Some(run) = self.runs.get_mut(&run) {
            run.budget.cause.get_or_insert(cause);
            run.guest.pid
        } else if let Some(driver) = self.driver.as_mut().filter(|driver| serves(driver, run)) {
            if let Some(serving) = &mut driver.serving {
                serving.budget.cause.get_or_insert(cause);
            }
            driver.guest.pid
        } else {
            return;
        };
        if !process_tree::kill_tree(leader) {
            process_tree::kill_all();
        }
    }

    pub(super) fn end_late_runs(&mut self) {
        let now = Instant::now();
        // What waits for room, or for input to be taken, comes before anything that is said after it: then nothing is listened to.
        if self.may_listen() && !self.late_runs(now).is_empty() {
            // We may have been frozen since we last listened: then the node has said for how long, before it thawed us.
            self.talk();
        }
        for run in self.late_runs(now) {
            self.kill(run, Cause::WallTime);
        }
        // Who was ended once needs no second deadline, and must not keep the loop awake.
        let far = now + Duration::from_secs(3600);
        for run in self.runs.values_mut().filter(|run| run.budget.cause.is_some()) {
            run.budget.deadline = far;
        }
        if let Some(serving) =
            self.driver.as_mut().and_then(|driver| driver.serving.as_mut()).filter(|s| s.budget.cause.is_some())
        {
            serving.budget.deadline = far;
        }
    }

    fn late_runs(&self, now: Instant) -> Vec<RunNumber> {
        let late = |budget: &Budget| budget.cause.is_none() && budget.deadline <= now;
        let runs = self.runs.iter().filter(|(_, run)| late(&run.budget)).map(|(&number, _)| number);
        let serving = self.driver.iter().filter_map(|driver| driver.serving.as_ref());
        runs.chain(serving.filter(|serving| late(&serving.budget)).map(|serving| serving.run)).collect()
    }
}
