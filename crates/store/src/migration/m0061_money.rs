//! What use costs, and what may be spent.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0061_money"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let price = Table::create()
            .table("price")
            .col(schema::text("id").primary_key())
            .col(schema::text("unit"))
            .col(schema::big_integer("micro"))
            .col(schema::text("currency"))
            .col(schema::big_integer("from_ms"))
            .col(schema::text("created_by"))
            .col(schema::big_integer("created_ms"))
            .index(Index::create().unique().name("price_of_unit").col("unit").col("from_ms"))
            .to_owned();
        let budget = Table::create()
            .table("budget")
            .col(schema::text("id").primary_key())
            .col(schema::text("holder"))
            .col(schema::text("body"))
            .col(schema::text("created_by"))
            .col(schema::big_integer("created_ms"))
            .to_owned();
        manager.create_table(price).await?;
        manager.create_table(budget).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("budget").to_owned()).await?;
        manager.drop_table(Table::drop().table("price").to_owned()).await
    }
}
