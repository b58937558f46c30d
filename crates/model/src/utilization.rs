//! Whether a session's programs use what it holds. Pure: whoever watches brings what they have used so far, and the time.

use std::collections::VecDeque;

use crate::policy::Bound;

/// Where a policy names only the least use.
const WINDOW_MS: u64 = 30 * 60_000;
const GRACE_MS: u64 = 10 * 60_000;
/// What was seen within one window: a look that comes sooner than this part of it after the last is not kept.
const PARTS: u64 = 32;

/// What a policy wants of a session's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UtilizationRule {
    /// The policy's name.
    pub policy: String,
    /// Of the session's processors, over the window.
    pub percent_min: u64,
    /// Over how long.
    pub window_ms: u64,
    /// How long a session stays after it was first seen to use less.
    pub grace_ms: u64,
}

impl UtilizationRule {
    /// The strictest of those that bound a session.
    #[must_use]
    pub fn of(bounds: &[Bound]) -> Option<Self> {
        let rule = |bound: &Bound| {
            let limits = &bound.limits;
            Some(Self {
                policy: bound.policy.clone(),
                percent_min: limits.session_cpu_percent_min?,
                window_ms: limits.session_cpu_window_ms.unwrap_or(WINDOW_MS).max(1),
                grace_ms: limits.session_cpu_grace_ms.unwrap_or(GRACE_MS),
            })
        };
        let rules = bounds.iter().filter_map(rule);
        rules.max_by_key(|rule| (rule.percent_min, std::cmp::Reverse((rule.window_ms, rule.grace_ms))))
    }
}

/// That a session's programs use too little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underused {
    /// What they have used over the window, thousandths of the session's processors.
    pub permille: u64,
    /// When the session ends unless they use more.
    pub ends_ms: u64,
}

/// What the programs of one session were seen to use.
#[derive(Debug, Clone, Default)]
pub struct Utilization {
    /// When, and CPU time used so far in microseconds. The first is as old as the window, or older.
    seen: VecDeque<(u64, u64)>,
    /// Since when they use too little.
    low_since_ms: Option<u64>,
}

impl Utilization {
    /// Takes what they have used so far. Before a whole window was seen nothing is said.
    pub fn look(&mut self, rule: &UtilizationRule, cpu_millis: u64, cpu_us: u64, now_ms: u64) -> Option<Underused> {
        if self.seen.back().is_some_and(|(_, before_us)| *before_us > cpu_us) {
            // It counts anew: another sandbox.
            *self = Self::default();
        }
        if self.seen.back().is_none_or(|(at_ms, _)| now_ms >= at_ms.saturating_add(rule.window_ms / PARTS)) {
            self.seen.push_back((now_ms, cpu_us));
        }
        let from_ms = now_ms.checked_sub(rule.window_ms);
        while from_ms.is_some_and(|from_ms| self.seen.get(1).is_some_and(|(at_ms, _)| *at_ms <= from_ms)) {
            self.seen.pop_front();
        }
        let (first_ms, first_us) = *self.seen.front()?;
        if from_ms.is_none_or(|from_ms| first_ms > from_ms) {
            self.low_since_ms = None;
            return None;
        }
        let held_us = u128::from(now_ms - first_ms) * u128::from(cpu_millis.max(1));
        let used_us = u128::from(cpu_us.saturating_sub(first_us));
        let permille = u64::try_from(used_us * 1_000 / held_us.max(1)).unwrap_or(u64::MAX);
        if permille >= rule.percent_min.saturating_mul(10) {
            self.low_since_ms = None;
            return None;
        }
        let since_ms = *self.low_since_ms.get_or_insert(now_ms);
        Some(Underused { permille, ends_ms: since_ms.saturating_add(rule.grace_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        person::ADMINISTRATOR,
        policy::{Holder, PolicyLimits},
    };

    fn rule() -> UtilizationRule {
        UtilizationRule { policy: "p".into(), percent_min: 10, window_ms: 1_000, grace_ms: 500 }
    }

    #[test]
    fn too_little_over_the_window_is_told_until_it_is_more() {
        let mut seen = Utilization::default();
        let mut look = |cpu_us, now_ms| seen.look(&rule(), 1_000, cpu_us, now_ms);
        assert_eq!(look(0, 10_000), None);
        assert_eq!(look(0, 10_999), None, "no whole window yet");
        assert_eq!(look(50_000, 11_000), Some(Underused { permille: 50, ends_ms: 11_500 }));
        assert_eq!(look(60_000, 11_400), Some(Underused { permille: 42, ends_ms: 11_500 }), "since then");
        assert_eq!(look(200_000, 11_450), None, "they work again");
        assert_eq!(look(200_000, 12_500), Some(Underused { permille: 0, ends_ms: 13_000 }), "and rest again");
        assert_eq!(look(5, 12_600), None, "another sandbox");
    }

    #[test]
    fn what_is_kept_has_a_bound_and_processors_count() {
        let mut seen = Utilization::default();
        for step in 0..10_000 {
            // Half a processor of two: a quarter.
            let found = seen.look(&rule(), 2_000, step * 500, 50_000 + step);
            assert_eq!(found, None, "{step}");
        }
        assert!(seen.seen.len() as u64 <= PARTS + 2, "{}", seen.seen.len());
        let strict = UtilizationRule { percent_min: 26, ..rule() };
        assert_eq!(seen.look(&strict, 2_000, 5_000_000, 60_000).map(|low| low.permille), Some(250));
    }

    #[test]
    fn the_strictest_policy_rules() {
        let bound = |policy: &str, percent, window| Bound {
            holder: Holder::User(ADMINISTRATOR),
            policy: policy.into(),
            limits: PolicyLimits {
                session_cpu_percent_min: percent,
                session_cpu_window_ms: window,
                ..PolicyLimits::default()
            },
        };
        let bounds = [
            bound("a", Some(5), None),
            bound("b", Some(7), Some(9)),
            bound("c", None, Some(1)),
            bound("d", Some(7), None),
        ];
        let rule = UtilizationRule::of(&bounds).unwrap();
        assert_eq!((rule.policy.as_str(), rule.window_ms, rule.grace_ms), ("b", 9, GRACE_MS));
        assert_eq!(UtilizationRule::of(&bounds[2..3]), None);
    }
}
