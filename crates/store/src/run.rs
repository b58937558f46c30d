//! Runs. The events are the record; results are folded from them by whoever reads.

use madang_ids::{RunId, SessionId};
use madang_model::{Owner, RunEvent, Verdict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait, sea_query::Expr,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    owner::owner_read,
    result_object,
    retention::{Horizon, is_of_batch},
    run_given, run_share,
};

/// Runs forgotten in one statement: each holds up the writer for some milliseconds.
const PRUNE_ROWS_MAX: u64 = 250;
const FORGETTING: &str = "forgetting old runs";

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    pub id: RunId,
    /// None for a one-shot run.
    pub session: Option<SessionId>,
    pub owner: Owner,
    /// `query`, `batch`, `command`.
    pub mode: String,
    pub language: Option<String>,
    /// None while it runs.
    pub verdict: Option<Verdict>,
    /// Events beyond a bound were dropped.
    pub truncated: bool,
    pub created_ms: u64,
    pub finished_ms: Option<u64>,
    /// Empty while it runs.
    pub events: Vec<RunEvent>,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "run")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub session: Option<String>,
        pub mode: String,
        pub language: Option<String>,
        pub verdict: Option<String>,
        pub truncated: bool,
        pub created_ms: i64,
        pub finished_ms: Option<i64>,
        pub events: Vec<u8>,
        /// Where the events are, if not here: see `results`.
        pub result: Option<String>,
        pub owner: String,
        pub project: String,
        pub organization: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Keeps a run that has just begun, so that it is known even if the server dies.
    pub async fn run_insert(&self, record: &RunRecord) -> Result<(), StoreError> {
        row::Entity::insert(to_row(record)?)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("keeping a run", format!("run {}", record.id)))?;
        Ok(())
    }

    pub async fn run_get(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let row = row::Entity::find_by_id(id.to_string()).one(&self.reader).await.map_err(doing("reading a run"))?;
        self.run_whole(row).await
    }

    /// Whether the end of a run is kept.
    pub async fn run_has_finished(&self, id: RunId) -> Result<bool, StoreError> {
        let ended: Option<Option<i64>> = row::Entity::find_by_id(id.to_string())
            .select_only()
            .column(row::Column::FinishedMs)
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing("reading whether a run has finished"))?;
        Ok(ended.flatten().is_some())
    }

    /// How a run ended, if it has; none of one that is not kept. Its result is left where it is.
    pub async fn run_verdict(&self, id: RunId) -> Result<Option<Option<Verdict>>, StoreError> {
        let verdict: Option<Option<String>> = row::Entity::find_by_id(id.to_string())
            .select_only()
            .column(row::Column::Verdict)
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing("reading how a run has ended"))?;
        Ok(verdict.map(|name| name.and_then(verdict_known)))
    }

    /// The session that a run is in; none of one that is not kept or is in none.
    pub async fn run_session(&self, id: RunId) -> Result<Option<SessionId>, StoreError> {
        const DOING: &str = "reading which session a run is in";
        let session: Option<Option<String>> = row::Entity::find_by_id(id.to_string())
            .select_only()
            .column(row::Column::Session)
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing(DOING))?;
        session.flatten().map(|id| id.parse().map_err(corrupt(DOING))).transpose()
    }

    /// Whose a run is.
    pub async fn run_owner(&self, id: RunId) -> Result<Option<Owner>, StoreError> {
        let columns: Option<(String, String, String)> = row::Entity::find_by_id(id.to_string())
            .select_only()
            .columns([row::Column::Owner, row::Column::Project, row::Column::Organization])
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing("reading whose a run is"))?;
        columns.map(|(user, project, organization)| owner_read(&user, &project, &organization)).transpose()
    }

    /// Runs without a verdict: in progress, or left behind by a server that died.
    pub async fn run_list_open(&self) -> Result<Vec<RunRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::FinishedMs.is_null())
            .all(&self.reader)
            .await
            .map_err(doing("listing open runs"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// The latest runs of a session, newest first, and when each finished. Their events are left where they are: they may be many.
    pub async fn run_ends_of_session(
        &self,
        session: SessionId,
        limit: u64,
    ) -> Result<Vec<(RunId, Option<u64>)>, StoreError> {
        const DOING: &str = "listing a session's runs";
        let rows: Vec<(String, Option<i64>)> = row::Entity::find()
            .select_only()
            .columns([row::Column::Id, row::Column::FinishedMs])
            .filter(row::Column::Session.eq(session.to_string()))
            .order_by_desc(row::Column::Id)
            .limit(limit)
            .into_tuple()
            .all(&self.reader)
            .await
            .map_err(doing(DOING))?;
        let end = |(id, finished_ms): (String, Option<i64>)| {
            Ok((id.parse().map_err(corrupt(DOING))?, finished_ms.map(unsigned)))
        };
        rows.into_iter().map(end).collect()
    }

    /// The run that a session began with, without its result should that be elsewhere.
    pub async fn run_first_of_session(
        &self,
        session: SessionId,
        since_ms: u64,
    ) -> Result<Option<RunRecord>, StoreError> {
        let row = row::Entity::find()
            .filter(row::Column::Session.eq(session.to_string()))
            .filter(row::Column::CreatedMs.gte(signed(since_ms)))
            .order_by_asc(row::Column::Id)
            .one(&self.reader)
            .await
            .map_err(doing("reading a session's first run"))?;
        row.map(from_row).transpose()
    }

    /// A run with its result, wherever that is.
    async fn run_whole(&self, row: Option<row::Model>) -> Result<Option<RunRecord>, StoreError> {
        let Some(mut row) = row else { return Ok(None) };
        if let Some(key) = &row.result {
            let missing = || StoreError::Results {
                doing: "reading a result",
                source: "the configuration names no store of results any more".into(),
            };
            row.events = self.results.as_ref().ok_or_else(missing)?.read(key).await?.into();
        }
        from_row(row).map(Some)
    }

    /// Forgets runs that finished before a time, and the oldest beyond `rows_max`; returns how many. Goes in small steps, so that
    /// runs that finish meanwhile wait for none of them long.
    pub async fn run_prune(&self, horizon: impl Into<Horizon>, rows_max: u64) -> Result<u64, StoreError> {
        let horizon = horizon.into();
        let before = |ms| row::Column::FinishedMs.lt(signed(ms));
        let old = if horizon.differs() {
            let of_batch = is_of_batch(self.reader.get_database_backend());
            let batch = before(horizon.batch_before_ms).and(of_batch.clone());
            self.run_forget(batch).await? + self.run_forget(before(horizon.before_ms).and(of_batch.not())).await?
        } else {
            self.run_forget(before(horizon.before_ms)).await?
        };
        let newest_beyond: Option<String> = row::Entity::find()
            .select_only()
            .column(row::Column::Id)
            .order_by_desc(row::Column::Id)
            .offset(rows_max)
            .limit(1)
            .into_tuple()
            .one(&self.reader)
            .await
            .map_err(doing(FORGETTING))?;
        match newest_beyond {
            Some(id) => Ok(old + self.run_forget(row::Column::Id.lte(id)).await?),
            None => Ok(old),
        }
    }

    /// Finished runs only.
    async fn run_forget(&self, which: Expr) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let runs: Vec<(String, Option<String>)> = row::Entity::find()
                .select_only()
                .columns([row::Column::Id, row::Column::Result])
                .filter(which.clone())
                .filter(row::Column::FinishedMs.is_not_null())
                .limit(PRUNE_ROWS_MAX)
                .into_tuple()
                .all(&self.reader)
                .await
                .map_err(doing(FORGETTING))?;
            if runs.is_empty() {
                return Ok(forgotten);
            }
            let (ids, results): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
            forgotten +=
                self.run_delete(ids, results.into_iter().flatten().collect()).await.map_err(doing(FORGETTING))?;
        }
    }

    /// Runs, with the objects that they name for [`Store::results_collect`] to find.
    async fn run_delete(&self, ids: Vec<String>, results: Vec<String>) -> Result<u64, DbErr> {
        let transaction = self.writer.begin().await?;
        result_object::forsake(&transaction, results).await?;
        run_given::forget(&transaction, &ids).await?;
        run_share::forget(&transaction, &ids).await?;
        let deleted = row::Entity::delete_many().filter(row::Column::Id.is_in(ids)).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected)
    }
}

