//! Reservations: slots of a resource group promised to a project for a time.

use madang_ids::ReservationId;
use madang_model::{Limits, Owner};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    owner::owner_read,
};

/// A reservation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRecord {
    pub id: ReservationId,
    pub resource_group: String,
    /// Who made it, and the project it is for.
    pub owner: Owner,
    pub image: String,
    pub language: Option<String>,
    /// Of each slot.
    pub limits: Limits,
    pub slots: u32,
    pub starts_ms: u64,
    pub ends_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Body {
    image: String,
    language: Option<String>,
    limits: Limits,
    slots: u32,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "reservation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub resource_group: String,
        pub owner: String,
        pub project: String,
        pub organization: String,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub starts_ms: i64,
        pub ends_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    pub async fn reservation_insert(&self, record: &ReservationRecord) -> Result<(), StoreError> {
        let body = Body {
            image: record.image.clone(),
            language: record.language.clone(),
            limits: record.limits,
            slots: record.slots,
        };
        let model = row::ActiveModel {
            id: Set(record.id.to_string()),
            resource_group: Set(record.resource_group.clone()),
            owner: Set(record.owner.user.to_string()),
            project: Set(record.owner.project.to_string()),
            organization: Set(record.owner.organization.to_string()),
            body: Set(serde_json::to_string(&body).map_err(corrupt("writing a reservation"))?),
            starts_ms: Set(signed(record.starts_ms)),
            ends_ms: Set(signed(record.ends_ms)),
        };
        row::Entity::insert(model)
            .exec_without_returning(&self.writer)
            .await
            .map_err(inserting("keeping a reservation", format!("reservation {}", record.id)))?;
        Ok(())
    }

    /// Those that are not over at this time, the first to begin first.
    pub async fn reservation_list(&self, at_ms: u64) -> Result<Vec<ReservationRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::EndsMs.gt(signed(at_ms)))
            .order_by_asc(row::Column::StartsMs)
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing reservations"))?;
        rows.into_iter().map(from_row).collect()
    }

    pub async fn reservation_remove(&self, id: ReservationId) -> Result<(), StoreError> {
        row::Entity::delete_by_id(id.to_string())
            .exec(&self.writer)
            .await
            .map_err(doing("taking a reservation back"))?;
        Ok(())
    }

    /// Forgets what was over before a time.
    pub async fn reservation_prune(&self, ended_before_ms: u64) -> Result<u64, StoreError> {
        let old = row::Entity::delete_many().filter(row::Column::EndsMs.lt(signed(ended_before_ms)));
        Ok(old.exec(&self.writer).await.map_err(doing("forgetting old reservations"))?.rows_affected)
    }
}

fn from_row(row: row::Model) -> Result<ReservationRecord, StoreError> {
    let body: Body = serde_json::from_str(&row.body).map_err(corrupt("reading a reservation"))?;
    Ok(ReservationRecord {
        id: row.id.parse().map_err(corrupt("reading a reservation's id"))?,
        resource_group: row.resource_group,
        owner: owner_read(&row.owner, &row.project, &row.organization)?,
        image: body.image,
        language: body.language,
        limits: body.limits,
        slots: body.slots,
        starts_ms: unsigned(row.starts_ms),
        ends_ms: unsigned(row.ends_ms),
    })
}
