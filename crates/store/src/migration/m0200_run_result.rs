//! Where the result of a run is, if not in its row; and objects with results that no run names.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0200_run_result"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = schema::text_null("result");
        manager.alter_table(Table::alter().table("run").add_column(column).to_owned()).await?;
        manager.create_table(result_object()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("result_object").to_owned()).await?;
        manager.alter_table(Table::alter().table("run").drop_column("result").to_owned()).await
    }
}

fn result_object() -> TableCreateStatement {
    Table::create()
        .table("result_object")
        .col(schema::text("key").primary_key())
        .col(schema::big_integer("since_ms"))
        .to_owned()
}
