//! What the whole service takes now, as somebody set it, and what everybody is told.

use std::sync::{PoisonError, RwLock};

use madang_ids::AnnouncementId;
use madang_model::{ServiceState, service::New};
use madang_public_api::{
    AnnouncementCreate, AnnouncementView, Page, ProblemKind, ServiceStateChange, ServiceStateView, Timestamp, bounds,
};
use madang_store::{AnnouncementPage, AnnouncementRecord, ServiceRecord, StoreError};

use super::{App, Failure, Stage, validate};
use crate::clock::now_ms;

/// When a client may ask again while nothing new is taken.
const RETRY_MS: u64 = 30_000;

/// The state that holds, as last read from the store.
#[derive(Debug, Default)]
pub(crate) struct Service {
    now: RwLock<Option<ServiceRecord>>,
    /// One reads or changes it at a time: what was read before must not replace what was set after.
    turn: tokio::sync::Mutex<()>,
}

impl Service {
    pub fn record(&self) -> Option<ServiceRecord> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn state(&self) -> ServiceState {
        self.now.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(ServiceState::Running, |now| now.state)
    }

    fn set(&self, record: Option<ServiceRecord>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = record;
    }
}

impl App {
    /// Refuses what the process on its way down or the service's state does not take.
    pub fn check_takes(&self, new: New) -> Result<(), Failure> {
        if *self.stage.borrow() != Stage::Serving {
            return Err(Failure::draining(self.config.drain_ms.max(1_000)));
        }
        // The state alone first: this is on the way of every run.
        if self.service.state().takes(new) {
            return Ok(());
        }
        let record = self.service.record();
        match record.filter(|record| !record.state.takes(new)) {
            Some(record) => Err(refusal(&record)),
            None => Ok(()),
        }
    }

    /// Reads the state that another process may have set.
    pub async fn service_refresh(&self) -> Result<ServiceState, StoreError> {
        let _one_at_a_time = self.service.turn.lock().await;
        self.service.set(self.store.service_get().await?);
        Ok(self.service.state())
    }

    pub fn service_view(&self) -> ServiceStateView {
        let record = self.service.record();
        ServiceStateView {
            state: self.service.state(),
            reason: record.as_ref().map(|record| record.reason.clone()).unwrap_or_default(),
            changed_by: record.as_ref().map(|record| record.changed_by.clone()),
            changed_at: record.map(|record| Timestamp(record.changed_ms)),
        }
    }

    pub async fn service_change(&self, change: ServiceStateChange, by: &str) -> Result<ServiceStateView, Failure> {
        let length = change.reason.chars().count();
        validate::at_most("reason", length, bounds::REASON_CHARS_MAX, "REASON_CHARS_MAX")?;
        let (state, reason) = (change.state, change.reason);
        let record = ServiceRecord { state, reason, changed_by: by.to_owned(), changed_ms: now_ms() };
        let _one_at_a_time = self.service.turn.lock().await;
        self.store.service_put(&record).await?;
        self.store.hint(madang_store::Hint::State);
        tracing::warn!(state = state.name(), by, reason = record.reason, "the service's state was changed");
        self.service.set(Some(record));
        Ok(self.service_view())
    }

    pub async fn announcement_create(&self, create: AnnouncementCreate, by: &str) -> Result<AnnouncementView, Failure> {
        let now = now_ms();
        check_texts(&create)?;
        let from_ms = create.from.map_or(now, |from| from.0);
        let until_ms = create.until.map(|until| until.0);
        if until_ms.is_some_and(|until| until <= from_ms.max(now)) {
            return Err(Failure::invalid("until", "`until` is after `from`, and not over yet"));
        }
        if self.store.announcement_count_from(now).await? >= bounds::ANNOUNCEMENTS_MAX as u64 {
            return Err(Failure::too_many("ANNOUNCEMENTS_MAX", bounds::ANNOUNCEMENTS_MAX));
        }
        let record = AnnouncementRecord {
            id: AnnouncementId::new(),
            level: create.level,
            audience: create.audience,
            texts: create.texts,
            from_ms,
            until_ms,
            created_by: by.to_owned(),
            created_ms: now,
        };
        self.store.announcement_insert(&record).await?;
        Ok(view(record))
    }

    pub async fn announcement_list(&self, mut page: AnnouncementPage) -> Result<Page<AnnouncementView>, Failure> {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        page.limit = page.limit.saturating_add(1);
        let mut items: Vec<_> = self.store.announcement_list(&page).await?.into_iter().map(view).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next_cursor })
    }

    /// Ends one now; one that is over stays as it is.
    pub async fn announcement_end(&self, id: AnnouncementId) -> Result<AnnouncementView, Failure> {
        self.store.announcement_end(id, now_ms()).await?;
        let record = self.store.announcement_get(id).await?;
        record.map(view).ok_or_else(|| Failure::not_found(format!("announcement {id}")))
    }
}

fn refusal(record: &ServiceRecord) -> Failure {
    let (kind, what) = match record.state {
        ServiceState::Draining => (ProblemKind::Draining, "the service is draining and takes nothing new"),
        _ => (ProblemKind::Frozen, "the service is frozen: nothing new is admitted, what runs goes on"),
    };
    let detail = if record.reason.is_empty() { what.to_owned() } else { format!("{what} ({})", record.reason) };
    Failure { retry_after_ms: Some(RETRY_MS), ..Failure::new(kind, detail) }
}

fn check_texts(create: &AnnouncementCreate) -> Result<(), Failure> {
    let texts = &create.texts;
    if texts.is_empty() {
        return Err(Failure::invalid("texts", "an announcement has a text in at least one language"));
    }
    validate::at_most("texts", texts.len(), bounds::LANGUAGES_MAX, "LANGUAGES_MAX")?;
    for (language, text) in texts {
        let tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let begins = language.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins || language.len() > bounds::LANGUAGE_TAG_CHARS_MAX || !language.chars().all(tag) {
            return Err(Failure::invalid("texts", "a language is a tag such as `en`, `ko` or `pt-BR`"));
        }
        let field = format!("texts.{language}");
        validate::at_most(&field, text.chars().count(), bounds::ANNOUNCEMENT_CHARS_MAX, "ANNOUNCEMENT_CHARS_MAX")?;
        if text.trim().is_empty() {
            return Err(Failure::invalid(field, "a text says something"));
        }
    }
    Ok(())
}

fn view(record: AnnouncementRecord) -> AnnouncementView {
    AnnouncementView {
        id: record.id,
        level: record.level,
        audience: record.audience,
        texts: record.texts,
        from: Timestamp(record.from_ms),
        until: record.until_ms.map(Timestamp),
        created_at: Timestamp(record.created_ms),
    }
}
