//! What to do so that what is becomes what is wanted: pure.
//!
//! The three looks must be taken in this order: `running` before `seen` (a session that runs has had its sandbox before), `wanted` after
//! `seen` (a sandbox that was seen has been wanted before it was made).

use std::collections::{BTreeMap, BTreeSet};

use madang_ids::{SandboxId, SessionId};
use madang_model::{Activity, OnNodeLoss, ProjectedEnd, SessionEvent, SessionState};
use madang_node_api::{SandboxSeen, SandboxState};
use madang_store::SessionRecord;

use crate::app::{cluster::called, heard::Heard};

/// A live session with what only memory knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub record: SessionRecord,
    pub runs_live: u64,
    pub active_ms: u64,
    /// When it ends because its programs use too little, if they do.
    pub underused_ends_ms: Option<u64>,
    /// When it is to be suspended, if it is.
    pub suspend_at_ms: Option<u64>,
    /// Whether the node of each of its sandboxes is heard: of one that is silent nothing follows.
    pub heard: Vec<Heard>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A sandbox that nobody wants.
    Close(SandboxId),
    /// A session that drains and whose sandbox may still be there.
    CloseAgain(SessionId),
    Tell(SessionId, SessionEvent),
    /// It was idle for as long as it may run without being used.
    Suspend(SessionId),
    /// Its sandbox is frozen and should not be.
    Thaw(SessionId),
    /// Its node is lost or has ended it, and it may start elsewhere.
    Move(SessionId),
}

/// A sandbox whose one-shot run has just ended is on its way out by itself; only one that stays is closed.
pub(crate) const ORPHAN_GRACE_MS: u64 = 1_000;

/// So long after a change a node may not have been heard of it.
pub(crate) const FROZEN_GRACE_MS: u64 = 2_000;

/// Sandboxes that nobody wants, and since when.
pub(crate) type Orphans = BTreeMap<SandboxId, u64>;

/// What is seen, by id.
type Seen<'a> = BTreeMap<SandboxId, &'a SandboxSeen>;

/// What was seen, in the order of the module's rule.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub running: &'a [Wanted],
    pub seen: &'a [SandboxSeen],
    pub wanted: &'a BTreeSet<SandboxId>,
}

pub(crate) fn plan(look: &Look<'_>, orphans: &mut Orphans, now_ms: u64) -> Vec<Step> {
    let Look { running, seen, wanted } = look;
    let mut steps = Vec::new();
    let by_id: Seen<'_> = seen.iter().map(|sandbox| (sandbox.id, sandbox)).collect();
    for session in *running {
        steps.extend(session_step(session, &by_id, now_ms));
    }
    let there = seen.iter().filter(|sandbox| sandbox.state == SandboxState::Running);
    let now = there.map(|sandbox| sandbox.id).filter(|id| !wanted.contains(id));
    *orphans = now.map(|id| (id, orphans.get(&id).copied().unwrap_or(now_ms))).collect();
    let ripe = orphans.iter().filter(|(_, since)| now_ms >= since.saturating_add(ORPHAN_GRACE_MS));
    steps.extend(ripe.map(|(id, _)| Step::Close(*id)));
    steps
}

fn session_step(session: &Wanted, seen: &Seen<'_>, now_ms: u64) -> Option<Step> {
    let record = &session.record;
    let tell = |event| Some(Step::Tell(record.id, event));
    if record.life.deadline_ms().is_some_and(|deadline| now_ms >= deadline) {
        return tell(SessionEvent::DeadlinePassed);
    }
    let queueing = &record.spec.queueing;
    let since_ms = record.life.since_ms;
    if record.life.state == SessionState::Queued && now_ms >= since_ms.saturating_add(queueing.wait_ms_max) {
        return tell(SessionEvent::Refused { limit: format!("no room within {} ms", queueing.wait_ms_max) });
    }
    if session.heard.contains(&Heard::Lost) && queueing.on_node_loss == OnNodeLoss::Restart {
        return record.life.state.node().map(|_| Step::Move(record.id));
    }
    match &record.life.state {
        SessionState::Draining { .. } => Some(Step::CloseAgain(record.id)),
        SessionState::Running { .. } | SessionState::Suspended { .. } => {
            // Its node has ended it when it heard nobody for too long, or was started anew.
            if queueing.on_node_loss == OnNodeLoss::Restart && is_gone(session, seen) {
                return Some(Step::Move(record.id));
            }
            if let Some(why) = sandbox_lost(session, seen) {
                return tell(lost(record, why));
            }
            if record.life.node_is_known() && session.heard.contains(&Heard::Silent) {
                return None;
            }
            let (active_ms, runs_live) = (session.active_ms, session.runs_live);
            let underused_ends_ms = session.underused_ends_ms;
            let started_ms = record.started_ms.unwrap_or(record.created_ms);
            let end = ProjectedEnd::of(&record.spec, &Activity { started_ms, active_ms, runs_live, underused_ends_ms });
            if end.is_due(now_ms) { tell(end.because.event()) } else { freezing_step(session, seen, now_ms) }
        }
        _ => None,
    }
}

