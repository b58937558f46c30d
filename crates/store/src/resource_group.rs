//! Resource groups: nodes that are scheduled together, and how.

use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder, sea_query::OnConflict};

use crate::{Store, StoreError, error::doing};

/// A resource group as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceGroupRecord {
    pub name: String,
    /// JSON, for the scheduler to read.
    pub settings: String,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "resource_group")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub settings: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Makes the group, or changes its settings.
    pub async fn resource_group_set(&self, record: &ResourceGroupRecord) -> Result<(), StoreError> {
        let model = row::ActiveModel { name: Set(record.name.clone()), settings: Set(record.settings.clone()) };
        let change = OnConflict::column(row::Column::Name).update_column(row::Column::Settings).to_owned();
        let insert = row::Entity::insert(model).on_conflict(change);
        insert.exec_without_returning(&self.writer).await.map_err(doing("keeping a resource group"))?;
        Ok(())
    }

    /// All, by name.
    pub async fn resource_group_list(&self) -> Result<Vec<ResourceGroupRecord>, StoreError> {
        let all = row::Entity::find().order_by_asc(row::Column::Name);
        let rows = all.all(&self.reader).await.map_err(doing("listing resource groups"))?;
        Ok(rows.into_iter().map(|row| ResourceGroupRecord { name: row.name, settings: row.settings }).collect())
    }
}
