//! Sessions, runs, tokens and idempotency keys.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [session(), run(), token(), idempotency()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["session", "run", "token", "idempotency"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn session() -> TableCreateStatement {
    Table::create()
        .table("session")
        .col(schema::text("id").primary_key())
        .col(schema::text("name"))
        // The name while the session lives, else null: unique among the living in every dialect.
        .col(schema::text_null("live_name").unique_key())
        .col(schema::text("state"))
        .col(schema::big_integer("generation"))
        .col(schema::text("body"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer_null("ended_ms"))
        .to_owned()
}

fn run() -> TableCreateStatement {
    Table::create()
        .table("run")
        .col(schema::text("id").primary_key())
        .col(schema::text_null("session"))
        .col(schema::text("mode"))
        .col(schema::text_null("language"))
        .col(schema::text_null("verdict"))
        .col(schema::boolean("truncated"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer_null("finished_ms"))
        .col(ColumnDef::new("events").blob().not_null().take())
        .to_owned()
}

fn token() -> TableCreateStatement {
    Table::create()
        .table("token")
        .col(schema::text("id").primary_key())
        .col(schema::text("name"))
        .col(schema::text("hash").unique_key())
        .col(schema::big_integer("created_ms"))
        .to_owned()
}

fn idempotency() -> TableCreateStatement {
    Table::create()
        .table("idempotency")
        .col(schema::text("key").primary_key())
        .col(schema::text("fingerprint"))
        .col(schema::text("subject"))
        .col(schema::big_integer("created_ms"))
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, column: &'static str| {
        Index::create().name(name).table(table).col(column).to_owned()
    };
    vec![
        index("run_of_session", "run", "session"),
        index("run_finished", "run", "finished_ms"),
        index("session_ended", "session", "ended_ms"),
        index("idempotency_created", "idempotency", "created_ms"),
    ]
}
