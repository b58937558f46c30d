//! Runs that a server before this one began and whose node still has them: taken up, or owned up to as lost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use madang_ids::RunId;
use madang_model::{RunEvent, RunEventBody, Verdict, run_state::broken};
use madang_node_api::{NodeError, RunControl, RunHandle, RunSeen};
use madang_store::{RunRecord, SessionRecord};

use super::{App, Failure, live_run::LiveRun, run_collect::collect_on, runs::facts_of};
use crate::clock::{now_ms, now_us};

/// What becomes of a run that nobody has any more.
const LOST: &str = "the server stopped while this run was in progress";
/// A node that cannot be heard is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Where no node says how long a run may take, its collector waits so long for it.
const WALL_MS_UNKNOWN: u64 = 86_400_000;
/// A run that nobody wants has so long to end after it was told to.
const END_WAIT: Duration = Duration::from_secs(20);

/// What became of the runs that were open when the last server ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TakenUp {
    pub going_on: usize,
    pub lost: usize,
}

impl App {
    /// Before the first request: runs that the store has open go on if their session lives, or are closed as lost.
    pub async fn runs_take_up(self: &Arc<Self>, leads: impl Fn(&str) -> bool) -> Result<TakenUp, Failure> {
        let seen: HashMap<RunId, RunSeen> = self.node.runs().into_iter().map(|seen| (seen.id, seen)).collect();
        let mut taken = TakenUp::default();
        for record in self.store.run_list_open().await? {
            let group = self.run_group(&record).await?;
            if !leads(&group) {
                continue;
            }
            if self.run_take_up(&record, seen.get(&record.id))? {
                taken.going_on += 1;
            } else {
                self.run_close_lost(record, &group).await?;
                taken.lost += 1;
            }
        }
        Ok(taken)
    }

    /// The resource group whose leader follows the run, or owns up to its loss.
    async fn run_group(&self, record: &RunRecord) -> Result<String, Failure> {
        let Some(id) = record.session else { return Ok(self.one_shot_group()) };
        if let Some(session) = self.session_live(id) {
            return Ok(session.record.borrow().group().to_owned());
        }
        let session = self.store.session_get(id).await?;
        match session {
            Some(session) => Ok(session.group().to_owned()),
            None => Ok(self.one_shot_group()),
        }
    }

    fn run_take_up(self: &Arc<Self>, record: &RunRecord, seen: Option<&RunSeen>) -> Result<bool, Failure> {
        if self.run_live(record.id).is_some() {
            return Ok(true);
        }
        let Some(session) = record.session.and_then(|id| self.session_live(id)) else { return Ok(false) };
        let of = session.record();
        let facts = super::live_run::RunFacts {
            // Which of several it is in only its node knows.
            sandbox: seen.map_or(of.sandbox, |seen| seen.sandbox),
            group: of.group().to_owned(),
            wall_ms: seen.map_or(WALL_MS_UNKNOWN, |seen| seen.wall_ms),
            ..facts_of(record)
        };
        let (run, wishes) = LiveRun::new(facts);
        self.run_register(&run)?;
        session.run_began();
        let (app, id) = (Arc::clone(self), record.id);
        tokio::spawn(collect_on(Arc::clone(self), run, wishes, async move { app.run_attach(id, &of).await }));
        Ok(true)
    }

    /// All events of the run from its first, from the node that has it; waits for one that cannot be heard.
    async fn run_attach(&self, id: RunId, of: &SessionRecord) -> Result<RunHandle, NodeError> {
        loop {
            let here = of.sandboxes().all(|(sandbox, _)| self.fleet.is_heard(sandbox));
            match self.node.run_attach(id, None).await {
                Ok(handle) => return Ok(handle),
                Err(NodeError::NotFound(_)) if here => return Err(NodeError::Unavailable(LOST.to_owned())),
                Err(NodeError::NotFound(_) | NodeError::Unavailable(_)) => tokio::time::sleep(ASK_AGAIN).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn run_close_lost(&self, mut record: RunRecord, group: &str) -> Result<(), Failure> {
        let body = RunEventBody::Finished { outcome: broken(LOST) };
        record.events.push(RunEvent { seq: record.events.len() as u64, at_us: now_us(), body });
        record.verdict = Some(Verdict::InternalError);
        record.finished_ms = Some(now_ms());
        let fence = self.leadership.fence(group);
        Ok(self.store.run_finish_fenced(&record, None, fence.as_ref()).await?)
    }

    /// Runs that a node holds and nobody here follows: those whose end is kept are forgotten, those that nobody knows are ended.
    /// Returns how many there were.
    pub async fn runs_sweep(self: &Arc<Self>) -> Result<usize, Failure> {
        let mut swept = 0;
        let members = self.fleet.members();
        let led = members.iter().filter(|member| self.leads(&member.group));
        for seen in led.flat_map(|member| member.node.runs()) {
            // Looked for here before there: a run is known here until the store has its end.
            if self.run_live(seen.id).is_some() {
                continue;
            }
            match self.store.run_verdict(seen.id).await? {
                Some(None) => continue,
                Some(Some(_)) => self.run_forget_at_node(seen.id).await,
                None if self.run_live(seen.id).is_some() => continue,
                None => self.run_end_unknown(seen.id),
            }
            swept += 1;
        }
        Ok(swept)
    }

    /// Whoever began it waited for its end and told nobody its id.
    fn run_end_unknown(self: &Arc<Self>, id: RunId) {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(mut handle) = app.node.run_attach(id, None).await else { return };
            tracing::info!(run = %id, "a run that nobody knows is ended");
            // A run that is over takes no wishes.
            let _ = handle.control.send(RunControl::Cancel).await;
            let ended = async { while handle.events.recv().await.is_some() {} };
            if tokio::time::timeout(END_WAIT, ended).await.is_ok() {
                app.run_forget_at_node(id).await;
            }
        });
    }

    /// The store has its end.
    pub(super) async fn run_forget_at_node(&self, id: RunId) {
        if let Err(error) = self.node.run_forget(id).await {
            tracing::debug!(run = %id, %error, "a node could not be told that a run's end is kept; it will be");
        }
    }
}
