//! How long things are kept: one row, read by whoever forgets.

use madang_model::retention::Retention;
use sea_orm::{
    ActiveValue::Set,
    DbBackend, EntityTrait,
    sea_query::{Expr, OnConflict, SimpleExpr},
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
    session_list::spec_field_sql,
};

/// The row's key.
const THE_ONE: &str = "service";

/// What somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRecord {
    pub settings: Retention,
    pub changed_by: String,
    pub changed_ms: u64,
}

/// What ended before is forgotten: batch sessions and their runs have a time of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    pub before_ms: u64,
    pub batch_before_ms: u64,
}

impl From<u64> for Horizon {
    fn from(before_ms: u64) -> Self {
        Self { before_ms, batch_before_ms: before_ms }
    }
}

impl Horizon {
    /// Whether batch sessions have to be told from others.
    pub(crate) fn differs(&self) -> bool {
        self.before_ms != self.batch_before_ms
    }
}

/// Whether a row of `session` is of a batch session.
pub(crate) fn is_batch(backend: DbBackend) -> SimpleExpr {
    Expr::cust(format!("{} = 'batch'", spec_field_sql("kind", backend)))
}

/// Whether a row of `run` is of a batch session that is still kept.
pub(crate) fn is_of_batch(backend: DbBackend) -> SimpleExpr {
    let kind = spec_field_sql("kind", backend);
    Expr::cust(format!("COALESCE(session IN (SELECT id FROM session WHERE {kind} = 'batch'), FALSE)"))
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "retention")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub settings: String,
        pub changed_by: String,
        pub changed_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// None if nobody ever set anything.
    pub async fn retention_get(&self) -> Result<Option<RetentionRecord>, StoreError> {
        const DOING: &str = "reading how long things are kept";
        let row = row::Entity::find_by_id(THE_ONE).one(&self.reader).await.map_err(doing(DOING))?;
        let Some(row) = row else { return Ok(None) };
        let settings = serde_json::from_str(&row.settings).map_err(corrupt(DOING))?;
        Ok(Some(RetentionRecord { settings, changed_by: row.changed_by, changed_ms: unsigned(row.changed_ms) }))
    }

    /// The last one wins.
    pub async fn retention_put(&self, record: &RetentionRecord) -> Result<(), StoreError> {
        use row::Column as C;
        const DOING: &str = "keeping how long things are kept";
        let model = row::ActiveModel {
            id: Set(THE_ONE.to_owned()),
            settings: Set(serde_json::to_string(&record.settings).map_err(corrupt(DOING))?),
            changed_by: Set(record.changed_by.clone()),
            changed_ms: Set(signed(record.changed_ms)),
        };
        let replace = OnConflict::column(C::Id).update_columns([C::Settings, C::ChangedBy, C::ChangedMs]).to_owned();
        let kept = row::Entity::insert(model).on_conflict(replace).exec_without_returning(&self.writer).await;
        kept.map_err(doing(DOING))?;
        Ok(())
    }
}