/// What is frozen and what should be: what a node thaws for somebody goes on, and the record follows.
fn freezing_step(session: &Wanted, seen: &Seen<'_>, now_ms: u64) -> Option<Step> {
    let record = &session.record;
    let frozen: Vec<bool> =
        record.sandboxes().filter_map(|(sandbox, _)| seen.get(&sandbox)).map(|seen| seen.frozen).collect();
    match (record.life.is_suspended(), frozen.contains(&true), !frozen.contains(&false)) {
        (true, _, true) | (false, false, _) => {}
        // What a node far away says may be older than what it was told.
        _ if now_ms < record.life.since_ms.saturating_add(FROZEN_GRACE_MS) => return None,
        (true, ..) => return Some(Step::Tell(record.id, SessionEvent::Resumed)),
        (false, ..) => return Some(Step::Thaw(record.id)),
    }
    let due = !record.life.is_suspended() && session.suspend_at_ms.is_some_and(|at| now_ms >= at);
    due.then_some(Step::Suspend(record.id))
}

/// Whether a node that is heard has nothing of one of the sandboxes that should be there.
fn is_gone(session: &Wanted, seen: &Seen<'_>) -> bool {
    let sandboxes = session.record.sandboxes().map(|(sandbox, _)| sandbox).zip(&session.heard);
    sandboxes.into_iter().any(|(sandbox, heard)| *heard == Heard::Now && !seen.contains_key(&sandbox))
}

/// Why one of the sandboxes that should be there is not, as far as their nodes are heard.
fn sandbox_lost(session: &Wanted, seen: &Seen<'_>) -> Option<String> {
    let record = &session.record;
    let why = |(sandbox, heard): (SandboxId, &Heard)| match (heard, seen.get(&sandbox).map(|seen| &seen.state)) {
        (Heard::Lost, _) => Some("its node was not heard for longer than its lease".to_owned()),
        (Heard::Silent, _) | (Heard::Now, Some(SandboxState::Running)) => None,
        (Heard::Now, None) => Some("it is not there any more".to_owned()),
        (Heard::Now, Some(SandboxState::Ended { why })) => Some(why.clone()),
    };
    let sandboxes = record.sandboxes().map(|(sandbox, _)| sandbox).zip(&session.heard);
    let (sandbox, why) = sandboxes.filter_map(|(sandbox, heard)| Some((sandbox, why((sandbox, heard))?))).next()?;
    Some(called(record, sandbox).map_or_else(|| why.clone(), |name| format!("{name}: {why}")))
}

/// Of several sandboxes the others are still there: they must be closed and counted before the session is over.
fn lost(record: &SessionRecord, why: String) -> SessionEvent {
    match record.spec.cluster.is_one() {
        true => SessionEvent::SandboxLost { why },
        false => SessionEvent::ClusterBroken { why },
    }
}

#[cfg(test)]
mod tests {
    use madang_model::{Limits, Owner, SessionKind, SessionLife, SessionSpec, Usage};

    use super::*;

    const NOW: u64 = 1_000_000;

    fn session(state: SessionState) -> Wanted {
        let spec = SessionSpec {
            kind: SessionKind::Interactive,
            image: "host".into(),
            language: None,
            limits: Limits::default(),
            accelerators: Default::default(),
            env: BTreeMap::new(),
            tags: BTreeMap::new(),
            startup_command: None,
            timeout_ms: 500_000,
            idle_timeout_ms: 100_000,
            suspend_idle_ms: Some(50_000),
            queueing: Default::default(),
            cluster: Default::default(),
            app: None,
            network: Default::default(),
            mounts: Vec::new(),
        };
        let record = SessionRecord {
            id: SessionId::new(),
            name: "a".into(),
            generation: 0,
            owner: Owner::DEFAULT,
            access_key: None,
            sandbox: SandboxId::new(),
            subs: Vec::new(),
            spec,
            life: SessionLife { state, since_ms: NOW },
            created_ms: NOW,
            started_ms: Some(NOW),
            ended_ms: None,
            usage: None,
            held: None,
        };
        let suspend_at_ms = None;
        let heard = vec![Heard::Now];
        Wanted { record, runs_live: 0, active_ms: NOW, underused_ends_ms: None, suspend_at_ms, heard }
    }

    fn running() -> Wanted {
        session(SessionState::Running { node: None })
    }

    fn sandbox(of: &Wanted, state: SandboxState) -> SandboxSeen {
        let (id, session, usage) = (of.record.sandbox, of.record.id, Usage::default());
        SandboxSeen { id, session, state, usage, frozen: false, app_bytes: 0 }
    }

    fn plan_one(session: &Wanted, seen: &[SandboxSeen], now: u64) -> Vec<Step> {
        let wanted = BTreeSet::from([session.record.sandbox]);
        plan(&Look { running: std::slice::from_ref(session), seen, wanted: &wanted }, &mut Orphans::new(), now)
    }

