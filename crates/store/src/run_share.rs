//! Links to runs. Only the hash of a link's secret is kept.

use madang_ids::{RunId, ShareId, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A link to a run as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunShareRecord {
    pub id: ShareId,
    pub run: RunId,
    /// SHA-256 of the link's secret, hexadecimal.
    pub hash: String,
    pub made_by: UserId,
    pub created_ms: u64,
    pub expires_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "run_share")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub run: String,
        pub hash: String,
        pub made_by: String,
        pub created_ms: i64,
        pub expires_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn run_share_insert(&self, record: &RunShareRecord) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(record.id.to_string()),
            run: Set(record.run.to_string()),
            hash: Set(record.hash.clone()),
            made_by: Set(record.made_by.to_string()),
            created_ms: Set(signed(record.created_ms)),
            expires_ms: Set(signed(record.expires_ms)),
        };
        let inserted = row::Entity::insert(row).exec_without_returning(&self.writer).await;
        inserted.map(drop).map_err(inserting("keeping a link to a run", format!("share {}", record.id)))
    }

    /// Those of a run that are good now, oldest first.
    pub async fn run_share_list(&self, run: RunId, now_ms: u64) -> Result<Vec<RunShareRecord>, StoreError> {
        use row::Column as C;
        let rows = row::Entity::find()
            .filter(C::Run.eq(run.to_string()))
            .filter(C::ExpiresMs.gt(signed(now_ms)))
            .order_by_asc(C::Id)
            .all(&self.reader)
            .await;
        rows.map_err(doing("listing links to a run"))?.into_iter().map(from_row).collect()
    }

    /// The link with this secret, if it is good now.
    pub async fn run_share_find(&self, hash: &str, now_ms: u64) -> Result<Option<RunShareRecord>, StoreError> {
        use row::Column as C;
        let found = row::Entity::find().filter(C::Hash.eq(hash)).filter(C::ExpiresMs.gt(signed(now_ms)));
        found.one(&self.reader).await.map_err(doing("looking for a link to a run"))?.map(from_row).transpose()
    }

    /// Takes a link of a run back; false where the run has no such link.
    pub async fn run_share_remove(&self, run: RunId, id: ShareId) -> Result<bool, StoreError> {
        use row::Column as C;
        let which = row::Entity::delete_many().filter(C::Id.eq(id.to_string())).filter(C::Run.eq(run.to_string()));
        let removed = which.exec(&self.writer).await.map_err(doing("taking a link to a run back"))?;
        Ok(removed.rows_affected > 0)
    }

    /// Forgets links that are good no more.
    pub async fn run_share_prune(&self, now_ms: u64) -> Result<u64, StoreError> {
        let old = row::Entity::delete_many().filter(row::Column::ExpiresMs.lte(signed(now_ms)));
        Ok(old.exec(&self.writer).await.map_err(doing("forgetting old links to runs"))?.rows_affected)
    }
}

/// Forgets links to runs, with the runs.
pub(crate) async fn forget(connection: &impl ConnectionTrait, runs: &[String]) -> Result<(), DbErr> {
    row::Entity::delete_many().filter(row::Column::Run.is_in(runs.iter().cloned())).exec(connection).await?;
    Ok(())
}

fn from_row(row: row::Model) -> Result<RunShareRecord, StoreError> {
    Ok(RunShareRecord {
        id: row.id.parse().map_err(corrupt("reading the id of a link to a run"))?,
        run: row.run.parse().map_err(corrupt("reading which run a link is to"))?,
        hash: row.hash,
        made_by: row.made_by.parse().map_err(corrupt("reading who made a link to a run"))?,
        created_ms: unsigned(row.created_ms),
        expires_ms: unsigned(row.expires_ms),
    })
}
