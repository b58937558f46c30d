//! Images that were made of sessions.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0180_image"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(image()).await?;
        // Two images of one name could not be told apart by it.
        let name = Index::create().name("image_name").table("image").col("owner").col("name").unique().to_owned();
        manager.create_index(name).await?;
        manager.create_index(Index::create().name("image_shared").table("image").col("shared_with").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("image").to_owned()).await
    }
}

fn image() -> TableCreateStatement {
    Table::create()
        .table("image")
        .col(schema::text("id").primary_key())
        .col(schema::text("name"))
        .col(schema::text("owner"))
        .col(schema::text("project"))
        .col(schema::text("organization"))
        .col(schema::text_null("shared_with"))
        .col(schema::text_null("digest"))
        .col(schema::big_integer("size_bytes"))
        .col(schema::text("base"))
        .col(schema::text("languages"))
        .col(schema::text("session"))
        .col(schema::text("node"))
        .col(schema::big_integer("created_ms"))
        .to_owned()
}
