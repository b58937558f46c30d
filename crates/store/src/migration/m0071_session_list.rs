//! What lists of sessions are filtered and sorted by.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*};

use crate::session_list::spec_field_sql;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0071_session_list"
    }
}

/// Columns, each with the id behind it, so that a page is read in order.
const COLUMNS: [(&str, &str); 4] = [
    ("session_state", "state"),
    ("session_live", "ended_ms"),
    ("session_name", "name"),
    ("session_created", "created_ms"),
];
/// Fields of the body: of a column a row of the program before would not have it.
const FIELDS: [(&str, &str); 2] = [("session_image", "image"), ("session_language", "language")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, column) in COLUMNS {
            manager.create_index(Index::create().name(name).table("session").col(column).col("id").to_owned()).await?;
        }
        for (name, field) in FIELDS {
            let field = spec_field_sql(field, manager.get_database_backend());
            let sql = format!("CREATE INDEX {name} ON session ({field}, id)");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in COLUMNS.into_iter().chain(FIELDS) {
            manager.drop_index(Index::drop().name(name).table("session").to_owned()).await?;
        }
        Ok(())
    }
}
