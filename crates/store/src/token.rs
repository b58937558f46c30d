//! Bearer secrets: only their hashes are kept.

use madang_ids::{TokenId, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    pub id: TokenId,
    pub owner: UserId,
    pub name: String,
    /// SHA-256 of the secret, hexadecimal.
    pub hash: String,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub hash: String,
        pub created_ms: i64,
        pub owner: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn token_insert(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let model = row::ActiveModel {
            id: Set(record.id.to_string()),
            name: Set(record.name.clone()),
            hash: Set(record.hash.clone()),
            created_ms: Set(signed(record.created_ms)),
            owner: Set(record.owner.to_string()),
        };
        row::Entity::insert(model)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("keeping a token", format!("token {}", record.name)))?;
        Ok(())
    }

    pub async fn token_list(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = row::Entity::find().all(&self.reader).await.map_err(doing("listing tokens"))?;
        let record = |row: row::Model| {
            Ok(TokenRecord {
                id: row.id.parse().map_err(corrupt("reading a token's id"))?,
                owner: row.owner.parse().map_err(corrupt("reading a token's owner"))?,
                name: row.name,
                hash: row.hash,
                created_ms: unsigned(row.created_ms),
            })
        };
        rows.into_iter().map(record).collect()
    }

    /// Forgets every token of a name but the one with this hash.
    pub async fn token_retire(&self, name: &str, but_hash: &str) -> Result<(), StoreError> {
        row::Entity::delete_many()
            .filter(row::Column::Name.eq(name))
            .filter(row::Column::Hash.ne(but_hash))
            .exec(&self.writer)
            .await
            .map_err(doing("forgetting old tokens"))?;
        Ok(())
    }
}
