//! What the service takes, and announcements.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0070_service"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(service()).await?;
        manager.create_table(announcement()).await?;
        let until = Index::create().name("announcement_until").table("announcement").col("until_ms").to_owned();
        manager.create_index(until).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["announcement", "service"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// One row.
fn service() -> TableCreateStatement {
    Table::create()
        .table("service")
        .col(schema::text("id").primary_key())
        .col(schema::text("state"))
        .col(schema::text("reason"))
        .col(schema::text("changed_by"))
        .col(schema::big_integer("changed_ms"))
        .to_owned()
}

fn announcement() -> TableCreateStatement {
    Table::create()
        .table("announcement")
        .col(schema::text("id").primary_key())
        .col(schema::text("level"))
        .col(schema::text("audience"))
        // Language to text, JSON.
        .col(schema::text("texts"))
        .col(schema::big_integer("from_ms"))
        // Of one without an end: the greatest number there is.
        .col(schema::big_integer("until_ms"))
        .col(schema::text("created_by"))
        .col(schema::big_integer("created_ms"))
        .to_owned()
}
