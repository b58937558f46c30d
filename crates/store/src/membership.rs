//! Memberships: which user works in which project, and as what.

use madang_ids::{ProjectId, UserId};
use madang_model::ProjectRole;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder, sea_query::OnConflict};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// A membership as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRecord {
    pub project: ProjectId,
    pub user: UserId,
    pub role: ProjectRole,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "membership")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub project: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: String,
        pub role: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Makes the user a member, or changes its role where it is one.
    pub async fn membership_set(&self, record: &MembershipRecord) -> Result<(), StoreError> {
        let model = row::ActiveModel {
            project: Set(record.project.to_string()),
            user: Set(record.user.to_string()),
            role: Set(record.role.name().to_owned()),
            created_ms: Set(signed(record.created_ms)),
        };
        let key = [row::Column::Project, row::Column::User];
        let change = OnConflict::columns(key).update_column(row::Column::Role).to_owned();
        self.directory_change(async |connection| {
            let insert = row::Entity::insert(model).on_conflict(change);
            insert.exec_without_returning(connection).await.map_err(doing("keeping a membership"))?;
            Ok(())
        })
        .await
    }

    /// One that is not there is left as it is.
    pub async fn membership_remove(&self, project: ProjectId, user: UserId) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            let which = row::Entity::delete_by_id((project.to_string(), user.to_string()));
            which.exec(connection).await.map_err(doing("ending a membership"))?;
            Ok(())
        })
        .await
    }

    /// All, by project and user.
    pub async fn membership_list(&self) -> Result<Vec<MembershipRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Project)
            .order_by_asc(row::Column::User)
            .all(&self.reader)
            .await
            .map_err(doing("listing memberships"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn from_row(row: row::Model) -> Result<MembershipRecord, StoreError> {
    const DOING: &str = "reading a membership";
    let role = ProjectRole::from_name(&row.role);
    Ok(MembershipRecord {
        project: row.project.parse().map_err(corrupt(DOING))?,
        user: row.user.parse().map_err(corrupt(DOING))?,
        role: role.ok_or_else(|| corrupt(DOING)(row.role.clone()))?,
        created_ms: unsigned(row.created_ms),
    })
}
