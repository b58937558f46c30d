//! Projects: what people work on together.

use madang_ids::{OrganizationId, ProjectId};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A project as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    pub id: ProjectId,
    pub organization: OrganizationId,
    /// Unique in its organization.
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
    #[sea_orm(table_name = "project")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub organization: String,
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
    pub async fn project_insert(&self, record: &ProjectRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping a project", format!("a project named `{}`", record.name));
        self.directory_change(async |connection| {
            row::Entity::insert(to_row(record)).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// Replaces name, policy and state; the last writer wins.
    pub async fn project_update(&self, record: &ProjectRecord) -> Result<(), StoreError> {
        let taken = inserting("changing a project", format!("a project named `{}`", record.name));
        self.directory_change(async |connection| {
            let whose = row::Column::Id.eq(record.id.to_string());
            row::Entity::update_many().set(to_row(record)).filter(whose).exec(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// All, oldest first.
    pub async fn project_list(&self) -> Result<Vec<ProjectRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing projects"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn to_row(record: &ProjectRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        organization: Set(record.organization.to_string()),
        name: Set(record.name.clone()),
        policy: Set(record.policy.clone()),
        created_ms: Set(signed(record.created_ms)),
        archived_ms: Set(record.archived_ms.map(signed)),
    }
}

fn from_row(row: row::Model) -> Result<ProjectRecord, StoreError> {
    Ok(ProjectRecord {
        id: row.id.parse().map_err(corrupt("reading a project's id"))?,
        organization: row.organization.parse().map_err(corrupt("reading a project's organization"))?,
        name: row.name,
        policy: row.policy,
        created_ms: unsigned(row.created_ms),
        archived_ms: row.archived_ms.map(unsigned),
    })
}
