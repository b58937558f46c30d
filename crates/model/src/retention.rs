//! How long things are kept, as an administrator sets it.

use serde::{Deserialize, Serialize};

/// The least that is kept of the audit log: nobody covers their traces by a setting.
pub const AUDIT_DAYS_MIN: u64 = 30;
/// The longest that anything is kept.
pub const DAYS_MAX: u64 = 36_500;
/// The most runs that are kept.
pub const RUNS_MAX: u64 = 1_000_000_000;

/// What is left out is as the server's configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Finished runs and ended sessions are kept for so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_days: Option<u64>,
    /// Batch sessions that have ended, with what their runs wrote; as all runs where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_days: Option<u64>,
    /// Entries of the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_days: Option<u64>,
    /// The newest runs that are kept, of whatever kind; older ones go before their time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_max: Option<u64>,
}

impl Retention {
    /// A setting that is out of bounds: its name, the least and the most.
    #[must_use]
    pub fn beyond(&self) -> Option<(&'static str, u64, u64)> {
        let bounds = [
            ("runs_days", self.runs_days, 1, DAYS_MAX),
            ("batch_days", self.batch_days, 1, DAYS_MAX),
            ("audit_days", self.audit_days, AUDIT_DAYS_MIN, DAYS_MAX),
            ("runs_max", self.runs_max, 1, RUNS_MAX),
        ];
        let beyond = |value: Option<u64>, min, max| value.is_some_and(|value| !(min..=max).contains(&value));
        let found = bounds.into_iter().find(|(_, value, min, max)| beyond(*value, *min, *max));
        found.map(|(name, _, min, max)| (name, min, max))
    }
}
