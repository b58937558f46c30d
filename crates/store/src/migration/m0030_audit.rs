//! The audit log, which the database itself keeps append-only. What is older than the newest mark in `audit_prune` may be forgotten; marks
//! stay for ever.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

const SQLITE: [&str; 4] = [
    "CREATE TRIGGER audit_update_refused BEFORE UPDATE ON audit \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_delete_refused BEFORE DELETE ON audit \
     WHEN OLD.at_ms >= COALESCE((SELECT MAX(before_ms) FROM audit_prune), 0) \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_prune_update_refused BEFORE UPDATE ON audit_prune \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_prune_delete_refused BEFORE DELETE ON audit_prune \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
];

const POSTGRES: [&str; 5] = [
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' THEN \
       IF OLD.at_ms < COALESCE((SELECT MAX(before_ms) FROM audit_prune), 0) THEN RETURN OLD; END IF; \
     END IF; \
     RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_refused BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_truncate_refused BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_prune_refused BEFORE UPDATE OR DELETE ON audit_prune \
     FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_prune_truncate_refused BEFORE TRUNCATE ON audit_prune EXECUTE FUNCTION audit_refuse()",
];

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0030_audit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(audit()).await?;
        manager.create_table(mark()).await?;
        for (name, column) in [("audit_actor", "actor"), ("audit_subject", "subject"), ("audit_request", "request")] {
            let index = Index::create().name(name).table("audit").col(column).col("id").to_owned();
            manager.create_index(index).await?;
        }
        let triggers: &[&str] = match manager.get_database_backend() {
            DbBackend::Postgres => &POSTGRES,
            _ => &SQLITE,
        };
        for trigger in triggers {
            manager.get_connection().execute_unprepared(trigger).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["audit", "audit_prune"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared("DROP FUNCTION audit_refuse()").await?;
        }
        Ok(())
    }
}

fn audit() -> TableCreateStatement {
    Table::create()
        .table("audit")
        .col(schema::text("id").primary_key())
        .col(schema::big_integer("at_ms"))
        .col(schema::text_null("actor"))
        .col(schema::text("name"))
        .col(schema::text_null("organization"))
        .col(schema::text("via"))
        .col(schema::text("address"))
        .col(schema::text("operation"))
        .col(schema::text("path"))
        .col(schema::text_null("subject"))
        .col(schema::integer("status"))
        .col(schema::text_null("code"))
        .col(schema::text("request"))
        .to_owned()
}

fn mark() -> TableCreateStatement {
    Table::create()
        .table("audit_prune")
        .col(schema::big_integer("before_ms").primary_key())
        .col(schema::big_integer("at_ms"))
        .to_owned()
}
