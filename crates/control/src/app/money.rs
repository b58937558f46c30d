//! What budgets allow, in memory: whoever admits work asks here and waits for no database.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicBool},
};

use madang_ids::BudgetId;
use madang_model::{
    BudgetHolder, Owner,
    budget::{BudgetLevel, BudgetPeriod},
};
use madang_public_api::{ProblemKind, Timestamp};
use madang_store::{BudgetRecord, SpentBy};
use tokio::sync::Notify;

use super::{App, Failure, people::Directory, price::written};
use crate::clock::now_ms;

/// How far a budget has come, and with what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub spent_nano: u128,
    pub level: BudgetLevel,
}

/// The budgets as they were last looked at.
#[derive(Debug, Default)]
pub(crate) struct Money {
    /// Somebody has spent something.
    pub wake: Arc<Notify>,
    /// Some session may have another share of its processors than it asked for.
    pub(super) applied: AtomicBool,
    /// Whoever has looked later is right.
    pub(super) judging: tokio::sync::Mutex<()>,
    standings: RwLock<Arc<BTreeMap<BudgetId, Standing>>>,
    /// What was spent on days that are over, by whose it is and since when.
    pub(super) past: tokio::sync::Mutex<BTreeMap<(SpentBy, BudgetPeriod), Past>>,
}

/// Spent on days that are over.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub read_ms: u64,
    pub day: u64,
    pub ids: Vec<String>,
    pub spent: BTreeMap<String, u128>,
}

impl Money {
    pub fn standings(&self) -> Arc<BTreeMap<BudgetId, Standing>> {
        Arc::clone(&self.standings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn standings_set(&self, standings: BTreeMap<BudgetId, Standing>) {
        *self.standings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standings);
    }
}

impl Directory {
    /// The budgets that pay for work of this owner.
    pub fn budgets_of(&self, owner: &Owner) -> impl Iterator<Item = &BudgetRecord> {
        let holders = [BudgetHolder::User(owner.user), BudgetHolder::Project(owner.project)];
        holders.into_iter().filter_map(|holder| self.budgets.get(&holder)).flatten()
    }

    /// The budget in words: `the budget bdg_… (5 EUR a day)`.
    pub fn budget_named(&self, record: &BudgetRecord) -> String {
        let per = match record.budget.period {
            BudgetPeriod::Day => "a day",
            BudgetPeriod::Month => "a month",
            BudgetPeriod::Total => "in all",
        };
        let currency = self.currency().unwrap_or_default();
        format!("the budget {} ({} {currency} {per})", record.id, written(record.budget.limit_micro))
    }
}

impl App {
    /// Of the budgets that pay for work of this owner the one that is furthest.
    pub fn budget_furthest(&self, people: &Directory, owner: &Owner) -> Option<(BudgetRecord, Standing)> {
        let standings = self.money.standings();
        let standing = |record: &BudgetRecord| standings.get(&record.id).copied().unwrap_or_default();
        let all = people.budgets_of(owner).map(|record| (record, standing(record)));
        all.max_by_key(|(_, standing)| standing.level).map(|(record, standing)| (record.clone(), standing))
    }

    /// Refuses work that nothing is left for. Says what lowers it where little is left. Reads no database.
    pub(super) fn check_budget(&self, owner: &Owner) -> Result<Option<String>, Failure> {
        let people = self.people.now();
        let Some((record, standing)) = self.budget_furthest(&people, owner) else { return Ok(None) };
        let named = people.budget_named(&record);
        match standing.level {
            BudgetLevel::Open | BudgetLevel::Warned => Ok(None),
            BudgetLevel::Throttled => {
                let percent = record.budget.percent(standing.spent_nano);
                Ok(Some(format!("{percent} % of {named} are spent: new sessions wait behind others")))
            }
            BudgetLevel::Stopped => {
                let until = record.budget.period.ends_ms(now_ms());
                let until = until.map(|at| format!(" until {}", Timestamp(at))).unwrap_or_default();
                let whose = people.budget_whose(&record);
                let detail = format!("{named} of {whose} is used up{until}; whoever made it can change it");
                Err(Failure { limit: Some("budget".into()), ..Failure::new(ProblemKind::Limit, detail) })
            }
        }
    }
}
