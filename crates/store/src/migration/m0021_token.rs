//! What a token is for, and until when. Tokens from before are for everything, for ever.

use madang_model::Scopes;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0021_token"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let scopes = schema::text("scopes").default(Scopes::ALL.to_string()).take();
        for column in [scopes, schema::big_integer_null("expires_ms")] {
            manager.alter_table(Table::alter().table("token").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("scopes cannot be taken away again: every token would be for everything".into()))
    }
}
