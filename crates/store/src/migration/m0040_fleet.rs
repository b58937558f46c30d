//! Resource groups and the nodes in them.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0040_fleet"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let group = Table::create()
            .table("resource_group")
            .col(schema::text("name").primary_key())
            .col(schema::text("settings"))
            .to_owned();
        manager.create_table(group).await?;
        let node = Table::create()
            .table("node")
            .col(schema::text("id").primary_key())
            .col(schema::text("name").unique_key())
            .col(schema::text("resource_group"))
            .col(schema::text("state"))
            .col(schema::big_integer("created_ms"))
            .to_owned();
        manager.create_table(node).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["node", "resource_group"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
