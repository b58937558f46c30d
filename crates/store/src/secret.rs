//! Secrets that every process of an installation knows: each is made once, by whoever needs it first.

use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};

use crate::{Store, StoreError, error::doing};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "secret")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// The secret of this name; `proposed` if there was none. Of several proposals at once all get the same.
    pub async fn secret_ensure(&self, name: &str, proposed: &[u8]) -> Result<Vec<u8>, StoreError> {
        const DOING: &str = "reading a secret";
        let secret = row::ActiveModel { name: Set(name.to_owned()), value: Set(proposed.to_vec()) };
        let keep_first = OnConflict::column(row::Column::Name).do_nothing().to_owned();
        row::Entity::insert(secret)
            .on_conflict(keep_first)
            .exec_without_returning(&self.writer)
            .await
            .map_err(doing(DOING))?;
        let known = row::Entity::find_by_id(name.to_owned()).one(&self.writer).await.map_err(doing(DOING))?;
        known.map(|row| row.value).ok_or(StoreError::Closed { doing: DOING })
    }
}
