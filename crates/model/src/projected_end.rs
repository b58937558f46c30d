//! When a session that runs will end by itself, and why: shown to people, and what the reconciler goes by.

use crate::{SessionEvent, SessionSpec};

/// What happens in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// Unix time, milliseconds, here and below.
    pub started_ms: u64,
    /// When it was last used.
    pub active_ms: u64,
    /// Runs in progress: as long as there are some it is in use.
    pub runs_live: u64,
    /// When it ends because its programs use too little, if they do.
    pub underused_ends_ms: Option<u64>,
}

/// Why a session will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndsBecause {
    /// Its time is over then.
    Lifetime,
    /// Nobody has used it for so long then.
    NoTraffic,
    /// Its programs use less of what it holds than a policy wants.
    Utilization,
}

/// The earliest end that is certain if nothing more happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectedEnd {
    pub at_ms: u64,
    pub because: EndsBecause,
}

impl EndsBecause {
    pub fn name(self) -> &'static str {
        match self {
            Self::Lifetime => "lifetime",
            Self::NoTraffic => "no-traffic",
            Self::Utilization => "utilization",
        }
    }

    /// What is told to the session at that time.
    #[must_use]
    pub fn event(self) -> SessionEvent {
        match self {
            Self::Lifetime => SessionEvent::LifetimeExpired,
            Self::NoTraffic => SessionEvent::IdleExpired,
            Self::Utilization => SessionEvent::UtilizationLow,
        }
    }
}

impl ProjectedEnd {
    #[must_use]
    pub fn of(spec: &SessionSpec, activity: &Activity) -> Self {
        let lifetime =
            Self { at_ms: activity.started_ms.saturating_add(spec.timeout_ms), because: EndsBecause::Lifetime };
        let idle_ms = activity.active_ms.saturating_add(spec.idle_timeout_ms);
        let idle = (activity.runs_live == 0).then_some(Self { at_ms: idle_ms, because: EndsBecause::NoTraffic });
        let underused = activity.underused_ends_ms.map(|at_ms| Self { at_ms, because: EndsBecause::Utilization });
        // The first of those that are due at once.
        [idle, underused]
            .into_iter()
            .flatten()
            .fold(lifetime, |first, end| if end.at_ms < first.at_ms { end } else { first })
    }

    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.at_ms
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Limits, SessionKind};

    #[test]
    fn the_earlier_of_lifetime_and_no_traffic() {
        let spec = SessionSpec {
            kind: SessionKind::Interactive,
            image: "host".into(),
            language: None,
            limits: Limits::default(),
            accelerators: Default::default(),
            env: BTreeMap::new(),
            tags: BTreeMap::new(),
            startup_command: None,
            timeout_ms: 1_000,
            idle_timeout_ms: 100,
            suspend_idle_ms: None,
            queueing: crate::session_spec::Queueing::default(),
            cluster: crate::Cluster::default(),
            app: None,
            network: Default::default(),
            mounts: Vec::new(),
        };
        let used = |started_ms, active_ms, runs_live, underused_ends_ms| {
            let end = ProjectedEnd::of(&spec, &Activity { started_ms, active_ms, runs_live, underused_ends_ms });
            (end.at_ms, end.because.name())
        };
        let end = |started_ms, active_ms, runs_live| used(started_ms, active_ms, runs_live, None);
        assert_eq!(used(0, 0, 1, Some(7)), (7, "utilization"), "whatever runs");
        assert_eq!(used(0, 0, 0, Some(100)), (100, "no-traffic"), "both at once");
        assert_eq!(end(0, 0, 0), (100, "no-traffic"));
        assert_eq!(end(0, 0, 1), (1_000, "lifetime"), "a run is traffic");
        assert_eq!(end(0, 899, 0), (999, "no-traffic"));
        assert_eq!(end(0, 900, 0), (1_000, "lifetime"), "both at once");
        assert_eq!(end(u64::MAX, u64::MAX, 0), (u64::MAX, "lifetime"));
        let due = ProjectedEnd { at_ms: 5, because: EndsBecause::Lifetime };
        assert!(!due.is_due(4) && due.is_due(5));
    }
}
