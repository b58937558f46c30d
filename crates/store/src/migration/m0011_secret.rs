//! Secrets that control processes share, and where nodes reach a control process.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0011_secret"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let secret = Table::create()
            .table("secret")
            .col(schema::text("name").primary_key())
            .col(ColumnDef::new("value").blob().not_null().take())
            .to_owned();
        manager.create_table(secret).await?;
        let address = Table::alter().table("control_process").add_column(schema::text_null("nodes_address")).to_owned();
        manager.alter_table(address).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("secret").to_owned()).await
    }
}
