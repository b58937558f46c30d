//! Resource policies, and what sessions hold as columns, so that the database can sum it up.

use madang_model::policy::DEFAULT_POLICY;
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0022_policy"
    }
}

/// Columns of a session and where its body has the same.
const HELD: [(&str, &str); 3] =
    [("cpu_millis", "cpu_millis"), ("memory_bytes", "memory_bytes"), ("disk_bytes", "disk_bytes")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let policy = Table::create()
            .table("policy")
            .col(schema::text("name").primary_key())
            .col(schema::text("limits"))
            .col(schema::big_integer("created_ms"))
            .to_owned();
        manager.create_table(policy).await?;
        let first = Query::insert()
            .into_table("policy")
            .columns(["name", "limits", "created_ms"])
            .values_panic([DEFAULT_POLICY.into(), "{}".into(), 0_i64.into()])
            .to_owned();
        manager.get_connection().execute(&first).await?;
        for (column, _) in HELD {
            let column = schema::big_integer(column).default(0).take();
            manager.alter_table(Table::alter().table("session").add_column(column).to_owned()).await?;
        }
        let key = schema::text_null("access_key").take();
        manager.alter_table(Table::alter().table("session").add_column(key).to_owned()).await?;
        fill_live(manager).await
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("policies cannot be taken away again; restore a backup".into()))
    }
}

/// Sessions that live keep what they hold; those that have ended hold nothing.
async fn fill_live(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let live =
        Query::select().columns(["id", "body"]).from("session").and_where(Expr::col("ended_ms").is_null()).to_owned();
    for row in connection.query_all(&live).await? {
        let (id, body): (String, String) = (row.try_get("", "id")?, row.try_get("", "body")?);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let mut fill = Query::update().table("session").and_where(Expr::col("id").eq(id)).to_owned();
        for (column, field) in HELD {
            fill.value(column, body["spec"]["limits"][field].as_i64().unwrap_or(0));
        }
        connection.execute(&fill).await?;
    }
    Ok(())
}
