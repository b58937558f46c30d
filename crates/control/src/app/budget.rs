//! Budgets: making and ending them, and who may know of them.

use madang_ids::{BudgetId, OrganizationId};
use madang_model::{Budget, BudgetHolder, Role, Sight, access::Belonging, price::NANO_PER_MICRO};
use madang_public_api::{BudgetCreate, BudgetView, Timestamp};
use madang_store::{BudgetRecord, ProjectRecord};

use super::{App, Asker, Failure, people::Directory, people_find::named};
use crate::clock::now_ms;

/// Budgets of one user or project.
const BUDGETS_MAX: usize = 16;
/// Millionths of the currency.
const LIMIT_MICRO_MAX: u64 = 1_000_000_000_000_000_000;
const WARN_PERCENT: u8 = 80;
const THROTTLE_PERCENT: u8 = 90;

impl Directory {
    /// What a budget's holder is called.
    pub fn budget_whose(&self, record: &BudgetRecord) -> String {
        let name = match record.budget.holder {
            BudgetHolder::User(id) => self.users.get(&id).map(|user| &user.name),
            BudgetHolder::Project(id) => self.projects.get(&id).map(|project| &project.name),
        };
        name.cloned().unwrap_or_default()
    }

    /// Where a budget's holder belongs; none where nobody knows it any more.
    pub fn budget_belongs(&self, record: &BudgetRecord) -> Option<Belonging> {
        Some(match record.budget.holder {
            BudgetHolder::User(id) => {
                Belonging { user: Some(id), project: None, organization: self.users.get(&id)?.organization }
            }
            BudgetHolder::Project(id) => {
                Belonging { user: None, project: Some(id), organization: self.projects.get(&id)?.organization }
            }
        })
    }
}

impl App {
    /// Those of the asker, of the asker's projects, and of whomever the asker administers; the oldest first.
    pub fn budget_list(&self, asker: &Asker) -> Vec<BudgetView> {
        let people = self.people.now();
        let administers = |organization: OrganizationId| match asker.sight() {
            Sight::All => true,
            Sight::Organization(own) => own == organization,
            Sight::Own { .. } => false,
        };
        let shown = |record: &&BudgetRecord| {
            people.budget_belongs(record).is_some_and(|thing| {
                thing.user == Some(asker.user)
                    || thing.project.is_some_and(|project| asker.projects.contains_key(&project))
                    || administers(thing.organization)
            })
        };
        let mut views: Vec<_> =
            people.budgets.values().flatten().filter(shown).map(|record| self.budget_view(&people, record)).collect();
        views.sort_by_key(|view| view.id);
        views
    }

    pub async fn budget_create(&self, asker: &Asker, request: BudgetCreate) -> Result<BudgetView, Failure> {
        let holder = self.budget_holder(asker, &request)?;
        let percents = [
            ("warn_percent", request.warn_percent.unwrap_or(WARN_PERCENT)),
            ("throttle_percent", request.throttle_percent.unwrap_or(THROTTLE_PERCENT)),
        ];
        if let Some((field, _)) = percents.iter().find(|(_, percent)| !(1..=100).contains(percent)) {
            return Err(Failure::invalid(*field, format!("`{field}` is between 1 and 100")));
        }
        if !(1..=LIMIT_MICRO_MAX).contains(&request.limit_micro) {
            let detail = format!("a budget is between 1 and {LIMIT_MICRO_MAX} (LIMIT_MICRO_MAX)");
            return Err(Failure::invalid("limit_micro", detail));
        }
        if self.people.now().budgets.get(&holder).map_or(0, Vec::len) >= BUDGETS_MAX {
            return Err(Failure::too_many("BUDGETS_MAX", BUDGETS_MAX));
        }
        let record = BudgetRecord {
            id: BudgetId::new(),
            budget: Budget {
                holder,
                period: request.period,
                limit_micro: request.limit_micro,
                warn_percent: percents[0].1,
                throttle_percent: percents[1].1,
                at_limit: request.at_limit,
            },
            created_by: asker.user,
            created_ms: now_ms(),
        };
        self.store.budget_insert(&record).await?;
        self.budgets_changed().await?;
        Ok(self.budget_view(&self.people.now(), &record))
    }

    /// Whoever made it, and who administers its holder; nobody ends what others have set for them.
    pub async fn budget_remove(&self, asker: &Asker, id: BudgetId) -> Result<BudgetView, Failure> {
        let not_found = || Failure::not_found(format!("budget {id}"));
        let people = self.people.now();
        let record = people.budgets.values().flatten().find(|record| record.id == id).ok_or_else(not_found)?;
        asker.check(people.budget_belongs(record).ok_or_else(not_found)?, not_found)?;
        if record.created_by != asker.user && asker.role == Role::Member {
            return Err(Failure::forbidden("somebody else has set this budget for you"));
        }
        let view = self.budget_view(&people, record);
        self.store.budget_remove(id).await?;
        self.budgets_changed().await?;
        Ok(view)
    }

    async fn budgets_changed(&self) -> Result<(), Failure> {
        self.people_changed().await?;
        self.budgets_judge().await?;
        self.money.wake.notify_one();
        Ok(())
    }

    fn budget_holder(&self, asker: &Asker, request: &BudgetCreate) -> Result<BudgetHolder, Failure> {
        match (&request.user, &request.project) {
            (Some(_), Some(_)) => Err(Failure::invalid("project", "give `user` or `project`, not both")),
            (user, None) => {
                let own = asker.user.to_string();
                Ok(BudgetHolder::User(self.user_find(asker, user.as_deref().unwrap_or(&own))?.id))
            }
            (None, Some(text)) => {
                let not_found = || Failure::not_found(format!("project {text}"));
                let people = self.people.now();
                let ours = |record: &ProjectRecord| record.name == *text && record.organization == asker.organization;
                let found = named(&people.projects, text, ours).ok_or_else(not_found)?;
                let thing = Belonging { user: None, project: Some(found.id), organization: found.organization };
                asker.check(thing, not_found)?;
                Ok(BudgetHolder::Project(found.id))
            }
        }
    }

    fn budget_view(&self, people: &Directory, record: &BudgetRecord) -> BudgetView {
        let standing = self.money.standings().get(&record.id).copied().unwrap_or_default();
        let budget = &record.budget;
        let (user, project) = match budget.holder {
            BudgetHolder::User(id) => (Some(id), None),
            BudgetHolder::Project(id) => (None, Some(id)),
        };
        let spent = (standing.spent_nano / u128::from(NANO_PER_MICRO)).min(i64::MAX as u128);
        BudgetView {
            id: record.id,
            user,
            project,
            name: people.budget_whose(record),
            period: budget.period,
            limit_micro: budget.limit_micro,
            warn_percent: budget.warn_percent,
            throttle_percent: budget.throttle_percent,
            at_limit: budget.at_limit,
            currency: people.currency(),
            spent_micro: u64::try_from(spent).unwrap_or(u64::MAX),
            level: standing.level,
            renews_at: budget.period.ends_ms(now_ms()).map(Timestamp),
            created_by: record.created_by,
            created_at: Timestamp(record.created_ms),
        }
    }
}
