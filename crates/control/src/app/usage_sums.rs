//! Sums of what was used, for those who may know of it.

use madang_ids::{OrganizationId, ProjectId, UserId};
use madang_public_api::{Day, UsageBy, UsageSum, UsageSums, bounds::PAGE_LIMIT_MAX};
use madang_store::{ProjectRecord, UsageQuery, UsageTotal};

use super::{App, Asker, Failure, people::Directory, people_find::named};

const DAY_MS: u64 = 86_400_000;
/// Days that are summed up where nothing is said.
const DAYS: u64 = 31;
/// Days in one answer.
const DAYS_MAX: u64 = 3_660;
const MIB_S_KIB_MS: u128 = 1_024 * 1_000;

/// The first and the last day of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsageDays {
    pub from: Day,
    pub to: Day,
}

impl UsageDays {
    pub fn new(from: Option<Day>, to: Option<Day>, now_ms: u64) -> Result<Self, Failure> {
        let to = to.unwrap_or(Day(now_ms / DAY_MS));
        let from = from.unwrap_or(Day(to.0.saturating_sub(DAYS - 1)));
        match to.0.checked_sub(from.0) {
            None => Err(Failure::invalid("to", "`to` is before `from`")),
            Some(days) if days >= DAYS_MAX => {
                Err(Failure::invalid("from", format!("that is more than {DAYS_MAX} days, DAYS_MAX")))
            }
            Some(_) => Ok(Self { from, to }),
        }
    }
}

impl App {
    /// Only of this user and of this project, where they are said; a name that nobody has matches nothing.
    pub async fn usage_sums(
        &self,
        asker: &Asker,
        by: UsageBy,
        days: UsageDays,
        (user, project): (Option<&str>, Option<&str>),
    ) -> Result<UsageSums, Failure> {
        let people = self.people.now();
        let of_user = |text: &str| people.user_of(text).map_or_else(|| text.to_owned(), |user| user.id.to_string());
        let of_project = |text: &str| {
            let ours = |record: &ProjectRecord| record.name == text && record.organization == asker.organization;
            let mine = |record: &ProjectRecord| record.name == text && asker.projects.contains_key(&record.id);
            let found = named(&people.projects, text, mine).or_else(|| named(&people.projects, text, ours));
            found.map_or_else(|| text.to_owned(), |project| project.id.to_string())
        };
        let query = UsageQuery {
            by: kept(by),
            sight: asker.sight(),
            user: user.map(of_user),
            project: project.map(of_project),
            from_day: days.from.0,
            until_day: days.to.0 + 1,
            // One more says whether there are more.
            limit: u64::from(PAGE_LIMIT_MAX) + 1,
        };
        let mut totals = self.store.usage_totals(&query).await?;
        let truncated = totals.len() > PAGE_LIMIT_MAX as usize;
        totals.truncate(PAGE_LIMIT_MAX as usize);
        let items = totals.into_iter().map(|total| sum(&people, by, total)).collect();
        Ok(UsageSums { by, from: days.from, to: days.to, currency: people.currency(), items, truncated })
    }
}

fn kept(by: UsageBy) -> madang_store::UsageBy {
    match by {
        UsageBy::User => madang_store::UsageBy::User,
        UsageBy::Project => madang_store::UsageBy::Project,
        UsageBy::Organization => madang_store::UsageBy::Organization,
        UsageBy::Day => madang_store::UsageBy::Day,
        UsageBy::Image => madang_store::UsageBy::Image,
        UsageBy::Language => madang_store::UsageBy::Language,
        UsageBy::Node => madang_store::UsageBy::Node,
    }
}

fn sum(people: &Directory, by: UsageBy, total: UsageTotal) -> UsageSum {
    let name = match by {
        UsageBy::User => {
            let id = total.key.parse::<UserId>().ok();
            id.and_then(|id| people.users.get(&id)).map(|user| user.name.clone())
        }
        UsageBy::Project => {
            let id = total.key.parse::<ProjectId>().ok();
            id.and_then(|id| people.projects.get(&id)).map(|project| project.name.clone())
        }
        UsageBy::Organization => {
            let id = total.key.parse::<OrganizationId>().ok();
            id.and_then(|id| people.organizations.get(&id)).map(|organization| organization.name.clone())
        }
        UsageBy::Day | UsageBy::Image | UsageBy::Language | UsageBy::Node => None,
    };
    let key = match by {
        UsageBy::Day => total.key.parse().map_or_else(|_| total.key.clone(), |day| Day(day).to_string()),
        _ => total.key,
    };
    let usage = total.usage;
    UsageSum {
        key,
        name,
        records: total.records,
        wall_us: usage.wall_us,
        cpu_user_us: usage.cpu_user_us,
        cpu_system_us: usage.cpu_system_us,
        memory_peak_bytes: usage.memory_peak_bytes,
        memory_mib_s: shown(total.memory_kib_ms / MIB_S_KIB_MS),
        read_bytes: usage.read_bytes,
        written_bytes: usage.written_bytes,
        received_bytes: usage.received_bytes,
        sent_bytes: usage.sent_bytes,
        accelerator_us: usage.accelerator_us,
        cost_micro: shown(total.cost_nano / u128::from(madang_model::price::NANO_PER_MICRO)),
    }
}

/// Readers of JSON keep whole numbers in 63 bits.
fn shown(number: u128) -> u64 {
    number.min(i64::MAX as u128) as u64
}
