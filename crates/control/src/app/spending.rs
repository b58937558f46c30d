//! Watches what is spent: how far each budget has come, and what follows for the work that it pays for.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use madang_ids::{BudgetId, ProjectId, UserId};
use madang_model::{
    BudgetHolder, Owner, SessionEvent, SessionState, Usage,
    budget::{BudgetLevel, BudgetPeriod, most_in, throttled_millis},
};
use madang_node_api::READING_MS_MAX;
use madang_public_api::ServerEventBody;
use madang_store::{BudgetRecord, SpentBy};

use super::{
    App, Failure, LiveRun, Wish,
    live_session::{LiveSession, Observed},
    money::{Past, Standing},
    people::Directory,
    price::is_bounded,
};
use crate::clock::{now_ms, now_us};

const DAY_MS: u64 = 86_400_000;
/// What was spent on days that are over is read again this often: a node that was cut off may say late what was used.
const PAST_MS: u64 = 10_000;
/// A budget is near its limit where its work could spend the rest in this time: its sandboxes are then read more often.
const NEAR_MS: u64 = 30_000;
/// How often they are read then.
const READING_MS_NEAR: u64 = 500;
/// One-shot runs are looked at once they are so old; most have ended before.
const RUN_US_MIN: u64 = 400_000;
/// How long a node may take to say what a one-shot run has used so far.
const ASK: Duration = Duration::from_secs(1);
/// Sessions that are told something at once.
const AT_ONCE: usize = 32;

impl App {
    /// Looks how far the budgets have come, and does what follows.
    pub async fn budgets_look(self: &Arc<Self>) -> Result<String, Failure> {
        let people = self.people.now();
        if people.budgets.is_empty() && !self.money.applied.load(Ordering::Relaxed) {
            return Ok("there are no budgets".into());
        }
        self.money.applied.store(true, Ordering::Relaxed);
        self.budgets_judge().await?;
        let near = self.budgets_near(&people);
        let sessions = self.sessions_live();
        stream::iter(sessions)
            .for_each_concurrent(AT_ONCE, |session| self.session_budget(&people, &near, session))
            .await;
        let lowered = |session: &Arc<LiveSession>| {
            let full = session.record.borrow().spec.limits.cpu_millis;
            session.budgeted().cpu_millis.is_some_and(|millis| millis != full)
        };
        if people.budgets.is_empty() && !self.sessions_live().iter().any(lowered) {
            self.money.applied.store(false, Ordering::Relaxed);
        }
        for run in self.runs_alone_of_budgets(&people) {
            let furthest = self.budget_furthest(&people, &run.facts.owner);
            if furthest.is_some_and(|(_, standing)| standing.level == BudgetLevel::Stopped) {
                run.wish(Wish::Cancel);
            }
        }
        Ok(format!("{} budgets, {} of them near their limit", self.money.standings().len(), near.len()))
    }

    /// Looks how far they have come.
    pub async fn budgets_judge(&self) -> Result<(), Failure> {
        let _one_at_a_time = self.money.judging.lock().await;
        let people = self.people.now();
        let mut spent = self.spent(&people).await?;
        for (run, usage) in self.runs_usage(&people).await {
            let cost = people.tariff.cost_nano(&usage, now_ms());
            for record in people.budgets_of(&run.facts.owner) {
                *spent.entry(record.id).or_default() += u128::from(cost);
            }
        }
        let before = self.money.standings();
        let mut standings = BTreeMap::new();
        for record in people.budgets.values().flatten() {
            let spent_nano = spent.get(&record.id).copied().unwrap_or(0);
            let level = record.budget.level(spent_nano);
            let known = before.get(&record.id).map_or(BudgetLevel::Open, |standing| standing.level);
            if level > known {
                self.budget_told(&people, record, level);
            }
            standings.insert(record.id, Standing { spent_nano, level });
        }
        self.money.standings_set(standings);
        Ok(())
    }

    fn budget_told(&self, people: &Directory, record: &BudgetRecord, level: BudgetLevel) {
        let Some(thing) = people.budget_belongs(record) else { return };
        tracing::info!(budget = %record.id, holder = people.budget_whose(record), level = level.name(), "a budget has come so far");
        let owner = Owner {
            user: thing.user.unwrap_or(UserId::MIN),
            project: thing.project.unwrap_or(ProjectId::MIN),
            organization: thing.organization,
        };
        self.events.push(Some(owner), ServerEventBody::BudgetReached { budget: record.id, level });
    }

    /// By what is stored: days that are over from memory, today anew.
    async fn spent(&self, people: &Directory) -> Result<BTreeMap<BudgetId, u128>, Failure> {
        let today = now_ms() / DAY_MS;
        let mut all = BTreeMap::new();
        for by in [SpentBy::User, SpentBy::Project] {
            let records: Vec<_> = people.budgets.values().flatten().filter(|record| holder(record).0 == by).collect();
            if records.is_empty() {
                continue;
            }
            let mut ids: Vec<_> = records.iter().map(|record| holder(record).1).collect();
            ids.dedup();
            let now = self.store.usage_spent(by, &ids, today, u64::from(u32::MAX)).await?;
            for record in records {
                let (_, id) = holder(record);
                let before = match record.budget.period {
                    BudgetPeriod::Day => 0,
                    period => self.spent_before(by, period, today, (&ids, &id)).await?,
                };
                all.insert(record.id, before + now.get(&id).copied().unwrap_or(0));
            }
        }
        Ok(all)
    }

