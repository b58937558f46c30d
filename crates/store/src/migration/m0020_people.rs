//! Organizations, projects, users, memberships; sessions, runs and tokens get owners. What was there before belongs to the administrator.

use madang_model::person::{ADMINISTRATOR, DEFAULT_ORGANIZATION, DEFAULT_PROJECT, ProjectRole, Role};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, prelude::*, schema};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0020_people"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [organization(), project(), user(), membership(), directory()] {
            manager.create_table(table).await?;
        }
        for row in first_rows() {
            manager.get_connection().execute(&row).await?;
        }
        for column in owner_columns() {
            manager.alter_table(column).await?;
        }
        manager.get_connection().execute(&live_names_of_the_administrator()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("owners cannot be taken away again; restore a backup".into()))
    }
}

fn organization() -> TableCreateStatement {
    Table::create()
        .table("organization")
        .col(schema::text("id").primary_key())
        .col(schema::text("name").unique_key())
        .col(schema::text_null("policy"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer_null("archived_ms"))
        .to_owned()
}

fn project() -> TableCreateStatement {
    Table::create()
        .table("project")
        .col(schema::text("id").primary_key())
        .col(schema::text("organization"))
        .col(schema::text("name"))
        .col(schema::text_null("policy"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer_null("archived_ms"))
        .index(Index::create().unique().name("project_name").col("organization").col("name"))
        .to_owned()
}

fn user() -> TableCreateStatement {
    Table::create()
        .table("user")
        .col(schema::text("id").primary_key())
        .col(schema::text("organization"))
        .col(schema::text("name").unique_key())
        .col(schema::text_null("email"))
        .col(schema::text("role"))
        // Where its work belongs unless a request says otherwise.
        .col(schema::text_null("project"))
        .col(schema::text_null("policy"))
        .col(schema::big_integer("created_ms"))
        .col(schema::big_integer_null("suspended_ms"))
        .col(schema::big_integer_null("archived_ms"))
        .to_owned()
}

fn membership() -> TableCreateStatement {
    Table::create()
        .table("membership")
        .col(schema::text("project"))
        .col(schema::text("user"))
        .col(schema::text("role"))
        .col(schema::big_integer("created_ms"))
        .primary_key(Index::create().col("project").col("user"))
        .to_owned()
}

/// One row whose version grows with every change of people, so that every process sees soon that it has to read them again.
fn directory() -> TableCreateStatement {
    Table::create()
        .table("directory")
        .col(schema::big_integer("id").primary_key())
        .col(schema::big_integer("version"))
        .to_owned()
}

fn first_rows() -> [InsertStatement; 5] {
    let insert = |table: &'static str, columns: &[&'static str], values: Vec<Expr>| {
        let columns = columns.iter().map(|name| Alias::new(*name));
        Query::insert().into_table(table).columns(columns).values_panic(values).to_owned()
    };
    let (organization, project) = (DEFAULT_ORGANIZATION.to_string(), DEFAULT_PROJECT.to_string());
    let administrator = ADMINISTRATOR.to_string();
    [
        insert(
            "organization",
            &["id", "name", "created_ms"],
            vec![organization.as_str().into(), "default".into(), 0_i64.into()],
        ),
        insert(
            "project",
            &["id", "organization", "name", "created_ms"],
            vec![project.as_str().into(), organization.as_str().into(), "default".into(), 0_i64.into()],
        ),
        insert(
            "user",
            &["id", "organization", "name", "role", "project", "created_ms"],
            vec![
                administrator.as_str().into(),
                organization.as_str().into(),
                "administrator".into(),
                Role::SystemAdministrator.name().into(),
                project.as_str().into(),
                0_i64.into(),
            ],
        ),
        insert(
            "membership",
            &["project", "user", "role", "created_ms"],
            vec![
                project.as_str().into(),
                administrator.as_str().into(),
                ProjectRole::ProjectManager.name().into(),
                0_i64.into(),
            ],
        ),
        insert("directory", &["id", "version"], vec![1_i64.into(), 1_i64.into()]),
    ]
}

/// One statement for each: SQLite adds no two columns at once. The defaults stay, for programs from before that insert rows meanwhile.
fn owner_columns() -> Vec<TableAlterStatement> {
    let defaults = [
        ("owner", ADMINISTRATOR.to_string()),
        ("project", DEFAULT_PROJECT.to_string()),
        ("organization", DEFAULT_ORGANIZATION.to_string()),
    ];
    let column = |table: &'static str, (name, default): &(&'static str, String)| {
        Table::alter().table(table).add_column(schema::text(*name).default(default.clone())).to_owned()
    };
    let mut columns: Vec<_> =
        ["session", "run"].iter().flat_map(|table| defaults.iter().map(|row| column(table, row))).collect();
    columns.push(column("token", &defaults[0]));
    columns
}

/// Names of live sessions are unique for each owner: the owner stands before the name.
fn live_names_of_the_administrator() -> UpdateStatement {
    let owned = Expr::val(format!("{ADMINISTRATOR}/")).binary(BinOper::Custom("||"), Expr::col("name"));
    Query::update()
        .table("session")
        .value("live_name", owned)
        .and_where(Expr::col("live_name").is_not_null())
        .to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create().name(name).table(table).to_owned();
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        index("session_of_owner", "session", &["owner", "id"]),
        index("session_of_project", "session", &["project", "id"]),
        index("session_of_organization", "session", &["organization", "id"]),
        index("run_of_owner", "run", &["owner", "id"]),
        index("run_of_project", "run", &["project", "id"]),
        index("run_of_organization", "run", &["organization", "id"]),
        index("membership_of_user", "membership", &["user"]),
        index("user_of_organization", "user", &["organization"]),
        index("token_of_owner", "token", &["owner"]),
    ]
}