pub(crate) fn to_row(record: &RunRecord) -> Result<row::ActiveModel, StoreError> {
    Ok(row::ActiveModel {
        id: Set(record.id.to_string()),
        session: Set(record.session.map(|id| id.to_string())),
        mode: Set(record.mode.clone()),
        language: Set(record.language.clone()),
        verdict: Set(record.verdict.map(|verdict| verdict.name().to_owned())),
        truncated: Set(record.truncated),
        created_ms: Set(signed(record.created_ms)),
        finished_ms: Set(record.finished_ms.map(signed)),
        events: Set(events_bytes(&record.events)?),
        result: Set(None),
        owner: Set(record.owner.user.to_string()),
        project: Set(record.owner.project.to_string()),
        organization: Set(record.owner.organization.to_string()),
    })
}

pub(crate) fn events_bytes(events: &[RunEvent]) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(events).map_err(corrupt("writing a run"))
}

pub(crate) fn verdict_known(name: String) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
}

fn from_row(row: row::Model) -> Result<RunRecord, StoreError> {
    Ok(RunRecord {
        id: row.id.parse().map_err(corrupt("reading a run's id"))?,
        session: row.session.map(|id| id.parse().map_err(corrupt("reading a run's session"))).transpose()?,
        owner: owner_read(&row.owner, &row.project, &row.organization)?,
        mode: row.mode,
        language: row.language,
        verdict: row.verdict.and_then(verdict_known),
        truncated: row.truncated,
        created_ms: unsigned(row.created_ms),
        finished_ms: row.finished_ms.map(unsigned),
        events: serde_json::from_slice(&row.events).map_err(corrupt("reading a run's events"))?,
    })
}
