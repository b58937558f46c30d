//! What everybody is told.

use std::collections::BTreeMap;

use madang_ids::AnnouncementId;
use madang_model::{Audience, Level};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

const READING: &str = "reading an announcement";
const FORGETTING: &str = "forgetting old announcements";
/// Announcements forgotten in one statement.
const PRUNE_ROWS_MAX: u64 = 250;

/// An announcement as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncementRecord {
    pub id: AnnouncementId,
    pub level: Level,
    pub audience: Audience,
    /// By language tag.
    pub texts: BTreeMap<String, String>,
    pub from_ms: u64,
    /// None: until somebody ends it.
    pub until_ms: Option<u64>,
    pub created_by: String,
    pub created_ms: u64,
}

/// A page of announcements, newest first.
#[derive(Debug, Clone, Default)]
pub struct AnnouncementPage {
    pub after: Option<AnnouncementId>,
    /// Only those that hold at this time.
    pub at_ms: Option<u64>,
    pub audience: Option<Audience>,
    pub limit: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "announcement")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub level: String,
        pub audience: String,
        #[sea_orm(column_type = "Text")]
        pub texts: String,
        pub from_ms: i64,
        pub until_ms: i64,
        pub created_by: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn announcement_insert(&self, record: &AnnouncementRecord) -> Result<(), StoreError> {
        row::Entity::insert(to_row(record)?)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("keeping an announcement", format!("announcement {}", record.id)))?;
        Ok(())
    }

    pub async fn announcement_get(&self, id: AnnouncementId) -> Result<Option<AnnouncementRecord>, StoreError> {
        let row = row::Entity::find_by_id(id.to_string()).one(&self.reader).await.map_err(doing(READING))?;
        row.map(from_row).transpose()
    }

    pub async fn announcement_list(&self, page: &AnnouncementPage) -> Result<Vec<AnnouncementRecord>, StoreError> {
        let mut query = row::Entity::find();
        if let Some(at_ms) = page.at_ms {
            query = query.filter(row::Column::FromMs.lte(signed(at_ms))).filter(row::Column::UntilMs.gt(signed(at_ms)));
        }
        if let Some(audience) = page.audience {
            query = query.filter(row::Column::Audience.eq(word(&audience)?));
        }
        if let Some(after) = page.after {
            query = query.filter(row::Column::Id.lt(after.to_string()));
        }
        let query = query.order_by_desc(row::Column::Id).limit(page.limit);
        let rows = query.all(&self.reader).await.map_err(doing("listing announcements"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// How many hold at this time or will.
    pub async fn announcement_count_from(&self, at_ms: u64) -> Result<u64, StoreError> {
        let holding = row::Entity::find().filter(row::Column::UntilMs.gt(signed(at_ms)));
        holding.count(&self.reader).await.map_err(doing("counting announcements"))
    }

    /// Ends one at this time unless it ends before.
    pub async fn announcement_end(&self, id: AnnouncementId, at_ms: u64) -> Result<(), StoreError> {
        row::Entity::update_many()
            .col_expr(row::Column::UntilMs, Expr::value(signed(at_ms)))
            .filter(row::Column::Id.eq(id.to_string()))
            .filter(row::Column::UntilMs.gt(signed(at_ms)))
            .exec(&self.writer)
            .await
            .map_err(doing("ending an announcement"))?;
        Ok(())
    }

    /// Forgets what ended before a time, in small steps; returns how many.
    pub async fn announcement_prune(&self, until_before_ms: u64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let ids: Vec<String> = row::Entity::find()
                .select_only()
                .column(row::Column::Id)
                .filter(row::Column::UntilMs.lt(signed(until_before_ms)))
                .limit(PRUNE_ROWS_MAX)
                .into_tuple()
                .all(&self.reader)
                .await
                .map_err(doing(FORGETTING))?;
            if ids.is_empty() {
                return Ok(forgotten);
            }
            let deleted = row::Entity::delete_many().filter(row::Column::Id.is_in(ids)).exec(&self.writer).await;
            forgotten += deleted.map_err(doing(FORGETTING))?.rows_affected;
        }
    }
}

fn to_row(record: &AnnouncementRecord) -> Result<row::ActiveModel, StoreError> {
    Ok(row::ActiveModel {
        id: Set(record.id.to_string()),
        level: Set(word(&record.level)?),
        audience: Set(word(&record.audience)?),
        texts: Set(serde_json::to_string(&record.texts).map_err(corrupt("writing an announcement"))?),
        from_ms: Set(signed(record.from_ms)),
        until_ms: Set(record.until_ms.map_or(i64::MAX, signed)),
        created_by: Set(record.created_by.clone()),
        created_ms: Set(signed(record.created_ms)),
    })
}

fn from_row(row: row::Model) -> Result<AnnouncementRecord, StoreError> {
    Ok(AnnouncementRecord {
        id: row.id.parse().map_err(corrupt(READING))?,
        level: meant(row.level)?,
        audience: meant(row.audience)?,
        texts: serde_json::from_str(&row.texts).map_err(corrupt(READING))?,
        from_ms: unsigned(row.from_ms),
        until_ms: Some(row.until_ms).filter(|until| *until < i64::MAX).map(unsigned),
        created_by: row.created_by,
        created_ms: unsigned(row.created_ms),
    })
}

/// An enum of words as its word.
fn word(value: &impl serde::Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) => Err(corrupt(READING)("not a word".to_owned())),
        Err(error) => Err(corrupt(READING)(error)),
    }
}

fn meant<T: serde::de::DeserializeOwned>(word: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(corrupt(READING))
}
