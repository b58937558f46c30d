//! Ways to sign in: access keys and the nonces they have used, passwords, browsers, one-time links, failures, other providers' users.

use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

const TABLES: [&str; 8] =
    ["access_key", "nonce", "password", "signin", "link", "signin_failure", "provider_user", "server_key"];

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0031_signin"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in
            [access_key(), nonce(), password(), signin(), link(), signin_failure(), provider_user(), server_key()]
        {
            manager.create_table(table).await?;
        }
        for (name, table, column) in [
            ("access_key_owner", "access_key", "owner"),
            ("nonce_expires", "nonce", "expires_ms"),
            ("signin_user", "signin", "user"),
            ("link_user", "link", "user"),
        ] {
            manager.create_index(Index::create().name(name).table(table).col(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn access_key() -> TableCreateStatement {
    Table::create()
        .table("access_key")
        .col(schema::text("id").primary_key())
        .col(schema::text("owner"))
        .col(schema::text("name"))
        // Sealed with the server's key, hexadecimal: signatures can only be checked with the secret itself.
        .col(schema::text("sealed"))
        .col(schema::text("signing"))
        .col(schema::text_null("policy"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("rotated_ms"))
        .col(schema::big_integer_null("expires_ms"))
        .col(schema::big_integer_null("suspended_ms"))
        .to_owned()
}

fn nonce() -> TableCreateStatement {
    Table::create()
        .table("nonce")
        .col(schema::text("access_key"))
        .col(schema::text("nonce"))
        .col(schema::big_integer("expires_ms"))
        .primary_key(Index::create().col("access_key").col("nonce"))
        .to_owned()
}

fn password() -> TableCreateStatement {
    Table::create()
        .table("password")
        .col(schema::text("user").primary_key())
        .col(schema::text("hash"))
        .col(schema::big_integer("changed_ms"))
        .to_owned()
}

fn signin() -> TableCreateStatement {
    Table::create()
        .table("signin")
        .col(schema::text("id").primary_key())
        .col(schema::text("user"))
        .col(schema::text("hash").unique_key())
        .col(schema::text("method"))
        .col(schema::text("address"))
        .col(schema::text("agent"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("seen_ms"))
        .col(schema::big_integer("expires_ms"))
        .to_owned()
}

fn link() -> TableCreateStatement {
    Table::create()
        .table("link")
        .col(schema::text("id").primary_key())
        .col(schema::text("user"))
        .col(schema::text("kind"))
        .col(schema::text("hash").unique_key())
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer("expires_ms"))
        .col(schema::big_integer_null("used_ms"))
        .to_owned()
}

fn signin_failure() -> TableCreateStatement {
    Table::create()
        .table("signin_failure")
        .col(schema::text("key").primary_key())
        .col(schema::big_integer("count"))
        .col(schema::big_integer("until_ms"))
        .col(schema::big_integer("expires_ms"))
        .to_owned()
}

fn provider_user() -> TableCreateStatement {
    Table::create()
        .table("provider_user")
        .col(schema::text("issuer"))
        .col(schema::text("subject"))
        .col(schema::text("user"))
        .col(schema::big_integer("created_ms"))
        .primary_key(Index::create().col("issuer").col("subject"))
        .to_owned()
}

fn server_key() -> TableCreateStatement {
    Table::create()
        .table("server_key")
        .col(schema::big_integer("id").primary_key())
        .col(schema::text("fingerprint"))
        // Only where several servers share the database and no file was named for it.
        .col(schema::text_null("key"))
        .to_owned()
}
