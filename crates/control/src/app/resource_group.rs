//! Resource groups: which there are, and how they schedule.

use std::collections::BTreeMap;

use madang_model::{Actor, Queueing};
use madang_public_api::{ResourceGroupSettings, ResourceGroupView, SessionView};
use madang_store::{Hint, ResourceGroupRecord};

use super::{App, Asker, Failure, GROUP_DEFAULT, validate};

/// Resource groups of one installation.
const GROUPS_MAX: usize = 1_000;
/// Ten times a thousand processors are promised where there are ten: more is a mistake.
const PERCENT_MAX: u64 = 100_000;
/// More is for ever.
const TRIES_MAX: u64 = 1_000_000;
/// A week.
const WAIT_MS_MAX: u64 = 7 * 86_400_000;

impl App {
    pub fn resource_groups(&self) -> Vec<ResourceGroupView> {
        self.queue.views(&self.fleet)
    }

    pub fn resource_group(&self, name: &str) -> Result<ResourceGroupView, Failure> {
        let found = self.resource_groups().into_iter().find(|group| group.name == name);
        found.ok_or_else(|| Failure::not_found(format!("resource group {name}")))
    }

    /// Makes a group, or changes how it schedules; what is placed stays.
    pub async fn resource_group_set(
        &self,
        name: &str,
        settings: ResourceGroupSettings,
    ) -> Result<ResourceGroupView, Failure> {
        validate::session_name(name)?;
        check(&settings)?;
        if self.resource_group(name).is_err() && self.resource_groups().len() >= GROUPS_MAX {
            return Err(Failure::too_many("GROUPS_MAX", GROUPS_MAX));
        }
        let text = serde_json::to_string(&settings).map_err(|error| Failure::internal("writing settings", error))?;
        self.store.resource_group_set(&ResourceGroupRecord { name: name.to_owned(), settings: text }).await?;
        self.resource_groups_refresh().await?;
        self.store.hint(Hint::Group(name.to_owned()));
        self.resource_group(name)
    }

    /// As the store has them.
    pub async fn resource_groups_refresh(&self) -> Result<(), Failure> {
        let mut known = BTreeMap::from([(GROUP_DEFAULT.to_owned(), ResourceGroupSettings::default())]);
        for record in self.store.resource_group_list().await? {
            match serde_json::from_str(&record.settings) {
                Ok(settings) => drop(known.insert(record.name, settings)),
                Err(error) => {
                    tracing::error!(group = record.name, %error, "settings that nobody can read are left out")
                }
            }
        }
        self.queue.settings_set(known);
        Ok(())
    }

    /// Whether there is the group, and what it waits for, for whoever asks.
    pub(super) async fn queueing_known(&self, actor: &Actor, queueing: &Queueing) -> Result<(), Failure> {
        if queueing.resource_group != GROUP_DEFAULT && self.resource_group(&queueing.resource_group).is_err() {
            let detail = format!("there is no resource group `{}`", queueing.resource_group);
            return Err(Failure::invalid("resource_group", detail));
        }
        let sight = actor.sight();
        for id in &queueing.depends_on {
            let owner = self.store.session_owner(*id).await?;
            if !owner.is_some_and(|owner| sight.shows(&owner)) {
                return Err(Failure::invalid("depends_on", format!("there is no session {id}")));
            }
        }
        Ok(())
    }

    /// Sessions that wait in a group, as far as the asker may see them, in the order in which they are to start.
    pub fn queue_list(&self, asker: &Asker, group: Option<&str>) -> Result<Vec<SessionView>, Failure> {
        let name = group.unwrap_or(GROUP_DEFAULT);
        self.resource_group(name)?;
        let order = self.queue.forecast(name).into_iter();
        let waiting = order.filter_map(|id| self.session_live(id)).map(|session| session.record());
        let sight = asker.sight();
        let seen = waiting.filter(|record| sight.shows(&record.owner));
        Ok(seen.take(QUEUE_LIST_MAX).map(|record| self.session_view_queued(&record, 0)).collect())
    }
}

/// Sessions of one answer: the place of each is counted from the first.
const QUEUE_LIST_MAX: usize = 200;

fn check(settings: &ResourceGroupSettings) -> Result<(), Failure> {
    let bounds = [
        ("cpu_percent", settings.cpu_percent.unwrap_or(100), 1, PERCENT_MAX),
        ("memory_percent", settings.memory_percent.unwrap_or(100), 1, PERCENT_MAX),
        ("head_tries", u64::from(settings.head_tries), 0, TRIES_MAX),
        ("head_wait_ms", settings.head_wait_ms, 0, WAIT_MS_MAX),
        ("priority_step_ms", settings.priority_step_ms, 0, WAIT_MS_MAX),
    ];
    match bounds.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
        Some((field, value, min, max)) => {
            Err(Failure::invalid(field, format!("`{field}` is between {min} and {max}, not {value}")))
        }
        None => Ok(()),
    }
}