    #[test]
    fn what_is_as_wanted_needs_nothing() {
        let session = running();
        let seen = [sandbox(&session, SandboxState::Running)];
        assert_eq!(plan_one(&session, &seen, NOW + 1), []);
    }

    #[test]
    fn a_sandbox_without_a_session_is_closed_if_it_stays() {
        let seen = [sandbox(&running(), SandboxState::Running)];
        let look = Look { running: &[], seen: &seen, wanted: &BTreeSet::new() };
        let mut orphans = Orphans::new();
        assert_eq!(plan(&look, &mut orphans, NOW), []);
        assert_eq!(plan(&look, &mut orphans, NOW + ORPHAN_GRACE_MS), [Step::Close(seen[0].id)]);
        let gone = Look { seen: &[], ..look };
        assert_eq!(plan(&gone, &mut orphans, NOW + ORPHAN_GRACE_MS), []);
        assert_eq!(orphans, Orphans::new());
    }

    #[test]
    fn a_session_without_its_sandbox_is_lost() {
        let session = running();
        let lost = |seen: &[SandboxSeen]| match plan_one(&session, seen, NOW).as_slice() {
            [Step::Tell(id, SessionEvent::SandboxLost { why })] => (*id, why.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(lost(&[]).0, session.record.id);
        assert_eq!(lost(&[sandbox(&session, SandboxState::Ended { why: "oom".into() })]).1, "oom");
    }

    #[test]
    fn one_that_may_start_elsewhere_does_when_its_node_has_ended_it() {
        let mut session = running();
        session.record.spec.queueing.on_node_loss = OnNodeLoss::Restart;
        assert_eq!(plan_one(&session, &[], NOW), [Step::Move(session.record.id)]);
        let seen = [sandbox(&session, SandboxState::Ended { why: "oom".into() })];
        assert!(matches!(plan_one(&session, &seen, NOW).as_slice(), [Step::Tell(..)]), "that is not its node's fault");
    }

    #[test]
    fn a_silent_node_loses_nothing_until_its_lease_is_over() {
        let mut session = session(SessionState::Running { node: Some(madang_ids::NodeId::new()) });
        session.heard = vec![Heard::Silent];
        assert_eq!(plan_one(&session, &[], NOW + 200_000), []);
        session.heard = vec![Heard::Lost];
        assert!(matches!(
            plan_one(&session, &[], NOW).as_slice(),
            [Step::Tell(_, SessionEvent::SandboxLost { why })] if why.contains("lease")
        ));
    }

    #[test]
    fn one_that_starts_is_not_lost_yet_but_has_a_deadline() {
        let session = session(SessionState::Starting { node: None });
        assert_eq!(plan_one(&session, &[], NOW), []);
        let late = NOW + madang_model::session::STARTING_MS_MAX;
        assert_eq!(plan_one(&session, &[], late), [Step::Tell(session.record.id, SessionEvent::DeadlinePassed)]);
    }

    #[test]
    fn an_idle_session_is_suspended_and_what_is_seen_of_it_followed() {
        let mut session = Wanted { suspend_at_ms: Some(NOW + 50_000), ..running() };
        let id = session.record.id;
        let seen = [sandbox(&session, SandboxState::Running)];
        let frozen = [SandboxSeen { frozen: true, ..seen[0].clone() }];
        assert_eq!(plan_one(&session, &seen, NOW + 50_000), [Step::Suspend(id)]);
        assert_eq!(plan_one(&session, &frozen, NOW + 1), [], "it has just come to run");
        assert_eq!(plan_one(&session, &frozen, NOW + FROZEN_GRACE_MS), [Step::Thaw(id)]);
        session.record.life.state = SessionState::Suspended { node: None };
        assert_eq!(plan_one(&session, &frozen, NOW + 60_000), []);
        assert_eq!(plan_one(&session, &seen, NOW + 1), []);
        assert_eq!(plan_one(&session, &seen, NOW + FROZEN_GRACE_MS), [Step::Tell(id, SessionEvent::Resumed)]);
        assert_eq!(plan_one(&session, &frozen, NOW + 100_000), [Step::Tell(id, SessionEvent::IdleExpired)]);
        assert!(matches!(plan_one(&session, &[], NOW).as_slice(), [Step::Tell(_, SessionEvent::SandboxLost { .. })]));
    }

    #[test]
    fn idle_and_life_time_end_a_session() {
        let mut session = running();
        let seen = [sandbox(&session, SandboxState::Running)];
        let id = session.record.id;
        assert_eq!(plan_one(&session, &seen, NOW + 100_000), [Step::Tell(id, SessionEvent::IdleExpired)]);
        session.runs_live = 1;
        assert_eq!(plan_one(&session, &seen, NOW + 100_000), []);
        assert_eq!(plan_one(&session, &seen, NOW + 500_000), [Step::Tell(id, SessionEvent::LifetimeExpired)]);
    }
}
