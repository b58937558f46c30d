//! Users: persons and robots.

use madang_ids::{OrganizationId, ProjectId, UserId};
use madang_model::Role;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A user as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    pub id: UserId,
    pub organization: OrganizationId,
    /// Unique.
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    /// Where its work belongs unless a request says otherwise.
    pub project: Option<ProjectId>,
    /// Name of the resource policy that bounds it.
    pub policy: Option<String>,
    pub created_ms: u64,
    /// May do nothing until it is resumed.
    pub suspended_ms: Option<u64>,
    /// May do nothing ever again; what it did stays.
    pub archived_ms: Option<u64>,
}

impl UserRecord {
    /// Whether it may sign in.
    pub fn is_active(&self) -> bool {
        self.suspended_ms.is_none() && self.archived_ms.is_none()
    }
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub organization: String,
        pub name: String,
        pub email: Option<String>,
        pub role: String,
        pub project: Option<String>,
        pub policy: Option<String>,
        pub created_ms: i64,
        pub suspended_ms: Option<i64>,
        pub archived_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn user_insert(&self, record: &UserRecord) -> Result<(), StoreError> {
        let taken = inserting("keeping a user", format!("a user named `{}`", record.name));
        self.directory_change(async |connection| {
            row::Entity::insert(to_row(record)).exec_without_returning(connection).await.map_err(taken)?;
            Ok(())
        })
        .await
    }

    /// Replaces all but the id of a user who is still as `seen`: a change that was made meanwhile, a suspension above all, is not undone.
    pub async fn user_update(&self, seen: &UserRecord, record: &UserRecord, now_ms: u64) -> Result<(), StoreError> {
        const DOING: &str = "changing a user";
        let taken = inserting(DOING, format!("a user named `{}`", record.name));
        self.directory_change(async |connection| {
            let id = seen.id.to_string();
            let is = row::Entity::find_by_id(id.clone()).one(connection).await.map_err(doing(DOING))?;
            if is.map(from_row).transpose()?.as_ref() != Some(seen) {
                return Err(StoreError::Stale { subject: format!("the user `{}`", seen.name) });
            }
            let whose = row::Column::Id.eq(id);
            row::Entity::update_many().set(to_row(record)).filter(whose).exec(connection).await.map_err(taken)?;
            // Whoever made a link or a key for a user might otherwise become what the user becomes.
            if record.role != seen.role || (is_stopped(record) && !is_stopped(seen)) {
                crate::link::turn_over(connection, seen.id, crate::TurnOver::KnownToOthers, now_ms)
                    .await
                    .map_err(doing(DOING))?;
            }
            Ok(())
        })
        .await
    }

    /// All, oldest first.
    pub async fn user_list(&self) -> Result<Vec<UserRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing users"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn is_stopped(user: &UserRecord) -> bool {
    user.suspended_ms.is_some() || user.archived_ms.is_some()
}

fn to_row(record: &UserRecord) -> row::ActiveModel {
    row::ActiveModel {
        id: Set(record.id.to_string()),
        organization: Set(record.organization.to_string()),
        name: Set(record.name.clone()),
        email: Set(record.email.clone()),
        role: Set(record.role.name().to_owned()),
        project: Set(record.project.map(|id| id.to_string())),
        policy: Set(record.policy.clone()),
        created_ms: Set(signed(record.created_ms)),
        suspended_ms: Set(record.suspended_ms.map(signed)),
        archived_ms: Set(record.archived_ms.map(signed)),
    }
}

fn from_row(row: row::Model) -> Result<UserRecord, StoreError> {
    let role = Role::from_name(&row.role);
    Ok(UserRecord {
        id: row.id.parse().map_err(corrupt("reading a user's id"))?,
        organization: row.organization.parse().map_err(corrupt("reading a user's organization"))?,
        name: row.name,
        email: row.email,
        role: role.ok_or_else(|| corrupt("reading a user's role")(row.role.clone()))?,
        project: row.project.map(|id| id.parse().map_err(corrupt("reading a user's project"))).transpose()?,
        policy: row.policy,
        created_ms: unsigned(row.created_ms),
        suspended_ms: row.suspended_ms.map(unsigned),
        archived_ms: row.archived_ms.map(unsigned),
    })
}
