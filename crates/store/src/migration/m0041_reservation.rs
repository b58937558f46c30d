//! Slots promised for a time.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0041_reservation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let reservation = Table::create()
            .table("reservation")
            .col(schema::text("id").primary_key())
            .col(schema::text("resource_group"))
            .col(schema::text("owner"))
            .col(schema::text("project"))
            .col(schema::text("organization"))
            .col(schema::text("body"))
            .col(schema::big_integer("starts_ms"))
            .col(schema::big_integer("ends_ms"))
            .to_owned();
        manager.create_table(reservation).await?;
        let by_end = Index::create().name("reservation_ends").table("reservation").col("ends_ms").to_owned();
        manager.create_index(by_end).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("reservation").to_owned()).await
    }
}
