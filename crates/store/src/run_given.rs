//! What runs of sessions were given, and the list of a session's runs.

use std::collections::BTreeMap;

use madang_ids::{RunId, SessionId};
use madang_model::Verdict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};

use crate::{
    RunRecord, Store, StoreError,
    error::{corrupt, doing, inserting, unsigned},
    run::{row as run, to_row, verdict_known},
};

/// What a run was given, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunGivenRecord {
    /// What people call it by in a list.
    pub title: String,
    /// JSON, of which only the caller knows what is in it.
    pub given: String,
}

/// A run in a list: everything but what it was given and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunListed {
    pub id: RunId,
    pub mode: String,
    pub language: Option<String>,
    pub verdict: Option<Verdict>,
    pub created_ms: u64,
    pub finished_ms: Option<u64>,
    /// None where what it was given is not kept.
    pub title: Option<String>,
}

/// Which runs of a session, newest first.
#[derive(Debug, Clone)]
pub struct RunListQuery {
    pub session: SessionId,
    /// Older ones than this.
    pub before: Option<RunId>,
    /// Only this mode.
    pub mode: Option<&'static str>,
    pub limit: u64,
}

type Row = (String, String, Option<String>, Option<String>, i64, Option<i64>);

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "run_given")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run: String,
        pub title: String,
        pub given: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Keeps a run that has just begun, with what it was given: both or neither.
    pub async fn run_insert_given(&self, record: &RunRecord, given: &RunGivenRecord) -> Result<(), StoreError> {
        const DOING: &str = "keeping a run and what it was given";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        let taken = inserting(DOING, format!("run {}", record.id));
        run::Entity::insert(to_row(record)?).exec_without_returning(&transaction).await.map_err(taken)?;
        let row = row::ActiveModel {
            run: Set(record.id.to_string()),
            title: Set(given.title.clone()),
            given: Set(given.given.clone()),
        };
        row::Entity::insert(row).exec_without_returning(&transaction).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))
    }

    /// What a run was given; none where it is not kept.
    pub async fn run_given(&self, id: RunId) -> Result<Option<RunGivenRecord>, StoreError> {
        let found = row::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        let found = found.map_err(doing("reading what a run was given"))?;
        Ok(found.map(|row| RunGivenRecord { title: row.title, given: row.given }))
    }

    /// Runs of a session, newest first.
    pub async fn run_list(&self, query: &RunListQuery) -> Result<Vec<RunListed>, StoreError> {
        use run::Column as C;
        const DOING: &str = "listing the runs of a session";
        let mut select = run::Entity::find()
            .select_only()
            .columns([C::Id, C::Mode, C::Language, C::Verdict, C::CreatedMs, C::FinishedMs])
            .filter(C::Session.eq(query.session.to_string()));
        if let Some(before) = query.before {
            select = select.filter(C::Id.lt(before.to_string()));
        }
        if let Some(mode) = query.mode {
            select = select.filter(C::Mode.eq(mode));
        }
        let rows = select.order_by_desc(C::Id).limit(query.limit).into_tuple::<Row>().all(&self.reader).await;
        let rows = rows.map_err(doing(DOING))?;
        let ids: Vec<String> = rows.iter().map(|(id, ..)| id.clone()).collect();
        let mut titles = titles(&self.reader, ids).await.map_err(doing(DOING))?;
        let listed = |(id, mode, language, verdict, created_ms, finished_ms): Row| {
            Ok(RunListed {
                title: titles.remove(&id),
                id: id.parse().map_err(corrupt(DOING))?,
                mode,
                language,
                verdict: verdict.and_then(verdict_known),
                created_ms: unsigned(created_ms),
                finished_ms: finished_ms.map(unsigned),
            })
        };
        rows.into_iter().map(listed).collect()
    }
}

async fn titles(connection: &impl ConnectionTrait, runs: Vec<String>) -> Result<BTreeMap<String, String>, DbErr> {
    use row::Column as C;
    let rows = row::Entity::find().select_only().columns([C::Run, C::Title]).filter(C::Run.is_in(runs));
    Ok(rows.into_tuple::<(String, String)>().all(connection).await?.into_iter().collect())
}

/// Forgets what runs were given, with the runs.
pub(crate) async fn forget(connection: &impl ConnectionTrait, runs: &[String]) -> Result<(), DbErr> {
    row::Entity::delete_many().filter(row::Column::Run.is_in(runs.iter().cloned())).exec(connection).await?;
    Ok(())
}
