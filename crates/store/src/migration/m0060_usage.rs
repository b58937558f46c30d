//! What was used: how far each sandbox was counted, the records, and their sums by day.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

/// Counters that records and days have; sums of [`Usage`](madang_model::Usage), and what it cost.
const COUNTERS: [&str; 10] = [
    "wall_us",
    "cpu_user_us",
    "cpu_system_us",
    "memory_kib_ms",
    "read_bytes",
    "written_bytes",
    "received_bytes",
    "sent_bytes",
    "accelerator_us",
    "cost_nano",
];

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0060_usage"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [meter(), record(), day()] {
            manager.create_table(table).await?;
        }
        let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
            let mut index = Index::create().name(name).table(table).to_owned();
            for column in columns {
                index.col(*column);
            }
            index
        };
        let by_session = index("usage_meter_of_session", "usage_meter", &["session"]);
        let by_time = index("usage_record_at", "usage_record", &["at_ms", "subject", "sequence"]);
        let by_owner = index("usage_record_of_owner", "usage_record", &["owner", "at_ms"]);
        for index in [by_session, by_time, by_owner] {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["usage_day", "usage_record", "usage_meter"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// One row for each sandbox of a session: the newest reading that was counted.
fn meter() -> TableCreateStatement {
    Table::create()
        .table("usage_meter")
        .col(schema::text("sandbox").primary_key())
        .col(schema::text("session"))
        .col(schema::text("node"))
        .col(schema::big_integer("sequence"))
        .col(schema::big_integer("at_ms"))
        .col(schema::boolean("last"))
        .col(schema::text("usage"))
        .col(schema::big_integer("cost_nano"))
        .to_owned()
}

/// Append-only. A subject is a sandbox or a one-shot run.
fn record() -> TableCreateStatement {
    let mut table = Table::create()
        .table("usage_record")
        .col(schema::text("subject"))
        .col(schema::big_integer("sequence"))
        .col(schema::big_integer("at_ms"))
        .col(schema::text("owner"))
        .col(schema::text("project"))
        .col(schema::text("organization"))
        .col(schema::text_null("session"))
        .col(schema::text("image"))
        .col(schema::text("language"))
        .col(schema::text("node"))
        .col(schema::big_integer("memory_peak_bytes"))
        .primary_key(Index::create().col("subject").col("sequence"))
        .to_owned();
    for counter in COUNTERS {
        table.col(schema::big_integer(counter));
    }
    table
}

fn day() -> TableCreateStatement {
    let key = ["day", "organization", "project", "owner", "image", "language", "node"];
    let mut primary = Index::create();
    for column in key {
        primary.col(column);
    }
    let mut table = Table::create().table("usage_day").col(schema::big_integer("day")).to_owned();
    for column in &key[1..] {
        table.col(schema::text(*column));
    }
    table.col(schema::big_integer("records")).col(schema::big_integer("memory_peak_bytes"));
    for counter in COUNTERS {
        table.col(schema::big_integer(counter));
    }
    table.primary_key(&mut primary);
    table
}
