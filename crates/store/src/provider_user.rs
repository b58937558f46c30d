//! Users as other providers know them.

use madang_ids::UserId;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed},
};

/// Who somebody is to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUserRecord {
    pub issuer: String,
    pub subject: String,
    pub user: UserId,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "provider_user")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub issuer: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: String,
        pub user: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Our user behind a provider's. Never by e-mail address, which a provider may let anybody write.
    pub async fn provider_user_find(&self, issuer: &str, subject: &str) -> Result<Option<UserId>, StoreError> {
        const DOING: &str = "looking for a provider's user";
        let found = row::Entity::find_by_id((issuer.to_owned(), subject.to_owned())).one(&self.reader).await;
        let found = found.map_err(doing(DOING))?;
        found.map(|row| row.user.parse().map_err(corrupt(DOING))).transpose()
    }

    pub async fn provider_user_insert(&self, record: &ProviderUserRecord) -> Result<(), StoreError> {
        let row = row::ActiveModel {
            issuer: Set(record.issuer.clone()),
            subject: Set(record.subject.clone()),
            user: Set(record.user.to_string()),
            created_ms: Set(signed(record.created_ms)),
        };
        let inserted = row::Entity::insert(row).exec_without_returning(&self.writer).await;
        inserted.map_err(inserting("keeping a provider's user", "this provider's user".into()))?;
        Ok(())
    }
}
