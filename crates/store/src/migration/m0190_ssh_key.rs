//! Public keys that users sign in with over SSH.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0190_ssh_key"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(ssh_key()).await?;
        // A key is one user's: two could not be told apart by it.
        let fingerprint =
            Index::create().name("ssh_key_fingerprint").table("ssh_key").col("fingerprint").unique().to_owned();
        manager.create_index(fingerprint).await?;
        manager.create_index(Index::create().name("ssh_key_owner").table("ssh_key").col("owner").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("ssh_key").to_owned()).await
    }
}

fn ssh_key() -> TableCreateStatement {
    Table::create()
        .table("ssh_key")
        .col(schema::text("id").primary_key())
        .col(schema::text("owner"))
        .col(schema::text("name"))
        .col(schema::text("fingerprint"))
        .col(schema::text("public_key"))
        .col(schema::text("made_by"))
        .col(schema::big_integer("created_ms"))
        .to_owned()
}
