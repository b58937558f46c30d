//! What the whole service takes, and what everybody is told.

use serde::{Deserialize, Serialize};

/// Whether anything new is taken; what runs goes on in every state.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    #[default]
    Running,
    /// No session and no one-shot run is admitted; those that live can be used as before.
    Frozen,
    /// Nothing new at all, no run in a session either; what runs may end.
    Draining,
}

impl ServiceState {
    pub const ALL: [ServiceState; 3] = [Self::Running, Self::Frozen, Self::Draining];

    pub fn name(self) -> &'static str {
        match self {
            ServiceState::Running => "running",
            ServiceState::Frozen => "frozen",
            ServiceState::Draining => "draining",
        }
    }

    /// Whether something new is taken in this state.
    pub fn takes(self, new: New) -> bool {
        match (self, new) {
            (ServiceState::Running, _) | (ServiceState::Frozen, New::InSession) => true,
            (ServiceState::Frozen, New::Admission) | (ServiceState::Draining, _) => false,
        }
    }
}

/// What somebody wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum New {
    /// A session, or a run in a sandbox of its own.
    Admission,
    /// A run or a file in a session that lives.
    InSession,
}

/// How much an announcement matters.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    #[default]
    Notice,
    Warning,
    Critical,
}

/// Who may read an announcement.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    #[default]
    SignedIn,
    /// The sign-in page shows it too.
    Everybody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_takes_nothing_new_but_lets_sessions_be_used() {
        let table =
            ServiceState::ALL.map(|state| (state.name(), state.takes(New::Admission), state.takes(New::InSession)));
        assert_eq!(table, [("running", true, true), ("frozen", false, true), ("draining", false, false)]);
    }
}