    async fn spent_before(
        &self,
        by: SpentBy,
        period: BudgetPeriod,
        today: u64,
        (ids, id): (&[String], &str),
    ) -> Result<u128, Failure> {
        let mut past = self.money.past.lock().await;
        let known = past.entry((by, period)).or_default();
        let now = now_ms();
        if known.day != today || known.ids != ids || now.saturating_sub(known.read_ms) >= PAST_MS {
            let spent = self.store.usage_spent(by, ids, period.first_day(today), today).await?;
            *known = Past { read_ms: now, day: today, ids: ids.to_vec(), spent };
        }
        Ok(known.spent.get(id).copied().unwrap_or(0))
    }

    /// One-shot runs in this process that a budget pays for.
    fn runs_alone_of_budgets(&self, people: &Directory) -> Vec<Arc<LiveRun>> {
        let paid =
            |run: &Arc<LiveRun>| run.facts.session.is_none() && people.budgets_of(&run.facts.owner).next().is_some();
        if people.budgets.is_empty() { Vec::new() } else { self.runs_live().into_iter().filter(paid).collect() }
    }

    /// What those have used so far that have gone on for a while; their records come at their ends.
    async fn runs_usage(&self, people: &Directory) -> Vec<(Arc<LiveRun>, Usage)> {
        let old = |run: &Arc<LiveRun>| now_us().saturating_sub(run.facts.created_us) >= RUN_US_MIN;
        let asked = self.runs_alone_of_budgets(people).into_iter().filter(old).map(async |run| {
            let usage = tokio::time::timeout(ASK, self.node.usage(run.facts.sandbox)).await;
            // One that has just ended has its record.
            Some((run, usage.ok()?.ok()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Budgets whose work could spend what is left soon.
    fn budgets_near(&self, people: &Directory) -> Vec<BudgetId> {
        let now = now_ms();
        let mut most: BTreeMap<BudgetId, u128> = BTreeMap::new();
        for session in self.sessions_live() {
            let record = session.record();
            let cost = people.tariff.cost_nano(&most_in(&record.spec, NEAR_MS), now);
            for budget in people.budgets_of(&record.owner) {
                *most.entry(budget.id).or_default() += u128::from(cost);
            }
        }
        let (standings, bounded) = (self.money.standings(), is_bounded(people, now));
        let all = people.budgets.values().flatten();
        let near = all.filter(|record| {
            let spent = standings.get(&record.id).map_or(0, |standing| standing.spent_nano);
            let left = record.budget.limit_nano().saturating_sub(spent);
            most.get(&record.id).is_some_and(|most| !bounded || *most >= left)
        });
        near.map(|record| record.id).collect()
    }

    /// What follows for a session: it ends, has a part of its processors, or goes on.
    async fn session_budget(self: &Arc<Self>, people: &Directory, near: &[BudgetId], session: Arc<LiveSession>) {
        let record = session.record();
        let furthest = self.budget_furthest(people, &record.owner);
        let level = furthest.as_ref().map_or(BudgetLevel::Open, |(_, standing)| standing.level);
        let named = || furthest.as_ref().map(|(budget, _)| people.budget_named(budget)).unwrap_or_default();
        if level == BudgetLevel::Stopped && !matches!(record.life.state, SessionState::Draining { .. }) {
            let event = SessionEvent::EndAsked { why: format!("{} is used up", named()) };
            if let Err(failure) = self.session_apply(&session, &event, Observed::default()).await {
                tracing::error!(session = %record.id, error = ?failure, "a session that nothing is left for could not be ended yet");
            }
            return;
        }
        if session.running().is_err() {
            return;
        }
        let is_near = people.budgets_of(&record.owner).any(|budget| near.contains(&budget.id));
        let mut told = session.budgeted();
        let every_ms = if is_near { READING_MS_NEAR } else { READING_MS_MAX };
        if told.every_ms.unwrap_or(READING_MS_MAX) != every_ms && self.sandboxes_meter(&record, every_ms).await {
            told.every_ms = Some(every_ms);
        }
        let limits = &record.spec.limits;
        let millis = if level == BudgetLevel::Throttled { throttled_millis(limits) } else { limits.cpu_millis };
        if told.cpu_millis.unwrap_or(limits.cpu_millis) != millis && self.sandboxes_throttle(&record, millis).await {
            told.cpu_millis = Some(millis);
            tracing::info!(session = %record.id, millis, "a session has another share of its processors");
        }
        let of = limits.cpu_millis;
        let each = if record.subs.is_empty() { "" } else { " in each sandbox" };
        told.note = (millis < of && told.cpu_millis == Some(millis))
            .then(|| format!("{} is nearly spent: it has {millis} of {of} thousandths of a processor{each}", named()));
        session.budgeted_set(told);
    }
}

fn holder(record: &BudgetRecord) -> (SpentBy, String) {
    match record.budget.holder {
        BudgetHolder::User(id) => (SpentBy::User, id.to_string()),
        BudgetHolder::Project(id) => (SpentBy::Project, id.to_string()),
    }
}
