//! Budgets: what a user or a project may spend in a time, and what happens on the way there. Pure.

use madang_ids::{ProjectId, UserId};
use serde::{Deserialize, Serialize};
use time::Date;

use crate::{Limits, Owner, SessionSpec, Usage, price::NANO_PER_MICRO};

const DAY_MS: u64 = 86_400_000;
/// The day number of 1970-01-01 in the count that `time` uses.
const EPOCH: i32 = 2_440_588;
/// What is left of a sandbox's processors once its budget throttles it, as one of so many parts.
const THROTTLED_PART: u64 = 4;
/// And never less than this, in thousandths of a processor, so that it can still come to an end.
const THROTTLED_MILLIS_MIN: u64 = 50;

/// Whose money it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetHolder {
    /// Everything that the user does, in whatever project.
    User(UserId),
    /// Everything that anybody does in the project.
    Project(ProjectId),
}

/// How long a budget lasts until it begins anew. Days and months are UTC.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetPeriod {
    Day,
    Month,
    /// It never begins anew.
    Total,
}

/// What happens once all of it is spent.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtLimit {
    /// What runs ends, and nothing begins.
    #[default]
    Stop,
    /// What runs goes on with a part of its processors.
    Throttle,
}

/// How far a budget has come.
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetLevel {
    #[default]
    Open,
    /// Its holder has been told.
    Warned,
    /// New sessions wait behind others, and what runs has a part of its processors.
    Throttled,
    /// All is spent: what ran was ended, and nothing begins.
    Stopped,
}

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub holder: BudgetHolder,
    pub period: BudgetPeriod,
    /// Millionths of the currency.
    pub limit_micro: u64,
    /// Its holder is told from this share on.
    pub warn_percent: u8,
    /// From this share on work is throttled; 100: not before the limit.
    pub throttle_percent: u8,
    pub at_limit: AtLimit,
}

impl BudgetPeriod {
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Total];

    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The first day of the period that a day is in.
    pub fn first_day(self, day: u64) -> u64 {
        match self {
            Self::Day => day,
            Self::Month => date(day).map_or(day, |date| day - u64::from(date.day() - 1)),
            Self::Total => 0,
        }
    }

    /// When the next begins, Unix time, milliseconds; none where none does.
    pub fn ends_ms(self, now_ms: u64) -> Option<u64> {
        let day = now_ms / DAY_MS;
        let next = match self {
            Self::Day => day + 1,
            Self::Month => {
                let date = date(day)?;
                self.first_day(day) + u64::from(date.month().length(date.year()))
            }
            Self::Total => return None,
        };
        Some(next * DAY_MS)
    }
}

fn date(day: u64) -> Option<Date> {
    Date::from_julian_day(i32::try_from(day).ok()?.checked_add(EPOCH)?).ok()
}

impl BudgetLevel {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Warned => "warned",
            Self::Throttled => "throttled",
            Self::Stopped => "stopped",
        }
    }
}

impl Budget {
    /// Whether work of this owner is paid from it.
    pub fn covers(&self, owner: &Owner) -> bool {
        match self.holder {
            BudgetHolder::User(user) => owner.user == user,
            BudgetHolder::Project(project) => owner.project == project,
        }
    }

    pub fn limit_nano(&self) -> u128 {
        u128::from(self.limit_micro) * u128::from(NANO_PER_MICRO)
    }

    /// Whole percents of it that are spent.
    pub fn percent(&self, spent_nano: u128) -> u64 {
        let percent = spent_nano.saturating_mul(100).checked_div(self.limit_nano()).unwrap_or(100);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }

    pub fn level(&self, spent_nano: u128) -> BudgetLevel {
        let percent = self.percent(spent_nano);
        match self.at_limit {
            _ if spent_nano < self.limit_nano() => {}
            AtLimit::Stop => return BudgetLevel::Stopped,
            AtLimit::Throttle => return BudgetLevel::Throttled,
        }
        if percent >= u64::from(self.throttle_percent) {
            return BudgetLevel::Throttled;
        }
        if percent >= u64::from(self.warn_percent) { BudgetLevel::Warned } else { BudgetLevel::Open }
    }
}

/// What is left of a sandbox's processors, in thousandths of one, where its budget throttles it.
pub fn throttled_millis(limits: &Limits) -> u64 {
    (limits.cpu_millis / THROTTLED_PART).max(THROTTLED_MILLIS_MIN).min(limits.cpu_millis)
}

/// The most that a session's sandboxes use in a time, of what its wishes say something about.
pub fn most_in(spec: &SessionSpec, ms: u64) -> Usage {
    let limits = spec.whole();
    Usage {
        wall_us: ms.saturating_mul(1_000),
        cpu_user_us: limits.cpu_millis.saturating_mul(ms),
        memory_peak_bytes: limits.memory_bytes,
        memory_kib_ms: (limits.memory_bytes / 1_024).saturating_mul(ms),
        accelerator_us: spec.accelerator_millis().saturating_mul(ms),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(throttle_percent: u8, at_limit: AtLimit) -> Budget {
        let holder = BudgetHolder::User(Owner::DEFAULT.user);
        Budget { holder, period: BudgetPeriod::Day, limit_micro: 10, warn_percent: 80, throttle_percent, at_limit }
    }

    fn levels(budget: &Budget) -> Vec<&'static str> {
        [0, 7_999, 8_000, 9_000, 9_999, 10_000, u128::MAX].map(|spent| budget.level(spent).name()).to_vec()
    }

    #[test]
    fn a_budget_warns_throttles_and_stops() {
        let (open, warned, throttled, stopped) = ("open", "warned", "throttled", "stopped");
        let all = budget(90, AtLimit::Stop);
        assert_eq!(levels(&all), [open, open, warned, throttled, throttled, stopped, stopped]);
        let plain = budget(100, AtLimit::Stop);
        assert_eq!(levels(&plain), [open, open, warned, warned, warned, stopped, stopped]);
        let soft = budget(100, AtLimit::Throttle);
        assert_eq!(levels(&soft), [open, open, warned, warned, warned, throttled, throttled]);
        let nothing = Budget { limit_micro: 0, ..plain };
        assert_eq!(nothing.level(0), BudgetLevel::Stopped);
    }

    #[test]
    fn days_and_months_begin_anew() {
        // 2024-02-29 and 2026-12-31.
        for (day, first, next) in [(19_782, 19_754, 19_783), (20_818, 20_788, 20_819)] {
            assert_eq!(BudgetPeriod::Month.first_day(day), first);
            assert_eq!(BudgetPeriod::Month.ends_ms(day * DAY_MS + 5), Some(next * DAY_MS));
            assert_eq!(BudgetPeriod::Day.ends_ms(day * DAY_MS + 5), Some((day + 1) * DAY_MS));
        }
        assert_eq!(BudgetPeriod::Total.ends_ms(5), None);
    }

    #[test]
    fn a_throttled_sandbox_keeps_something_and_gets_nothing_more() {
        let of = |cpu_millis| throttled_millis(&Limits { cpu_millis, ..Limits::default() });
        assert_eq!([of(4_000), of(100), of(20)], [1_000, 50, 20]);
    }
}
