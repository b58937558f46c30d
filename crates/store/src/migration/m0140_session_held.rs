//! What sessions held of their resource group and for how long, without their bodies: whoever begins to lead a group sums it up.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

use crate::session_list::POSTGRES_BODY;

pub(crate) struct Migration;

/// All that the sum reads, in the order of its range: no row is looked up. A session is written there once, when it ends.
const INDEX: &str = "CREATE INDEX session_held ON session (resource_group, ended_ms, started_ms, owner, cpu_millis, \
    memory_bytes, disk_bytes, accelerator_millis) WHERE ended_ms IS NOT NULL";

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0140_session_held"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let group = schema::text("resource_group").default("").take();
        for column in [group, schema::big_integer_null("started_ms")] {
            manager.alter_table(Table::alter().table("session").add_column(column).to_owned()).await?;
        }
        let connection = manager.get_connection();
        connection.execute_unprepared(&known_already(manager.get_database_backend())).await?;
        connection.execute_unprepared(INDEX).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name("session_held").table("session").to_owned()).await?;
        for column in ["resource_group", "started_ms"] {
            manager.alter_table(Table::alter().table("session").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

/// What the bodies of sessions say.
fn known_already(backend: DbBackend) -> String {
    let (group, started) = match backend {
        DbBackend::Postgres => (
            format!("({POSTGRES_BODY} #>> '{{spec,queueing,resource_group}}')"),
            format!("CAST({POSTGRES_BODY} ->> 'started_ms' AS BIGINT)"),
        ),
        _ => (
            "json_extract(body, '$.spec.queueing.resource_group')".to_owned(),
            "json_extract(body, '$.started_ms')".to_owned(),
        ),
    };
    format!("UPDATE session SET resource_group = COALESCE({group}, ''), started_ms = {started}")
}
