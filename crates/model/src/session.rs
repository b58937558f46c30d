//! The life of a session, as a pure state machine.
//!
//! `Requested → Queued → Placed → Starting → Running → Draining → Ended`, or `Refused`; between two times of `Running` it may be
//! `Suspended`. Every state but the last two has a
//! [deadline](SessionLife::deadline_ms); what happens at it is the event [`SessionEvent::DeadlinePassed`].

use madang_ids::NodeId;
use serde::{Deserialize, Serialize};

/// From the request to admission or refusal.
pub const REQUESTED_MS_MAX: u64 = 10_000;
/// Waiting for room and for other sessions, at the very most; each session says how long it waits.
pub const QUEUED_MS_MAX: u64 = 7 * 86_400_000;
/// From placement until the node was told.
pub const PLACED_MS_MAX: u64 = 30_000;
/// From telling the node until programs can run.
pub const STARTING_MS_MAX: u64 = 60_000;
/// From the decision to end until nothing is left.
pub const DRAINING_MS_MAX: u64 = 60_000;

/// Where a session is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum SessionState {
    Requested,
    Queued,
    Placed {
        node: Option<NodeId>,
    },
    Starting {
        node: Option<NodeId>,
    },
    Running {
        node: Option<NodeId>,
    },
    /// Its programs stand still, and its memory is given back as far as its node can.
    Suspended {
        node: Option<NodeId>,
    },
    Draining {
        ending: Ending,
    },
    Ended {
        ending: Ending,
    },
    Refused {
        limit: String,
    },
}

/// Why a session is over, and what for a person to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub outcome: SessionOutcome,
    pub why: String,
}

/// How a session ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOutcome {
    /// Its start-up command ended well.
    Completed,
    /// Somebody asked for it.
    Terminated,
    /// Its time or its idle time was over.
    TimedOut,
    /// It could not start, was lost, or its start-up command failed.
    Failed,
}

impl SessionOutcome {
    pub fn name(self) -> &'static str {
        match self {
            SessionOutcome::Completed => "completed",
            SessionOutcome::Terminated => "terminated",
            SessionOutcome::TimedOut => "timed-out",
            SessionOutcome::Failed => "failed",
        }
    }
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    Admitted,
    Refused {
        limit: String,
    },
    Placed {
        node: Option<NodeId>,
    },
    /// The node has been told to make the sandbox.
    StartAsked,
    SandboxReady,
    SandboxFailed {
        why: String,
    },
    /// The sandbox that should be there is not.
    SandboxLost {
        why: String,
    },
    /// One of several sandboxes is not there; the others are.
    ClusterBroken {
        why: String,
    },
    EndAsked {
        why: String,
    },
    /// Its sandbox is given up, and it waits for another one.
    Moved {
        why: String,
    },
    /// A batch session's command is over.
    CommandFinished {
        well: bool,
        why: String,
    },
    /// Its sandboxes have been frozen.
    Suspended,
    /// They go on.
    Resumed,
    IdleExpired,
    LifetimeExpired,
    /// Its programs used too little for too long.
    UtilizationLow,
    /// The deadline of the present state has passed.
    DeadlinePassed,
    /// Nothing of the session is left on the node.
    Drained,
}

/// What the caller of [`SessionLife::apply`] has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEffect {
    SandboxOpen,
    SandboxClose,
    /// End the runs that are still open in the record: their sandbox is gone.
    RunsAbandon,
    StartupCommandRun,
}

/// An event that makes no sense in the present state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {state} cannot take `{event}`")]
pub struct SessionRejected {
    pub state: &'static str,
    pub event: &'static str,
}

/// A state and since when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLife {
    #[serde(flatten)]
    pub state: SessionState,
    /// Unix time, milliseconds.
    pub since_ms: u64,
}

type Step = Result<(SessionLife, Vec<SessionEffect>), SessionRejected>;

impl SessionLife {
    pub fn requested(now_ms: u64) -> Self {
        Self { state: SessionState::Requested, since_ms: now_ms }
    }

