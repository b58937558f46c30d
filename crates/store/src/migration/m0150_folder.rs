//! Folders, whom they are shared with, and who is invited to them.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0150_folder"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(folder()).await?;
        manager.create_table(share()).await?;
        manager.create_table(invitation()).await?;
        let to = Index::create().name("folder_share_to").table("folder_share").col("grantee").to_owned();
        manager.create_index(to).await?;
        let to = Index::create().name("folder_invitation_to").table("folder_invitation").col("invitee").to_owned();
        manager.create_index(to).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["folder_invitation", "folder_share", "folder"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn folder() -> TableCreateStatement {
    Table::create()
        .table("folder")
        .col(schema::text("id").primary_key())
        .col(schema::text("name"))
        // Null in the trash: the name is free.
        .col(schema::text_null("living_name"))
        .col(schema::text("owner"))
        .col(schema::text("organization"))
        .col(schema::text("mode"))
        .col(schema::text("permission"))
        .col(schema::boolean("cloneable"))
        .col(schema::text("state"))
        .col(schema::text("body"))
        .col(schema::text("node"))
        .col(schema::big_integer("generation"))
        .col(schema::text("created_by"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("changed_ms"))
        .index(Index::create().unique().name("folder_living").col("owner").col("living_name"))
        .to_owned()
}

fn share() -> TableCreateStatement {
    Table::create()
        .table("folder_share")
        .col(schema::text("folder"))
        .col(schema::text("grantee"))
        .col(schema::text("permission"))
        .col(schema::text("created_by"))
        .col(schema::big_integer("created_ms"))
        .primary_key(Index::create().col("folder").col("grantee"))
        .to_owned()
}

fn invitation() -> TableCreateStatement {
    Table::create()
        .table("folder_invitation")
        .col(schema::text("id").primary_key())
        .col(schema::text("folder"))
        .col(schema::text("invitee"))
        // Null once it is decided: the next may come.
        .col(schema::text_null("pending_invitee"))
        .col(schema::text("permission"))
        .col(schema::text("state"))
        .col(schema::text("created_by"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("expires_ms"))
        .col(schema::big_integer_null("decided_ms"))
        .index(Index::create().unique().name("folder_invitation_pending").col("folder").col("pending_invitee"))
        .to_owned()
}
