//! How long things are kept, where somebody said so.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0081_retention"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let retention = Table::create()
            .table("retention")
            .col(schema::text("id").primary_key())
            // JSON.
            .col(schema::text("settings"))
            .col(schema::text("changed_by"))
            .col(schema::big_integer("changed_ms"))
            .to_owned();
        manager.create_table(retention).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("retention").to_owned()).await
    }
}
