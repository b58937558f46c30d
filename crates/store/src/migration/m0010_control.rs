//! Control processes, and the leases by which one of them leads.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0010_control"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [control_process(), lease()] {
            manager.create_table(table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["lease", "control_process"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn control_process() -> TableCreateStatement {
    Table::create()
        .table("control_process")
        .col(schema::text("id").primary_key())
        // Where the other processes reach it; null if they cannot.
        .col(schema::text_null("address"))
        .col(schema::text("version"))
        .col(schema::big_integer("started_ms"))
        .col(schema::big_integer("seen_ms"))
        .to_owned()
}

fn lease() -> TableCreateStatement {
    Table::create()
        .table("lease")
        .col(schema::text("name").primary_key())
        .col(schema::text("holder"))
        .col(schema::big_integer("term"))
        .col(schema::big_integer("until_ms"))
        .to_owned()
}
