//! Prices: what a unit of use costs from when on. Those that have begun are never changed.

use madang_ids::{PriceId, UserId};
use madang_model::{Price, PricedUnit};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};

use crate::{
    Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
};

/// A price as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRecord {
    pub id: PriceId,
    pub price: Price,
    pub currency: String,
    pub created_by: UserId,
    pub created_ms: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "price")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub unit: String,
        pub micro: i64,
        pub currency: String,
        pub from_ms: i64,
        pub created_by: String,
        pub created_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Refuses one of a unit that has a price from the same moment.
    pub async fn price_insert(&self, record: &PriceRecord) -> Result<(), StoreError> {
        let model = row::ActiveModel {
            id: Set(record.id.to_string()),
            unit: Set(record.price.unit.name().to_owned()),
            micro: Set(signed(record.price.micro)),
            currency: Set(record.currency.clone()),
            from_ms: Set(signed(record.price.from_ms)),
            created_by: Set(record.created_by.to_string()),
            created_ms: Set(signed(record.created_ms)),
        };
        let taken = format!("a price of {} from that moment", record.price.unit.name());
        self.directory_change(async |connection| {
            let insert = row::Entity::insert(model).exec_without_returning(connection).await;
            insert.map_err(inserting("keeping a price", taken))?;
            Ok(())
        })
        .await
    }

    /// One that is not there is left so.
    pub async fn price_remove(&self, id: PriceId) -> Result<(), StoreError> {
        self.directory_change(async |connection| {
            row::Entity::delete_by_id(id.to_string()).exec(connection).await.map_err(doing("taking a price back"))?;
            Ok(())
        })
        .await
    }

    /// All there have been and will be, by unit and then by when they begin.
    pub async fn price_list(&self) -> Result<Vec<PriceRecord>, StoreError> {
        let rows = row::Entity::find()
            .order_by_asc(row::Column::Unit)
            .order_by_asc(row::Column::FromMs)
            .all(&self.reader)
            .await
            .map_err(doing("listing prices"))?;
        rows.into_iter().map(from_row).collect()
    }
}

fn from_row(row: row::Model) -> Result<PriceRecord, StoreError> {
    const DOING: &str = "reading a price";
    let unit = PricedUnit::from_name(&row.unit);
    let unit = unit.ok_or_else(|| corrupt(DOING)(format!("nobody knows the unit {}", row.unit)))?;
    Ok(PriceRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        price: Price { unit, micro: unsigned(row.micro), from_ms: unsigned(row.from_ms) },
        currency: row.currency,
        created_by: row.created_by.parse().map_err(corrupt(DOING))?,
        created_ms: unsigned(row.created_ms),
    })
}