    /// The next state and what follows from it; a rejection changes nothing.
    pub fn apply(&self, event: &SessionEvent, now_ms: u64) -> Step {
        use SessionEvent as E;
        use SessionState as S;
        match (&self.state, event) {
            (S::Requested, E::Admitted) => go(S::Queued, &[], now_ms),
            (S::Requested | S::Queued, E::Refused { limit }) => go(S::Refused { limit: limit.clone() }, &[], now_ms),
            (S::Queued, E::Placed { node }) => go(S::Placed { node: *node }, &[], now_ms),
            (S::Placed { node }, E::StartAsked) => {
                go(S::Starting { node: *node }, &[SessionEffect::SandboxOpen], now_ms)
            }
            (S::Starting { node }, E::SandboxReady) => {
                go(S::Running { node: *node }, &[SessionEffect::StartupCommandRun], now_ms)
            }
            (S::Placed { .. } | S::Starting { .. }, E::SandboxFailed { why }) => {
                drain(SessionOutcome::Failed, why, now_ms)
            }
            (S::Running { node }, E::Suspended) => go(S::Suspended { node: *node }, &[], now_ms),
            (S::Suspended { node }, E::Resumed) => go(S::Running { node: *node }, &[], now_ms),
            (S::Running { .. } | S::Suspended { .. }, E::SandboxLost { why }) => {
                let ending = ending(SessionOutcome::Failed, &format!("sandbox lost: {why}"));
                go(S::Ended { ending }, &[SessionEffect::RunsAbandon, SessionEffect::SandboxClose], now_ms)
            }
            (S::Running { .. } | S::Suspended { .. }, E::ClusterBroken { why }) => {
                drain(SessionOutcome::Failed, &format!("sandbox lost: {why}"), now_ms)
            }
            (S::Placed { .. } | S::Starting { .. } | S::Running { .. } | S::Suspended { .. }, E::Moved { .. }) => {
                go(S::Queued, &[SessionEffect::RunsAbandon], now_ms)
            }
            (S::Draining { ending }, E::Drained | E::SandboxLost { .. }) => {
                go(S::Ended { ending: ending.clone() }, &[SessionEffect::RunsAbandon], now_ms)
            }
            (S::Requested | S::Queued, E::EndAsked { why }) => {
                go(S::Ended { ending: ending(SessionOutcome::Terminated, why) }, &[], now_ms)
            }
            (S::Placed { .. } | S::Starting { .. } | S::Running { .. } | S::Suspended { .. }, E::EndAsked { why }) => {
                drain(SessionOutcome::Terminated, why, now_ms)
            }
            (S::Running { .. } | S::Suspended { .. }, E::CommandFinished { well, why }) => {
                let outcome = if *well { SessionOutcome::Completed } else { SessionOutcome::Failed };
                drain(outcome, why, now_ms)
            }
            (S::Running { .. } | S::Suspended { .. }, E::IdleExpired) => {
                drain(SessionOutcome::TimedOut, "idle for too long", now_ms)
            }
            (S::Running { .. } | S::Suspended { .. }, E::LifetimeExpired) => {
                drain(SessionOutcome::TimedOut, "its time is over", now_ms)
            }
            (S::Running { .. }, E::UtilizationLow) => {
                drain(SessionOutcome::TimedOut, "its programs used too little of it for too long", now_ms)
            }
            (_, E::DeadlinePassed) => self.deadline_passed(now_ms),
            _ => Err(self.rejected(event)),
        }
    }

    fn deadline_passed(&self, now_ms: u64) -> Step {
        use SessionState as S;
        match &self.state {
            S::Requested | S::Queued => {
                let limit = format!("no room within {} s", QUEUED_MS_MAX / 1_000);
                go(S::Refused { limit }, &[], now_ms)
            }
            S::Placed { .. } | S::Starting { .. } => {
                drain(SessionOutcome::Failed, "the sandbox did not start in time", now_ms)
            }
            S::Draining { ending } => {
                let effects = [SessionEffect::RunsAbandon, SessionEffect::SandboxClose];
                go(S::Ended { ending: ending.clone() }, &effects, now_ms)
            }
            S::Running { .. } | S::Suspended { .. } | S::Ended { .. } | S::Refused { .. } => {
                Err(self.rejected(&SessionEvent::DeadlinePassed))
            }
        }
    }

    /// Until when the present state may last; none for final states, `Running` and `Suspended`, whose time the session's own
    /// `timeout_ms` and `idle_timeout_ms` bound.
    pub fn deadline_ms(&self) -> Option<u64> {
        use SessionState as S;
        let after = match &self.state {
            S::Requested => REQUESTED_MS_MAX,
            S::Queued => QUEUED_MS_MAX,
            S::Placed { .. } => PLACED_MS_MAX,
            S::Starting { .. } => STARTING_MS_MAX,
            S::Draining { .. } => DRAINING_MS_MAX,
            S::Running { .. } | S::Suspended { .. } | S::Ended { .. } | S::Refused { .. } => return None,
        };
        Some(self.since_ms.saturating_add(after))
    }

    /// Whether it has, or shall have, a sandbox on a node that is known.
    pub fn node_is_known(&self) -> bool {
        matches!(self.state, SessionState::Running { node: Some(_) } | SessionState::Suspended { node: Some(_) })
    }

    /// Its programs stand still.
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, SessionState::Suspended { .. })
    }

    /// Not ended and not refused.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, SessionState::Ended { .. } | SessionState::Refused { .. })
    }

    /// What a client may do now.
    pub fn allowed_actions(&self) -> &'static [&'static str] {
        match self.state {
            SessionState::Running { .. } => &["run", "restart", "interrupt", "complete", "files", "suspend", "end"],
            // What needs its programs resumes it by itself.
            SessionState::Suspended { .. } => &["run", "restart", "interrupt", "complete", "files", "resume", "end"],
            SessionState::Requested
            | SessionState::Queued
            | SessionState::Placed { .. }
            | SessionState::Starting { .. } => &["end"],
            SessionState::Draining { .. } | SessionState::Ended { .. } | SessionState::Refused { .. } => &[],
        }
    }

    fn rejected(&self, event: &SessionEvent) -> SessionRejected {
        SessionRejected { state: self.state.name(), event: event.name() }
    }
}

