//! Organizations: whoever pays.

use madang_ids::OrganizationId;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// An organization as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRecord {
    pub id: OrganizationId,
    /// Unique.
    pub name: String,
    /// Name of the resource policy that bounds all of it together.
    pub policy: Option<String>,
    pub created_ms: u64,
    /// Nothing new is done for one that is archived.
    pub archived_ms: Option<u64>,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "organization")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub policy: Option<String>,
        pub created_ms: i64,
        pub archived_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn organization_insert(&self, record: &OrganizationRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping an organization", format!("an organization named `{}`", record.name));
        self.directory_change(async |connection| {
            row::Entity::insert(to_row(record)).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// Replaces name, policy and state; the last writer wins.
    pub async fn organization_update(&self, record: &OrganizationRecord) -> Result<(), StoreError> {
        let taken = inserting("changing an organization", format!("an organization named `{}`", record.name));
        self.directory_change(async |connection| {
            let whose = row::Column::Id.eq(record.id.to_string());
            row::Entity::update_many().set(to_row(record)).filter(whose).exec(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// All, oldest first.
    pub async fn organization_list(&self) -> Result<Vec<OrganizationRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing organizations"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn to_row(record: &OrganizationRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        name: Set(record.name.clone()),
        policy: Set(record.policy.clone()),
        created_ms: Set(signed(record.created_ms)),
        archived_ms: Set(record.archived_ms.map(signed)),
    }
}

fn from_row(row: row::Model) -> Result<OrganizationRecord, StoreError> {
    Ok(OrganizationRecord {
        id: row.id.parse().map_err(corrupt("reading an organization's id"))?,
        name: row.name,
        policy: row.policy,
        created_ms: unsigned(row.created_ms),
        archived_ms: row.archived_ms.map(unsigned),
    })
}
