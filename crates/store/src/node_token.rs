//! Tokens that let machines join as nodes; of their secrets only hashes are kept.

use madang_ids::TokenId;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTokenRecord {
    pub id: TokenId,
    /// SHA-256 of the secret, hexadecimal; unique.
    pub hash: String,
    /// Where nodes that join by it belong.
    pub resource_group: String,
    /// So many machines may still join.
    pub uses_left: u64,
    pub created_ms: u64,
    pub expires_ms: u64,
}

pub(crate) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "node_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub hash: String,
        pub resource_group: String,
        pub uses_left: i64,
        pub created_ms: i64,
        pub expires_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn node_token_insert(&self, record: &NodeTokenRecord) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            id: Set(record.id.to_string()),
            hash: Set(record.hash.clone()),
            resource_group: Set(record.resource_group.clone()),
            uses_left: Set(signed(record.uses_left)),
            created_ms: Set(signed(record.created_ms)),
            expires_ms: Set(signed(record.expires_ms)),
        };
        let inserted = row::Entity::insert(row).exec_without_returning(&self.writer).await;
        inserted.map_err(inserting("keeping a node's token", "the token".to_owned()))?;
        Ok(())
    }

    /// Tokens that still let somebody in, the oldest first.
    pub async fn node_token_list(&self, now_ms: u64) -> Result<Vec<NodeTokenRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::UsesLeft.gt(0))
            .filter(row::Column::ExpiresMs.gt(signed(now_ms)))
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing tokens of nodes"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Whether there was such a token.
    pub async fn node_token_remove(&self, id: TokenId) -> Result<bool, StoreError> {
        let removed = row::Entity::delete_by_id(id.to_string()).exec(&self.writer).await;
        Ok(removed.map_err(doing("removing a node's token"))?.rows_affected > 0)
    }

    /// Forgets tokens that ended before this time; returns how many.
    pub async fn node_token_prune(&self, before_ms: u64) -> Result<u64, StoreError> {
        let ended = row::Entity::delete_many().filter(row::Column::ExpiresMs.lt(signed(before_ms)));
        Ok(ended.exec(&self.writer).await.map_err(doing("forgetting tokens of nodes"))?.rows_affected)
    }
}

fn from_row(row: row::Model) -> Result<NodeTokenRecord, StoreError> {
    Ok(NodeTokenRecord {
        id: row.id.parse().map_err(corrupt("reading a node token's id"))?,
        hash: row.hash,
        resource_group: row.resource_group,
        uses_left: unsigned(row.uses_left),
        created_ms: unsigned(row.created_ms),
        expires_ms: unsigned(row.expires_ms),
    })
}
