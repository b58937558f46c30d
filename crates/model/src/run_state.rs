//! The life of a run, as a pure state machine: `Starting → Running → (Cancelling →) Finished`.

use serde::{Deserialize, Serialize};

use crate::{Outcome, Usage, Verdict};

/// From the request until the node has taken the run; making a sandbox counts.
pub const STARTING_MS_MAX: u64 = 60_000;
/// What a run may take beyond its wall limit: builds, many inputs' overhead, reporting; more than a node gives a query that hangs.
pub const RUNNING_SLACK_MS: u64 = 45_000;
/// From the wish to cancel until the node reports the end.
pub const CANCELLING_MS_MAX: u64 = 10_000;

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RunState {
    Starting,
    Running,
    Cancelling,
    Finished { outcome: Outcome },
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStateEvent {
    /// The node has taken it.
    Accepted,
    CancelAsked,
    /// The node reports how it ended.
    Finished {
        outcome: Outcome,
    },
    /// Nobody will report any more: the server or the sandbox went away.
    Abandoned {
        why: String,
    },
    DeadlinePassed,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEffect {
    /// Tell the node to end the run.
    Cancel,
    /// Write the result down; only then may anyone read it.
    Store,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {state} cannot take `{event}`")]
pub struct RunRejected {
    pub state: &'static str,
    pub event: &'static str,
}

/// A state and since when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLife {
    pub state: RunState,
    /// Unix time, milliseconds.
    pub since_ms: u64,
}

type Step = Result<(RunLife, Vec<RunEffect>), RunRejected>;

impl RunLife {
    pub fn starting(now_ms: u64) -> Self {
        Self { state: RunState::Starting, since_ms: now_ms }
    }

    pub fn apply(&self, event: &RunStateEvent, now_ms: u64) -> Step {
        use RunState as S;
        use RunStateEvent as E;
        let go = |state, effects: &[RunEffect]| Ok((RunLife { state, since_ms: now_ms }, effects.to_vec()));
        match (&self.state, event) {
            (S::Starting, E::Accepted) => go(S::Running, &[]),
            (S::Starting | S::Running, E::CancelAsked) => go(S::Cancelling, &[RunEffect::Cancel]),
            // Cancelled while the node was still taking it: the wish is told again now that somebody can hear it.
            (S::Cancelling, E::Accepted) => go(S::Cancelling, &[RunEffect::Cancel]),
            // Twice is once.
            (S::Cancelling, E::CancelAsked) => Ok((self.clone(), vec![])),
            (S::Starting | S::Running | S::Cancelling, E::Finished { outcome }) => {
                go(S::Finished { outcome: outcome.clone() }, &[RunEffect::Store])
            }
            (S::Starting | S::Running, E::Abandoned { why }) => {
                go(S::Finished { outcome: broken(why) }, &[RunEffect::Store])
            }
            // It was to end, and it is gone: that is what was asked for.
            (S::Cancelling, E::Abandoned { why }) => {
                let outcome = Outcome { verdict: Verdict::Cancelled, ..broken(why) };
                go(S::Finished { outcome }, &[RunEffect::Store])
            }
            (S::Starting, E::DeadlinePassed) => {
                go(S::Finished { outcome: broken("the run did not start in time") }, &[RunEffect::Store])
            }
            (S::Running, E::DeadlinePassed) => go(S::Cancelling, &[RunEffect::Cancel]),
            (S::Cancelling, E::DeadlinePassed) => {
                go(S::Finished { outcome: broken("the node did not report the end of the run") }, &[RunEffect::Store])
            }
            (S::Finished { .. }, _) | (S::Running, E::Accepted) => {
                Err(RunRejected { state: self.state.name(), event: event.name() })
            }
        }
    }

    /// Until when the present state may last. `wall_ms` is the run's limit over all its steps and inputs.
    pub fn deadline_ms(&self, wall_ms: u64) -> Option<u64> {
        let after = match self.state {
            RunState::Starting => STARTING_MS_MAX,
            RunState::Running => wall_ms.saturating_add(RUNNING_SLACK_MS),
            RunState::Cancelling => CANCELLING_MS_MAX,
            RunState::Finished { .. } => return None,
        };
        Some(self.since_ms.saturating_add(after))
    }

    pub fn allowed_actions(&self) -> &'static [&'static str] {
        match self.state {
            RunState::Starting | RunState::Running => &["cancel", "attach"],
            RunState::Cancelling => &["attach"],
            RunState::Finished { .. } => &[],
        }
    }
}

/// An outcome that is our fault, not the program's.
pub fn broken(why: &str) -> Outcome {
    let detail = Some(why.to_owned());
    Outcome { verdict: Verdict::InternalError, exit_code: None, signal: None, usage: Usage::default(), detail }
}

impl RunState {
    pub fn name(&self) -> &'static str {
        match self {
            RunState::Starting => "starting",
            RunState::Running => "running",
            RunState::Cancelling => "cancelling",
            RunState::Finished { .. } => "finished",
        }
    }
}

impl RunStateEvent {
    pub fn name(&self) -> &'static str {
        match self {
            RunStateEvent::Accepted => "accepted",
            RunStateEvent::CancelAsked => "cancel-asked",
            RunStateEvent::Finished { .. } => "finished",
            RunStateEvent::Abandoned { .. } => "abandoned",
            RunStateEvent::DeadlinePassed => "deadline-passed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<RunState> {
        vec![RunState::Starting, RunState::Running, RunState::Cancelling, RunState::Finished { outcome: broken("x") }]
    }

    #[test]
    fn matrix() {
        let events = [
            RunStateEvent::Accepted,
            RunStateEvent::CancelAsked,
            RunStateEvent::Finished { outcome: broken("told") },
            RunStateEvent::Abandoned { why: "gone".into() },
            RunStateEvent::DeadlinePassed,
        ];
        let mut table = String::new();
        for state in states() {
            let life = RunLife { state, since_ms: 1_000 };
            for event in &events {
                let next = match life.apply(event, 2_000) {
                    Ok((next, effects)) => match next.state {
                        RunState::Finished { outcome } => {
                            format!(
                                "finished({}) {effects:?}",
                                outcome.detail.unwrap_or_default() + " " + outcome.verdict.name()
                            )
                        }
                        other => format!("{} {effects:?}", other.name()),
                    },
                    Err(_) => "-".to_owned(),
                };
                table.push_str(&format!("{:<10} {:<15} {next}\n", life.state.name(), event.name()));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn every_unfinished_state_has_a_deadline_that_leads_on() {
        for state in states() {
            let life = RunLife { state, since_ms: 0 };
            let leads_on = life.apply(&RunStateEvent::DeadlinePassed, 1).is_ok();
            assert_eq!(life.deadline_ms(10).is_some(), leads_on, "{life:?}");
        }
    }
}
