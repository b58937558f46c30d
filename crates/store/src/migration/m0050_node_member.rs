//! Nodes that join over the network: the tokens that let them in, their keys, their certificates.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0050_node_member"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let token = Table::create()
            .table("node_token")
            .col(schema::text("id").primary_key())
            .col(schema::text("hash").unique_key())
            .col(schema::text("resource_group"))
            .col(schema::big_integer("uses_left"))
            .col(schema::big_integer("created_ms"))
            .col(schema::big_integer("expires_ms"))
            .to_owned();
        manager.create_table(token).await?;
        let member = Table::create()
            .table("node_member")
            .col(schema::text("node").primary_key())
            .col(schema::text("key").unique_key())
            .col(schema::big_integer("joined_ms"))
            .to_owned();
        manager.create_table(member).await?;
        let certificate = Table::create()
            .table("node_certificate")
            .col(schema::text("fingerprint").primary_key())
            .col(schema::text("node"))
            .col(schema::big_integer("ends_ms"))
            .to_owned();
        manager.create_table(certificate).await?;
        let by_node = Index::create().name("node_certificate_node").table("node_certificate").col("node").to_owned();
        manager.create_index(by_node).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["node_certificate", "node_member", "node_token"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
