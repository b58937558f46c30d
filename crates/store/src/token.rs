//! Bearer secrets: only their hashes are kept.

use madang_ids::{TokenId, UserId};
use madang_model::Scopes;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
};

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
    /// What of its owner's rights it carries.
    pub scopes: Scopes,
    pub created_ms: u64,
    /// It is for nothing any more from then on.
    pub expires_ms: Option<u64>,
}

/// What the names of tokens begin with that servers keep in files of their own; nobody may name another token so.
pub const TOKEN_IN_FILE: &str = "administrator";

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
        pub scopes: String,
        pub expires_ms: Option<i64>,
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
            scopes: Set(record.scopes.to_string()),
            expires_ms: Set(record.expires_ms.map(signed)),
        };
        let taken = inserting("keeping a token", format!("token {}", record.name));
        self.directory_change(async |connection| {
            row::Entity::insert(model).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// One that is not there is left as it is.
    pub async fn token_remove(&self, id: TokenId) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            let which = row::Entity::delete_by_id(id.to_string());
            which.exec(connection).await.map_err(doing("ending a token"))?;
            Ok(())
        })
        .await
    }

    pub async fn token_list(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = row::Entity::find().all(&self.reader).await.map_err(doing("listing tokens"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Forgets tokens that expired before a time; returns how many.
    pub async fn token_prune(&self, expired_before_ms: u64) -> Result<u64, StoreError> {
        const DOING: &str = "forgetting expired tokens";
        let old = row::Column::ExpiresMs.lt(signed(expired_before_ms));
        let found = row::Entity::find().filter(old.clone()).count(&self.reader).await.map_err(doing(DOING))?;
        if found > 0 {
            self.directory_change(async |connection| {
                row::Entity::delete_many().filter(old).exec(connection).await.map_err(doing(DOING))?;
                Ok(())
            })
            .await?;
        }
        Ok(found)
    }

    /// Forgets every token of an owner's name but the one with this hash.
    pub async fn token_retire(&self, owner: UserId, name: &str, but_hash: &str) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            row::Entity::delete_many()
                .filter(row::Column::Owner.eq(owner.to_string()))
                .filter(row::Column::Name.eq(name))
                .filter(row::Column::Hash.ne(but_hash))
                .exec(connection)
                .await
                .map_err(doing("forgetting old tokens"))?;
            Ok(())
        })
        .await
    }
}

/// Ends every token of a user that somebody may have taken along: those that a server keeps in a file of its own stay, their names are theirs alone.
pub(crate) async fn end_all(connection: &impl ConnectionTrait, owner: UserId) -> Result<(), DbErr> {
    row::Entity::delete_many()
        .filter(row::Column::Owner.eq(owner.to_string()))
        .filter(row::Column::Name.starts_with(TOKEN_IN_FILE).not())
        .exec(connection)
        .await?;
    Ok(())
}

fn from_row(row: row::Model) -> Result<TokenRecord, StoreError> {
    let scopes = Scopes::parse(&row.scopes);
    Ok(TokenRecord {
        id: row.id.parse().map_err(corrupt("reading a token's id"))?,
        owner: row.owner.parse().map_err(corrupt("reading a token's owner"))?,
        name: row.name,
        hash: row.hash,
        scopes: scopes.ok_or_else(|| corrupt("reading a token's scopes")(row.scopes.clone()))?,
        created_ms: unsigned(row.created_ms),
        expires_ms: row.expires_ms.map(unsigned),
    })
}