fn go(state: SessionState, effects: &[SessionEffect], now_ms: u64) -> Step {
    Ok((SessionLife { state, since_ms: now_ms }, effects.to_vec()))
}

fn drain(outcome: SessionOutcome, why: &str, now_ms: u64) -> Step {
    go(SessionState::Draining { ending: ending(outcome, why) }, &[SessionEffect::SandboxClose], now_ms)
}

fn ending(outcome: SessionOutcome, why: &str) -> Ending {
    Ending { outcome, why: why.to_owned() }
}

impl SessionState {
    /// Where its sandbox is or is to be, while that is known.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            SessionState::Placed { node }
            | SessionState::Starting { node }
            | SessionState::Running { node }
            | SessionState::Suspended { node } => *node,
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            SessionState::Requested => "requested",
            SessionState::Queued => "queued",
            SessionState::Placed { .. } => "placed",
            SessionState::Starting { .. } => "starting",
            SessionState::Running { .. } => "running",
            SessionState::Suspended { .. } => "suspended",
            SessionState::Draining { .. } => "draining",
            SessionState::Ended { .. } => "ended",
            SessionState::Refused { .. } => "refused",
        }
    }
}

impl SessionEvent {
    pub fn name(&self) -> &'static str {
        match self {
            SessionEvent::Admitted => "admitted",
            SessionEvent::Refused { .. } => "refused",
            SessionEvent::Placed { .. } => "placed",
            SessionEvent::StartAsked => "start-asked",
            SessionEvent::SandboxReady => "sandbox-ready",
            SessionEvent::SandboxFailed { .. } => "sandbox-failed",
            SessionEvent::SandboxLost { .. } => "sandbox-lost",
            SessionEvent::ClusterBroken { .. } => "cluster-broken",
            SessionEvent::EndAsked { .. } => "end-asked",
            SessionEvent::Moved { .. } => "moved",
            SessionEvent::CommandFinished { .. } => "command-finished",
            SessionEvent::Suspended => "suspended",
            SessionEvent::Resumed => "resumed",
            SessionEvent::IdleExpired => "idle-expired",
            SessionEvent::LifetimeExpired => "lifetime-expired",
            SessionEvent::UtilizationLow => "utilization-low",
            SessionEvent::DeadlinePassed => "deadline-passed",
            SessionEvent::Drained => "drained",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<SessionState> {
        let ending = ending(SessionOutcome::Terminated, "asked");
        vec![
            SessionState::Requested,
            SessionState::Queued,
            SessionState::Placed { node: None },
            SessionState::Starting { node: None },
            SessionState::Running { node: None },
            SessionState::Suspended { node: None },
            SessionState::Draining { ending: ending.clone() },
            SessionState::Ended { ending },
            SessionState::Refused { limit: "sessions".into() },
        ]
    }

    fn events() -> Vec<SessionEvent> {
        let why = || "because".to_owned();
        vec![
            SessionEvent::Admitted,
            SessionEvent::Refused { limit: "sessions".into() },
            SessionEvent::Placed { node: None },
            SessionEvent::StartAsked,
            SessionEvent::SandboxReady,
            SessionEvent::SandboxFailed { why: why() },
            SessionEvent::SandboxLost { why: why() },
            SessionEvent::ClusterBroken { why: why() },
            SessionEvent::EndAsked { why: why() },
            SessionEvent::Moved { why: why() },
            SessionEvent::CommandFinished { well: true, why: why() },
            SessionEvent::CommandFinished { well: false, why: why() },
            SessionEvent::Suspended,
            SessionEvent::Resumed,
            SessionEvent::IdleExpired,
            SessionEvent::LifetimeExpired,
            SessionEvent::UtilizationLow,
            SessionEvent::DeadlinePassed,
            SessionEvent::Drained,
        ]
    }

    #[test]
    fn matrix() {
        let mut table = String::new();
        for state in states() {
            let life = SessionLife { state, since_ms: 1_000 };
            for event in events() {
                let next = match life.apply(&event, 2_000) {
                    Ok((next, effects)) => format!("{:?} {effects:?}", next.state),
                    Err(_) => "-".to_owned(),
                };
                table.push_str(&format!("{:<10} {:<17} {next}\n", life.state.name(), event.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn live_states_but_those_with_programs_have_a_deadline_that_leads_on() {
        for state in states() {
            let life = SessionLife { state, since_ms: 1_000 };
            let leads_on = life.apply(&SessionEvent::DeadlinePassed, 2_000).is_ok();
            assert_eq!(life.deadline_ms().is_some(), leads_on, "{life:?}");
            let has_programs = matches!(life.state, SessionState::Running { .. } | SessionState::Suspended { .. });
            assert_eq!(life.is_live() && !has_programs, leads_on, "{life:?}");
        }
    }
}
