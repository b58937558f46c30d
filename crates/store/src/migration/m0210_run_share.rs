//! What runs of sessions were given, and links to runs.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0210_run_share"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(run_given()).await?;
        manager.create_table(run_share()).await?;
        let hash = Index::create().name("run_share_hash").table("run_share").col("hash").unique().to_owned();
        manager.create_index(hash).await?;
        manager.create_index(Index::create().name("run_share_run").table("run_share").col("run").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("run_share").to_owned()).await?;
        manager.drop_table(Table::drop().table("run_given").to_owned()).await
    }
}

fn run_given() -> TableCreateStatement {
    Table::create()
        .table("run_given")
        .col(schema::text("run").primary_key())
        .col(schema::text("title"))
        .col(schema::text("given"))
        .to_owned()
}

fn run_share() -> TableCreateStatement {
    Table::create()
        .table("run_share")
        .col(schema::text("id").primary_key())
        .col(schema::text("run"))
        .col(schema::text("hash"))
        .col(schema::text("made_by"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("expires_ms"))
        .to_owned()
}
