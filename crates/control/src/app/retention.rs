//! How long things are kept.

use madang_model::retention::Retention;
use madang_public_api::{RetentionView, Timestamp};
use madang_store::{RetentionRecord, StoreError};

use super::{App, Failure};
use crate::clock::now_ms;

/// What holds, with every value there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub runs_days: u64,
    pub batch_days: u64,
    pub audit_days: u64,
    pub runs_max: u64,
}

impl App {
    /// What holds now, as the database says it.
    pub async fn retention(&self) -> Result<Kept, StoreError> {
        let record = self.store.retention_get().await?;
        Ok(self.kept(record.map(|record| record.settings).unwrap_or_default()))
    }

    fn kept(&self, settings: Retention) -> Kept {
        let runs_days = settings.runs_days.unwrap_or(self.config.keep_days);
        Kept {
            runs_days,
            batch_days: settings.batch_days.unwrap_or(runs_days),
            audit_days: settings.audit_days.unwrap_or(self.config.keep_audit_days),
            runs_max: settings.runs_max.unwrap_or(self.config.keep_runs),
        }
    }

    pub async fn retention_view(&self) -> Result<RetentionView, Failure> {
        let record = self.store.retention_get().await?;
        let settings = record.as_ref().map(|record| record.settings).unwrap_or_default();
        let kept = self.kept(settings);
        Ok(RetentionView {
            settings,
            holds: Retention {
                runs_days: Some(kept.runs_days),
                batch_days: Some(kept.batch_days),
                audit_days: Some(kept.audit_days),
                runs_max: Some(kept.runs_max),
            },
            changed_by: record.as_ref().map(|record| record.changed_by.clone()),
            changed_at: record.map(|record| Timestamp(record.changed_ms)),
        })
    }

    pub async fn retention_set(&self, settings: Retention, by: &str) -> Result<RetentionView, Failure> {
        if let Some((field, min, max)) = settings.beyond() {
            return Err(Failure::invalid(field, format!("`{field}` is between {min} and {max}")));
        }
        let record = RetentionRecord { settings, changed_by: by.to_owned(), changed_ms: now_ms() };
        self.store.retention_put(&record).await?;
        self.retention_view().await
    }
}
