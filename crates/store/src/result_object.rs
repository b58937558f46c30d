//! Objects with results that no run names yet, or none names any more.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};

use crate::{
    Store, StoreError,
    error::{doing, signed},
    results::Results,
    run,
};

/// Whoever has not named an object by now never will: it died, or its database did.
const UNNAMED_MS_MAX: u64 = 3_600_000;
/// Rows looked at in one step.
const ROWS_MAX: u64 = 500;
const COLLECTING: &str = "collecting results that nobody names";
/// Of one whose run is gone.
const LONG_AGO: i64 = 0;

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "result_object")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub since_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Removes the objects whose runs are gone, and those that were never named; returns how many. Where the store of results is away
    /// they stay written down.
    pub async fn results_collect(&self) -> Result<u64, StoreError> {
        let Some(results) = &self.results else { return Ok(0) };
        let until = signed(self.now_ms().await?.saturating_sub(UNNAMED_MS_MAX));
        let mut removed = 0;
        loop {
            let keys: Vec<String> = row::Entity::find()
                .select_only()
                .column(row::Column::Key)
                .filter(row::Column::SinceMs.lte(until))
                .order_by_asc(row::Column::Key)
                .limit(ROWS_MAX)
                .into_tuple()
                .all(&self.writer)
                .await
                .map_err(doing(COLLECTING))?;
            if keys.is_empty() {
                return Ok(removed);
            }
            removed += self.results_sift(results, keys, until).await?;
        }
    }

    async fn results_sift(&self, results: &Results, keys: Vec<String>, until: i64) -> Result<u64, StoreError> {
        let named: Vec<String> = run::row::Entity::find()
            .select_only()
            .column(run::row::Column::Result)
            .filter(run::row::Column::Id.is_in(keys.iter().filter_map(|key| key.split('/').next())))
            .filter(run::row::Column::Result.is_not_null())
            .into_tuple()
            .all(&self.writer)
            .await
            .map_err(doing(COLLECTING))?;
        let (named, unnamed): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| named.contains(key));
        results.remove(unnamed.clone()).await?;
        let count = unnamed.len() as u64;
        // A run that went meanwhile has put its key here anew, for the next step.
        for (keys, from) in [(named, LONG_AGO + 1), (unnamed, LONG_AGO)] {
            let forget = row::Entity::delete_many()
                .filter(row::Column::Key.is_in(keys))
                .filter(row::Column::SinceMs.between(from, until));
            forget.exec(&self.writer).await.map_err(doing(COLLECTING))?;
        }
        Ok(count)
    }

    /// Writes an object down that is about to be made.
    pub(crate) async fn result_announce(&self, key: &str) -> Result<(), StoreError> {
        let now = self.now_ms().await?;
        let again = OnConflict::column(row::Column::Key).update_column(row::Column::SinceMs).to_owned();
        let row = row::ActiveModel { key: Set(key.to_owned()), since_ms: Set(signed(now)) };
        let announced = row::Entity::insert(row).on_conflict(again).exec_without_returning(&self.writer).await;
        announced.map_err(doing("writing down that a result is kept")).map(drop)
    }
}

/// Writes objects down whose runs are forgotten in the same transaction.
pub(crate) async fn forsake(transaction: &DatabaseTransaction, keys: Vec<String>) -> Result<(), DbErr> {
    if keys.is_empty() {
        return Ok(());
    }
    let again = OnConflict::column(row::Column::Key).update_column(row::Column::SinceMs).to_owned();
    let rows = keys.into_iter().map(|key| row::ActiveModel { key: Set(key), since_ms: Set(LONG_AGO) });
    row::Entity::insert_many(rows).on_conflict(again).exec_without_returning(transaction).await?;
    Ok(())
}
