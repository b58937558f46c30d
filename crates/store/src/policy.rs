//! Resource policies by name.

use madang_model::policy::PolicyLimits;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder, sea_query::OnConflict};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, signed, unsigned},
};

/// A policy as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    pub name: String,
    pub limits: PolicyLimits,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "policy")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub limits: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Makes the policy, or replaces what it allows.
    pub async fn policy_set(&self, record: &PolicyRecord) -> Result<(), StoreError> {
        let model = row::ActiveModel {
            name: Set(record.name.clone()),
            limits: Set(serde_json::to_string(&record.limits).map_err(corrupt("writing a policy"))?),
            created_ms: Set(signed(record.created_ms)),
        };
        let replace = OnConflict::column(row::Column::Name).update_column(row::Column::Limits).to_owned();
        self.directory_change(async |connection| {
            let insert = row::Entity::insert(model).on_conflict(replace);
            insert.exec_without_returning(connection).await.map_err(doing("keeping a policy"))?;
            Ok(())
        })
        .await
    }

    /// One that is not there is left as it is.
    pub async fn policy_remove(&self, name: &str) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            row::Entity::delete_by_id(name.to_owned()).exec(connection).await.map_err(doing("ending a policy"))?;
            Ok(())
        })
        .await
    }

    /// All, by name.
    pub async fn policy_list(&self) -> Result<Vec<PolicyRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Name)
            .all(&self.reader)
            .await
            .map_err(doing("listing policies"))?;
        let record = |row: row::Model| {
            Ok(PolicyRecord {
                limits: serde_json::from_str(&row.limits).map_err(corrupt("reading a policy"))?,
                name: row.name,
                created_ms: unsigned(row.created_ms),
            })
        };
        rows.into_iter().map(record).collect()
    }
}
